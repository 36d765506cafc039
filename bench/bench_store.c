/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures one peer on one data set, a command at a time, so that bench/store.py
 * can visit all peers' processes in turn.
 *
 *     bench_store_PEER SET SCRATCH-DIRECTORY [PEER.so]
 *
 * A shared object that defines `peer` is measured instead of the program's own.
 *
 * Commands, one a line on standard input; each is answered by one line of JSON,
 * `null` when the peer has no such function:
 *
 *     about
 *     fill                              a new store, all keys: time, memory
 *     fill stamped                      the same with clocks around each put: what each took at
 *                                       least in all such fills so far, and the slowest
 *     read OP MODE THREADS FIRST COUNT  questions FIRST … FIRST+COUNT-1 (around the end: at 0)
 *          OP: get match match_bytes match_all miss
 *          MODE: single (independent), dependent (each waits for the last answer), batch
 *     list                              all keys
 *     remove                            the keys of the get questions, in their order
 *     drop                              the set's largest top-level subtree
 *
 * Times are of the thread's CPU clock, of reads also of the wall clock: with two threads
 * only that shows who waits for whom. `sum` is what all peers must agree on. Exit status: 0, 1 out
 * of something, 2 usage.
 */
#include "store_peer.h"
#include "store_set.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

/* Questions before the clock starts, so that code and upper levels are in the cache. */
#define WARM_UP_QUESTIONS 4096u
#define THREADS_MAX 2u
/* Touched before a fill: more than any peer holds a key. */
#define TOUCHED_NBYTES_PER_KEY 256u
#define NS_PER_S UINT64_C(1000000000)

static const struct peer *measured = &peer;
static struct set set;
static const char *scratch;
static void *store;
static uint64_t heap_before; /* of an empty process */

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t cpu_ns(void)
{
    return now_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("bench_store: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* ---- memory ---- */

/* What malloc has handed out, its own headers included. */
static uint64_t heap_nbytes(void)
{
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static uint64_t memory_nbytes(void)
{
    return measured->memory != NULL ? measured->memory(store) : heap_nbytes() - heap_before;
}

/* A line of the process's status or memory map summary, in bytes; 0: there is none. */
static uint64_t proc_nbytes(const char *file_name, const char *field)
{
    char line[256];
    uint64_t kib = 0;
    FILE *file = fopen(file_name, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtoull(line + strlen(field), NULL, 10);
    }
    if (file != NULL)
        fclose(file);
    return kib << 10;
}

static uint64_t resident_nbytes(void)
{
    return proc_nbytes("/proc/self/status", "VmRSS:");
}

/* From here on the peak is counted anew. */
static void resident_peak_reset(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file != NULL) {
        fputs("5", file);
        fclose(file);
    }
}

/* ---- writing ---- */

static void settle(void)
{
    if (measured->settle != NULL)
        measured->settle(store);
}

/*
 * In a virtual machine the first touch of a page that the host has not given
 * yet takes 10 µs, and of a huge page 5 ms: the host's time, not the peer's.
 */
static void memory_touch(void)
{
    const size_t nbytes = set_count(set, SET_KEYS) * TOUCHED_NBYTES_PER_KEY + (1u << 20);
    void *memory = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return;
    (void)madvise(memory, nbytes, MADV_HUGEPAGE);
    memset(memory, 1, nbytes);
    munmap(memory, nbytes);
}

static void store_renew(void)
{
    if (store != NULL)
        measured->close(store);
    malloc_trim(0);
    memory_touch();
    heap_before = heap_nbytes();
    store = measured->open(scratch);
}

static void fill(void)
{
    store_renew();
    const uint64_t count = set_count(set, SET_KEYS), before = resident_nbytes();
    resident_peak_reset();
    const uint64_t start = cpu_ns();
    for (uint64_t i = 0; i < count; i++)
        measured->put(store, set_text(set, SET_KEYS, i), set_value(i));
    const uint64_t stored = cpu_ns();
    settle();
    const uint64_t end = cpu_ns();
    const uint64_t resident = resident_nbytes();
    const uint64_t peak = proc_nbytes("/proc/self/status", "VmHWM:");
    printf("{\"ns\": %.2f, \"settle_ns\": %.2f, \"memory\": %" PRIu64 ", \"resident\": %" PRIu64
           ", \"peak\": %" PRIu64 ", \"huge_pages\": %" PRIu64 "}\n",
           (double)(end - start) / (double)count, (double)(end - stored) / (double)count,
           memory_nbytes(), resident > before ? resident - before : 0,
           peak > before ? peak - before : 0,
           proc_nbytes("/proc/self/smaps_rollup", "AnonHugePages:"));
}

static int order(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Of a clock around each put: the least that put `i` has taken in any stamped fill. */
struct stamps {
    const char *name;
    clockid_t clock;
    uint32_t *least_ns;
    uint32_t *sorted_ns;
};

/* The thread's clock is free of others' turns, the wall's shows what a caller waits. */
static struct stamps stamps[] = {{.name = "cpu_ns", .clock = CLOCK_THREAD_CPUTIME_ID},
                                 {.name = "wall_ns", .clock = CLOCK_MONOTONIC}};
#define STAMPS (sizeof stamps / sizeof *stamps)

/* Once, and touched at once: it is no peer's memory. */
static void stamps_prepare(uint64_t count)
{
    for (size_t i = 0; i < STAMPS && stamps[i].least_ns == NULL; i++) {
        stamps[i].least_ns = must(malloc(count * sizeof *stamps[i].least_ns));
        stamps[i].sorted_ns = must(malloc(count * sizeof *stamps[i].sorted_ns));
        memset(stamps[i].least_ns, 0xff, count * sizeof *stamps[i].least_ns);
        memset(stamps[i].sorted_ns, 0xff, count * sizeof *stamps[i].sorted_ns);
    }
}

static void stamped_put(uint64_t i)
{
    const struct cdx_bytes key = set_text(set, SET_KEYS, i);
    uint64_t start[STAMPS];
    for (size_t k = STAMPS; k-- > 0;)
        start[k] = now_ns(stamps[k].clock);
    measured->put(store, key, set_value(i));
    for (size_t k = 0; k < STAMPS; k++) {
        const uint64_t took = now_ns(stamps[k].clock) - start[k];
        if (took < stamps[k].least_ns[i])
            stamps[k].least_ns[i] = (uint32_t)took;
    }
}

static void stamps_print(const struct stamps *s, uint64_t count)
{
    uint32_t *ns = s->sorted_ns;
    memcpy(ns, s->least_ns, count * sizeof *ns);
    qsort(ns, count, sizeof *ns, order);
    uint64_t slowest = 0;
    while (s->least_ns[slowest] != ns[count - 1])
        slowest++;
    printf("\"%s\": {\"p50\": %u, \"p99\": %u, \"p99.99\": %u, \"max\": %u, \"slowest\": %" PRIu64
           "}",
           s->name, ns[count / 2], ns[(uint64_t)((double)count * .99)],
           ns[(uint64_t)((double)count * .9999)], ns[count - 1], slowest);
}

/*
 * What a peer does at its i-th put it does at the i-th put of every fill; an
 * interruption, or a page that the host has not given yet, comes once.
 */
static void fill_stamped(void)
{
    const uint64_t count = set_count(set, SET_KEYS);
    stamps_prepare(count);
    store_renew();
    for (uint64_t i = 0; i < count; i++)
        stamped_put(i);
    settle();
    fputs("{", stdout);
    stamps_print(&stamps[0], count);
    fputs(", ", stdout);
    stamps_print(&stamps[1], count);
    fputs("}\n", stdout);
}

static void remove_keys(void)
{
    const uint64_t count = set_count(set, SET_GET);
    uint64_t removed = 0;
    const uint64_t start = cpu_ns();
    for (uint64_t i = 0; i < count; i++)
        removed += measured->remove(store, set_text(set, SET_GET, i));
    const uint64_t gone = cpu_ns();
    settle();
    const uint64_t end = cpu_ns();
    printf("{\"ns\": %.2f, \"settle_ns\": %.2f, \"memory\": %" PRIu64 ", \"sum\": %" PRIu64 "}\n",
           (double)(end - start) / (double)count, (double)(end - gone) / (double)count,
           memory_nbytes(), removed);
}

static void drop(void)
{
    const struct cdx_bytes key = cdx_bytes_of(set.head->drop, set.head->drop_nbytes);
    const uint64_t start = cpu_ns();
    const uint64_t keys = measured->drop(store, key);
    const uint64_t dropped = cpu_ns();
    settle();
    const uint64_t end = cpu_ns();
    printf("{\"call_ns\": %" PRIu64 ", \"all_ns\": %" PRIu64 ", \"memory\": %" PRIu64
           ", \"sum\": %" PRIu64 "}\n",
           dropped - start, end - start, memory_nbytes(), keys);
}

/* ---- reading ---- */

typedef uint64_t question_fn(void *reader, struct cdx_bytes key);
typedef void batch_fn(void *reader, const struct cdx_bytes *keys, size_t count, uint64_t *answers);

enum mode { MODE_SINGLE, MODE_DEPENDENT, MODE_BATCH };

/* What one thread is to ask, and what came of it. */
struct asking {
    enum set_section section;
    enum mode mode;
    question_fn *question;
    batch_fn *batch;
    uint64_t first, count;
    unsigned core;
    pthread_barrier_t *together;
    void *reader;
    uint64_t sum, cpu_ns, wall_start_ns, wall_end_ns;
};

static void read_begin(void *reader)
{
    if (measured->read_begin != NULL)
        measured->read_begin(reader);
}

static void read_end(void *reader)
{
    if (measured->read_end != NULL)
        measured->read_end(reader);
}

static uint64_t ask_single(const struct asking *a, uint64_t first, uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++)
        sum += a->question(a->reader, set_text(set, a->section, first + i));
    return sum;
}

/* The next key's address is known only with the last answer, whose highest bit is 0. */
static uint64_t ask_dependent(const struct asking *a, uint64_t first, uint64_t count)
{
    uint64_t sum = 0, answer = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct cdx_bytes key = set_text(set, a->section, first + i);
        key.data += answer >> 63;
        answer = a->question(a->reader, key);
        sum += answer;
    }
    return sum;
}

static uint64_t ask_batch(const struct asking *a, uint64_t first, uint64_t count)
{
    struct cdx_bytes keys[PEER_BATCH] = {{NULL, 0}};
    uint64_t answers[PEER_BATCH], sum = 0;
    for (uint64_t i = 0; i < count; i++)
        keys[i] = set_text(set, a->section, first + i);
    a->batch(a->reader, keys, count, answers);
    for (uint64_t i = 0; i < count; i++)
        sum += answers[i];
    return sum;
}

/* A read section per PEER_BATCH questions, in every mode. */
static uint64_t ask(const struct asking *a, uint64_t first, uint64_t count)
{
    static uint64_t (*const modes[])(const struct asking *, uint64_t,
                                     uint64_t) = {ask_single, ask_dependent, ask_batch};
    const uint64_t all = set_count(set, a->section);
    uint64_t sum = 0;
    while (count > 0) {
        first = first < all ? first : first % all;
        uint64_t n = count < PEER_BATCH ? count : PEER_BATCH;
        n = n < all - first ? n : all - first;
        read_begin(a->reader);
        sum += modes[a->mode](a, first, n);
        read_end(a->reader);
        first += n;
        count -= n;
    }
    return sum;
}

static void *thread_run(void *argument)
{
    struct asking *a = argument;
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(a->core, &cores);
    pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
    a->reader = measured->reader_open != NULL ? measured->reader_open(store) : store;
    volatile uint64_t unused = ask(a, a->first + a->count, WARM_UP_QUESTIONS);
    (void)unused;
    pthread_barrier_wait(a->together);
    a->wall_start_ns = now_ns(CLOCK_MONOTONIC);
    const uint64_t start = cpu_ns();
    a->sum = ask(a, a->first, a->count);
    a->cpu_ns = cpu_ns() - start;
    a->wall_end_ns = now_ns(CLOCK_MONOTONIC);
    if (measured->reader_close != NULL)
        measured->reader_close(a->reader);
    return NULL;
}

/* `threads` share the questions; all of one thread's come before the other's. */
static void read_threads(const struct asking *what, unsigned threads)
{
    struct asking asking[THREADS_MAX];
    pthread_t thread[THREADS_MAX];
    pthread_barrier_t together;
    pthread_barrier_init(&together, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        asking[i] = *what;
        asking[i].count = what->count / threads;
        asking[i].first = what->first + i * asking[i].count;
        asking[i].core = i;
        asking[i].together = &together;
        if (pthread_create(&thread[i], NULL, thread_run, &asking[i]) != 0)
            exit(1);
    }
    uint64_t asked = 0, sum = 0, cpu = 0, begin = UINT64_MAX, end = 0;
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
        asked += asking[i].count;
        sum += asking[i].sum;
        cpu += asking[i].cpu_ns;
        begin = asking[i].wall_start_ns < begin ? asking[i].wall_start_ns : begin;
        end = asking[i].wall_end_ns > end ? asking[i].wall_end_ns : end;
    }
    pthread_barrier_destroy(&together);
    printf("{\"cpu_ns\": %.2f, \"wall_ns\": %.2f, \"sum\": %" PRIu64 "}\n",
           (double)cpu / (double)asked, (double)(end - begin) / (double)asked, sum);
}

struct op {
    const char *name;
    enum set_section section;
    question_fn *question;
    batch_fn *batch;
};

static void read_keys(const char *op_name, const char *mode_name, unsigned threads, uint64_t first,
                      uint64_t count)
{
    const struct op ops[] = {
        {"get", SET_GET, measured->get, measured->get_batch},
        {"miss", SET_MISS, measured->get, measured->get_batch},
        {"match", SET_MATCH, measured->match, measured->match_batch},
        {"match_bytes", SET_MATCH, measured->match_bytes, NULL},
        {"match_all", SET_MATCH, measured->match_all, NULL},
    };
    static const char *const modes[] = {"single", "dependent", "batch"};
    struct asking what = {.first = first, .count = count};
    const struct op *op = NULL;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        op = strcmp(ops[i].name, op_name) == 0 ? &ops[i] : op;
    for (unsigned i = MODE_SINGLE; i <= MODE_BATCH; i++)
        what.mode = strcmp(modes[i], mode_name) == 0 ? (enum mode)i : what.mode;
    if (op == NULL || threads < 1 || threads > THREADS_MAX || store == NULL || count < threads) {
        fputs("bench_store: what is to be read?\n", stderr);
        exit(2);
    }
    what.section = op->section;
    what.question = op->question;
    what.batch = op->batch;
    if (what.mode == MODE_BATCH ? op->batch == NULL : op->question == NULL)
        puts("null");
    else
        read_threads(&what, threads);
}

static void list(void)
{
    void *reader = measured->reader_open != NULL ? measured->reader_open(store) : store;
    uint64_t rows = 0;
    const uint64_t start = cpu_ns();
    read_begin(reader);
    const uint64_t sum = measured->list(reader, &rows);
    read_end(reader);
    const uint64_t end = cpu_ns();
    if (measured->reader_close != NULL)
        measured->reader_close(reader);
    printf("{\"ns\": %.2f, \"rows\": %" PRIu64 ", \"sum\": %" PRIu64 "}\n",
           (double)(end - start) / (double)(rows != 0 ? rows : 1), rows, sum);
}

/* ---- commands ---- */

static void command_run(const char *line)
{
    char op[16], mode[16];
    unsigned threads;
    uint64_t first, count;
    if (sscanf(line, "read %15s %15s %u %" SCNu64 " %" SCNu64, op, mode, &threads, &first,
               &count) == 5)
        read_keys(op, mode, threads, first, count);
    else if (strcmp(line, "about\n") == 0)
        printf("{\"name\": \"%s\", \"kind\": \"%s\", \"about\": \"%s\"}\n", measured->name,
               measured->kind, measured->about);
    else if (strcmp(line, "fill\n") == 0)
        fill();
    else if (strcmp(line, "fill stamped\n") == 0 && !measured->at_once)
        fill_stamped();
    else if (strcmp(line, "list\n") == 0 && measured->list != NULL)
        list();
    else if (strcmp(line, "remove\n") == 0 && measured->remove != NULL)
        remove_keys();
    else if (strcmp(line, "drop\n") == 0 && measured->drop != NULL && set.head->drop_nbytes != 0)
        drop();
    else
        puts("null");
    fflush(stdout);
}

static const struct peer *peer_load(const char *path)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct peer *found = object != NULL ? dlsym(object, "peer") : NULL;
    if (found == NULL) {
        fprintf(stderr, "bench_store: %s\n", dlerror());
        exit(1);
    }
    return found;
}

int main(int argc, char **argv)
{
    char line[128];
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: bench_store_%s SET SCRATCH-DIRECTORY [PEER.so]\n", measured->name);
        return 2;
    }
    if (argc == 4)
        measured = peer_load(argv[3]);
    set = set_open(argv[1]);
    scratch = argv[2];
    while (fgets(line, sizeof line, stdin) != NULL)
        command_run(line);
    if (store != NULL)
        measured->close(store);
    return 0;
}
