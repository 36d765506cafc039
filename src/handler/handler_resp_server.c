/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the `resp` handler about the server. */
#include "handler_resp.h"
#include "handler_resp_text.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

/* The version of Redis whose commands and texts these are: clients look at it. */
#define REDIS_VERSION "7.0.15"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct handler *handlers;
static uint64_t begun_ms; /* when the first handler of the process was opened */

void handler_resp_opened(struct handler *h)
{
    pthread_mutex_lock(&lock);
    if (begun_ms == 0)
        begun_ms = store_now(h->section.store);
    h->next_open = handlers;
    handlers = h;
    pthread_mutex_unlock(&lock);
}

void handler_resp_closed(struct handler *h)
{
    pthread_mutex_lock(&lock);
    struct handler **link = &handlers;
    while (*link != h)
        link = &(*link)->next_open;
    *link = h->next_open;
    pthread_mutex_unlock(&lock);
}

/* How often the command was called, of all handlers. */
static uint64_t calls_of(size_t row)
{
    uint64_t sum = 0;
    pthread_mutex_lock(&lock);
    for (const struct handler *h = handlers; h != NULL; h = h->next_open)
        sum += atomic_load_explicit(&h->calls[row], memory_order_relaxed);
    pthread_mutex_unlock(&lock);
    return sum;
}

void handler_resp_config_resetstat(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)args;
    (void)count;
    pthread_mutex_lock(&lock);
    for (struct handler *other = handlers; other != NULL; other = other->next_open) {
        for (size_t i = 0; i < handler_resp_command_count; i++)
            atomic_store_explicit(&other->calls[i], 0, memory_order_relaxed);
    }
    pthread_mutex_unlock(&lock);
    handler_resp_ok(h);
}

/* ---- INFO ---- */

/* What the sections tell of. */
struct info {
    struct handler *h;
    struct store_stats store;
    uint64_t clients, accepted, refused, in_nbytes, out_nbytes;
    bool whole; /* false: no memory */
};

__attribute__((format(printf, 2, 3))) static void say(struct info *info, const char *format, ...)
{
    enum { LINE_NBYTES_MAX = 256 };
    struct handler_output *scratch = &info->h->scratch;
    char *at = (char *)handler_output_reserve(scratch, LINE_NBYTES_MAX);
    if (at == NULL) {
        info->whole = false;
        return;
    }
    va_list values;
    va_start(values, format);
    int n = vsnprintf(at, LINE_NBYTES_MAX - 2, format, values);
    va_end(values);
    if (n > LINE_NBYTES_MAX - 3)
        n = LINE_NBYTES_MAX - 3;
    memcpy(at + n, "\r\n", 2);
    scratch->len += (size_t)n + 2;
}

static void info_server(struct info *info)
{
    uint64_t seconds = (store_now(info->h->section.store) - begun_ms) / 1000;
    say(info, "# Server");
    say(info, "redis_version:" REDIS_VERSION);
    say(info, "redis_mode:standalone");
    say(info, "server_name:caudexd");
    say(info, "caudexd_version:" CAUDEX_VERSION);
    say(info, "arch_bits:%zu", sizeof(void *) * 8);
    say(info, "process_id:%ld", (long)getpid());
    say(info, "uptime_in_seconds:%" PRIu64, seconds);
    say(info, "uptime_in_days:%" PRIu64, seconds / 86400);
}

static void info_clients(struct info *info)
{
    say(info, "# Clients");
    say(info, "connected_clients:%" PRIu64, info->clients);
}

static void info_memory(struct info *info)
{
    say(info, "# Memory");
    say(info, "used_memory:%" PRIu64, info->store.used_nbytes);
    say(info, "used_memory_dataset:%" PRIu64, info->store.key_nbytes + info->store.value_nbytes);
    say(info, "maxmemory:%" PRIu64, info->store.memory_max_nbytes);
    say(info, "allocator_allocated:%" PRIu64, info->store.memory_nbytes);
}

static void info_persistence(struct info *info)
{
    say(info, "# Persistence");
    say(info, "loading:0");
    say(info, "rdb_bgsave_in_progress:0");
    say(info, "aof_enabled:0");
}

static void info_stats(struct info *info)
{
    uint64_t calls = 0;
    for (size_t i = 0; i < handler_resp_command_count; i++)
        calls += calls_of(i);
    say(info, "# Stats");
    say(info, "total_connections_received:%" PRIu64, info->accepted);
    say(info, "total_commands_processed:%" PRIu64, calls);
    say(info, "total_net_input_bytes:%" PRIu64, info->in_nbytes);
    say(info, "total_net_output_bytes:%" PRIu64, info->out_nbytes);
    say(info, "rejected_connections:%" PRIu64, info->refused);
    say(info, "expired_keys:%" PRIu64, info->store.expired);
    say(info, "evicted_keys:%" PRIu64, info->store.evicted);
}

static void info_replication(struct info *info)
{
    say(info, "# Replication");
    say(info, "role:master");
    say(info, "connected_slaves:0");
}

static void info_cpu(struct info *info)
{
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    say(info, "# CPU");
    say(info, "used_cpu_sys:%ld.%06ld", (long)usage.ru_stime.tv_sec, (long)usage.ru_stime.tv_usec);
    say(info, "used_cpu_user:%ld.%06ld", (long)usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec);
}

static void info_commandstats(struct info *info)
{
    say(info, "# Commandstats");
    for (size_t i = 0; i < handler_resp_command_count; i++) {
        uint64_t calls = calls_of(i);
        if (calls != 0)
            say(info, "cmdstat_%s:calls=%" PRIu64, handler_resp_commands[i].name, calls);
    }
}

static void info_cluster(struct info *info)
{
    say(info, "# Cluster");
    say(info, "cluster_enabled:0");
}

static void info_keyspace(struct info *info)
{
    say(info, "# Keyspace");
    if (info->store.keys != 0)
        say(info, "db0:keys=%" PRIu64 ",expires=%" PRIu64 ",avg_ttl=0", info->store.keys,
            info->store.expiring);
}

static const struct info_section {
    const char *name;
    void (*tell)(struct info *info);
    bool only_if_named; /* by its name, or as "all" */
} info_sections[] = {
    {"server", info_server, false},   {"clients", info_clients, false},
    {"memory", info_memory, false},   {"persistence", info_persistence, false},
    {"stats", info_stats, false},     {"replication", info_replication, false},
    {"cpu", info_cpu, false},         {"commandstats", info_commandstats, true},
    {"cluster", info_cluster, false}, {"keyspace", info_keyspace, false},
};

static bool section_is_wanted(const struct info_section *section, const struct cdx_bytes *args,
                              size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (handler_resp_text_is(args[i], section->name) || handler_resp_text_is(args[i], "all") ||
            handler_resp_text_is(args[i], "everything") ||
            (handler_resp_text_is(args[i], "default") && !section->only_if_named))
            return true;
    }
    return count == 1 && !section->only_if_named;
}

/* The server's own counters, by name. */
static void take_counter(void *arg, const char *name, uint64_t value)
{
    struct info *info = arg;
    const struct {
        const char *name;
        uint64_t *value;
    } wanted[] = {
        {"net.connections_open", &info->clients},    {"net.connections_accepted", &info->accepted},
        {"net.connections_refused", &info->refused}, {"net.bytes_in", &info->in_nbytes},
        {"net.bytes_out", &info->out_nbytes},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (strcmp(wanted[i].name, name) == 0)
            *wanted[i].value = value;
    }
}

void handler_resp_info(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct info info = {.h = h, .whole = true};
    if (count > HANDLER_RESP_SECTIONS_MAX) {
        handler_resp_error(h, RESP_ERROR_SYNTAX);
        return;
    }
    h->scratch.len = 0;
    handler_section_read(&h->section);
    store_read_stats(h->section.reader, &info.store);
    if (h->env->stats != NULL)
        h->env->stats(h->env->stats_arg, take_counter, &info);
    for (size_t i = 0; i < sizeof info_sections / sizeof info_sections[0]; i++) {
        if (!section_is_wanted(&info_sections[i], args, count))
            continue;
        if (h->scratch.len != 0)
            say(&info, "%s", "");
        info_sections[i].tell(&info);
    }
    if (info.whole)
        handler_resp_bulk(h, cdx_bytes_of(h->scratch.data, h->scratch.len));
    else
        handler_resp_error(h, RESP_ERROR_MEMORY);
}

/* ---- CONFIG, TIME ---- */

/* What clients and redis-benchmark ask for; values that only a file could change are constants. */
static const struct {
    const char *name;
    const char *value; /* NULL: the store's limit of memory */
} parameters[] = {
    {"appendonly", "no"}, {"databases", "1"},
    {"maxmemory", NULL},  {"proto-max-bulk-len", "16777216"},
    {"save", ""},
};
#define PARAMETER_COUNT (sizeof parameters / sizeof parameters[0])

/* What an answer calls the parameter: as it was asked for, by its name for a pattern; NULL: not
 * wanted. */
static struct cdx_bytes name_wanted(const char *name, const struct cdx_bytes *args, size_t count)
{
    uint64_t steps = 0;
    for (size_t i = 2; i < count; i++) {
        if (handler_resp_text_is(args[i], name))
            return args[i];
        if (args[i].len <= HANDLER_RESP_PATTERN_NBYTES_MAX &&
            handler_resp_text_matches(args[i], cdx_cstr(name), &steps))
            return cdx_cstr(name);
    }
    return cdx_empty();
}

void handler_resp_config_get(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct store_stats stats;
    struct cdx_bytes names[PARAMETER_COUNT];
    size_t rows = 0;
    if (count > HANDLER_RESP_SECTIONS_MAX) {
        handler_resp_error(h, RESP_ERROR_SYNTAX);
        return;
    }
    for (size_t i = 0; i < PARAMETER_COUNT; i++) {
        names[i] = name_wanted(parameters[i].name, args, count);
        rows += names[i].data != NULL;
    }
    handler_section_read(&h->section);
    store_read_stats(h->section.reader, &stats);
    handler_resp_array(h, rows * 2);
    for (size_t i = 0; i < PARAMETER_COUNT; i++) {
        if (names[i].data == NULL)
            continue;
        handler_resp_bulk(h, names[i]);
        if (parameters[i].value != NULL)
            handler_resp_bulk_text(h, parameters[i].value);
        else
            handler_resp_bulk_integer(h, (int64_t)stats.memory_max_nbytes);
    }
}

void handler_resp_time(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct timeval now;
    (void)args;
    (void)count;
    gettimeofday(&now, NULL);
    handler_resp_array(h, 2);
    handler_resp_bulk_integer(h, now.tv_sec);
    handler_resp_bulk_integer(h, now.tv_usec);
}
