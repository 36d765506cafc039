/* SPDX-License-Identifier: Apache-2.0 */
/* The opcodes of the `memcache` handler that are about server and connection. */
#include "handler_memcache.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Of the memcached whose protocol is spoken: clients compare it with what they need. */
#define SPOKEN_VERSION "1.6.18"

void handler_memcache_noop(struct handler *h)
{
    handler_memcache_done(h, 0);
}

void handler_memcache_version(struct handler *h)
{
    const struct handler_memcache_answer answer = {.value = CDX_STR(SPOKEN_VERSION)};
    handler_memcache_reply(h, MEMCACHE_STATUS_OK, &answer);
}

/* There is nothing to be more or less verbose about: the log's level is the configuration's. */
void handler_memcache_verbosity(struct handler *h)
{
    handler_memcache_done(h, 0);
}

void handler_memcache_quit(struct handler *h)
{
    handler_memcache_done(h, 0);
    h->closing = true;
}

/* ---- stat ---- */

static void stat_text(struct handler *h, const char *name, const char *text)
{
    const struct handler_memcache_answer answer = {.key = cdx_cstr(name), .value = cdx_cstr(text)};
    handler_memcache_reply(h, MEMCACHE_STATUS_OK, &answer);
}

static void stat_number(void *arg, const char *name, uint64_t value)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%" PRIu64, value);
    stat_text(arg, name, digits);
}

static void stat_time(struct handler *h, const char *name, struct timeval time)
{
    char text[48];
    (void)snprintf(text, sizeof text, "%lld.%06ld", (long long)time.tv_sec, (long)time.tv_usec);
    stat_text(h, name, text);
}

/* Sums over the process's handlers. */
struct sums {
    uint64_t gets, get_hits, sets, touches, touch_hits, flushes;
};

static void add_sums(void *arg, const struct handler *h)
{
    struct sums *sums = arg;
    sums->gets += atomic_load_explicit(&h->gets, memory_order_relaxed);
    sums->get_hits += atomic_load_explicit(&h->get_hits, memory_order_relaxed);
    sums->sets += atomic_load_explicit(&h->sets, memory_order_relaxed);
    sums->touches += atomic_load_explicit(&h->touches, memory_order_relaxed);
    sums->touch_hits += atomic_load_explicit(&h->touch_hits, memory_order_relaxed);
    sums->flushes += atomic_load_explicit(&h->flushes, memory_order_relaxed);
}

static void stat_process(struct handler *h)
{
    struct rusage usage;
    stat_number(h, "pid", (uint64_t)getpid());
    stat_number(h, "time", (uint64_t)time(NULL));
    stat_text(h, "version", SPOKEN_VERSION);
    stat_text(h, "caudexd", CAUDEX_VERSION);
    stat_number(h, "pointer_size", 8 * sizeof(void *));
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        stat_time(h, "rusage_user", usage.ru_utime);
        stat_time(h, "rusage_system", usage.ru_stime);
    }
}

static void stat_general(struct handler *h)
{
    struct sums sums = {0};
    struct store_stats stats;
    handler_memcache_each(add_sums, &sums);
    handler_section_read(&h->section);
    store_read_stats(h->section.reader, &stats);
    stat_process(h);
    stat_number(h, "cmd_get", sums.gets);
    stat_number(h, "cmd_set", sums.sets);
    stat_number(h, "cmd_flush", sums.flushes);
    stat_number(h, "cmd_touch", sums.touches);
    stat_number(h, "get_hits", sums.get_hits);
    stat_number(h, "get_misses", sums.gets - sums.get_hits);
    stat_number(h, "touch_hits", sums.touch_hits);
    stat_number(h, "touch_misses", sums.touches - sums.touch_hits);
    stat_number(h, "curr_items", stats.keys);
    stat_number(h, "bytes", stats.used_nbytes);
    stat_number(h, "limit_maxbytes", stats.memory_max_nbytes);
    stat_number(h, "evictions", stats.evicted);
    stat_number(h, "expired", stats.expired);
    if (h->env->stats != NULL)
        h->env->stats(h->env->stats_arg, stat_number, h);
}

static void stat_settings(struct handler *h)
{
    struct store_stats stats;
    handler_section_read(&h->section);
    store_read_stats(h->section.reader, &stats);
    stat_number(h, "maxbytes", stats.memory_max_nbytes);
    stat_text(h, "evictions", stats.memory_max_nbytes != 0 ? "on" : "off");
    stat_text(h, "cas_enabled", "yes");
    stat_text(h, "flush_enabled", "yes");
    stat_text(h, "binding_protocol", "binary");
    stat_number(h, "item_size_max", STORE_VALUE_NBYTES_MAX);
}

/* Groups that memcached has and this store has nothing to say of. */
static bool is_empty_group(struct cdx_bytes name)
{
    return cdx_bytes_equal(name, CDX_STR("items")) || cdx_bytes_equal(name, CDX_STR("slabs")) ||
           cdx_bytes_equal(name, CDX_STR("sizes")) || cdx_bytes_equal(name, CDX_STR("conns"));
}

void handler_memcache_stat(struct handler *h)
{
    static const struct handler_memcache_answer end;
    struct cdx_bytes group = h->request->key;
    if (group.len == 0) {
        stat_general(h);
    } else if (cdx_bytes_equal(group, CDX_STR("settings"))) {
        stat_settings(h);
    } else if (!is_empty_group(group) && !cdx_bytes_equal(group, CDX_STR("reset"))) {
        handler_memcache_error(h, MEMCACHE_STATUS_NOT_FOUND);
        return;
    }
    handler_memcache_reply(h, MEMCACHE_STATUS_OK, &end);
}
