/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers against a writer that does everything: put, touch, delete, drop, batch, swap,
 * expiry, compaction, growth of the index.
 *
 * The writer says of each key, before the write is published, from which revision on it
 * has which value: its log. What a reader finds must be what the log says for exactly
 * the revision that it reads at, also in lists, matches and snapshots.
 *
 *     log of a key:   0 ─ not stored ─ 17 ─ stored, revision 17 ─ 40 ─ not stored ─ …
 *     read at 39:     the entry must be of revision 17
 *
 * Built with the thread sanitizer, this also shows that nothing is shared without order.
 * A longer run: CAUDEX_STRESS_SECONDS=600 test_store_stress.
 */
#include "store.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define READERS 3
#define SECONDS_DEFAULT 3
#define SECONDS_MAX 86400
#define GROUPS 8u
#define KEYS_PER_GROUP 48u
#define KEYS (GROUPS * KEYS_PER_GROUP)
#define EVENTS_MAX 8192u /* of a key, kept; readers that are further behind look no more */
#define FILLERS 3000u
#define LONG_ENOUGH_NBYTES 200u

/* From `from` on, the key has the value of revision `revision` (0: none). */
struct event {
    _Atomic uint64_t from;
    _Atomic uint64_t revision;
};

struct log {
    struct event events[EVENTS_MAX]; /* a ring */
    _Atomic uint64_t count;
};

struct world {
    struct store *store;
    struct log *logs; /* of all keys */
    atomic_bool stop;
    uint64_t random;
    uint64_t revision; /* the writer's */
};

struct reader_thread {
    pthread_t thread;
    struct world *world;
    uint64_t random;
    uint64_t checks;
    const char *wrong;
};

static uint32_t random_below(uint64_t *random, uint32_t bound)
{
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)((*random >> 33) % bound);
}

/* ---- keys and values ---- */

/* /g0 … /g7 hold keys of two shapes: direct children, and deeper ones. */
static struct cdx_bytes key_text(uint32_t key, char *room, size_t nbytes)
{
    uint32_t group = key / KEYS_PER_GROUP;
    uint32_t number = key % KEYS_PER_GROUP;
    int len = number % 3 == 0 ? snprintf(room, nbytes, "/g%u/%03u/deep/er", group, number)
                              : snprintf(room, nbytes, "/g%u/%03u", group, number);
    return cdx_bytes_of(room, (size_t)len);
}

/* The number of a listed key; KEYS: it is none of them. */
static uint32_t key_number(struct cdx_bytes key)
{
    if (key.len < 7 || key.data[0] != '/' || key.data[1] != 'g')
        return KEYS;
    uint32_t number = (uint32_t)(key.data[4] - '0') * 100 + (uint32_t)(key.data[5] - '0') * 10 +
                      (uint32_t)(key.data[6] - '0');
    return (uint32_t)(key.data[2] - '0') * KEYS_PER_GROUP + number;
}

/* A value tells its key and which write it is of; some are too long to be inline. */
static struct cdx_bytes value_text(uint32_t key, uint64_t revision, char *room)
{
    memset(room, (int)('a' + revision % 26), LONG_ENOUGH_NBYTES);
    int len = snprintf(room, LONG_ENOUGH_NBYTES, "%u:%llu", key, (unsigned long long)revision);
    return cdx_bytes_of(room, revision % 4 == 0 ? LONG_ENOUGH_NBYTES : (size_t)len);
}

static bool value_is_of(struct cdx_bytes value, uint32_t key, uint64_t revision)
{
    char room[LONG_ENOUGH_NBYTES];
    return cdx_bytes_equal(value, value_text(key, revision, room));
}

/* ---- logs ---- */

/* Before the write is published: no reader asks for its revision yet. */
static void log_add(struct world *w, uint32_t key, uint64_t from, uint64_t revision)
{
    struct log *log = &w->logs[key];
    uint64_t n = atomic_load(&log->count);
    atomic_store(&log->events[n % EVENTS_MAX].from, from);
    atomic_store(&log->events[n % EVENTS_MAX].revision, revision);
    atomic_store(&log->count, n + 1);
}

static bool log_newest(const struct world *w, uint32_t key)
{
    const struct log *log = &w->logs[key];
    uint64_t n = atomic_load(&log->count);
    return n != 0 && atomic_load(&log->events[(n - 1) % EVENTS_MAX].revision) != 0;
}

/* What the key has at `at`: false when the ring no longer knows. */
static bool log_at(const struct world *w, uint32_t key, uint64_t at, uint64_t *revision)
{
    const struct log *log = &w->logs[key];
    uint64_t n = atomic_load(&log->count);
    uint64_t oldest = n > EVENTS_MAX ? n - EVENTS_MAX : 0;
    *revision = 0;
    uint64_t i = n;
    while (i > oldest) {
        i--;
        if (atomic_load(&log->events[i % EVENTS_MAX].from) > at)
            continue;
        *revision = atomic_load(&log->events[i % EVENTS_MAX].revision);
        break;
    }
    bool found = i > oldest || oldest == 0;
    return found && atomic_load(&log->count) - i < EVENTS_MAX;
}

/* ---- readers ---- */

/* One answer of one key against its log; `entry` is NULL when nothing was found. */
static const char *check_answer(const struct world *w, uint32_t key, uint64_t at,
                                const struct store_entry *entry)
{
    uint64_t right;
    if (!log_at(w, key, at, &right))
        return NULL;
    if (entry == NULL)
        return right == 0 ? NULL : "a stored key was not found";
    if (right == 0)
        return "a key was found that is not stored";
    if (entry->revision != right)
        return "a value of another version was found";
    return value_is_of(entry->value, key, right) ? NULL : "a value is not what was stored";
}

static const char *read_key(const struct world *w, struct store_reader *reader, uint32_t key,
                            bool match)
{
    char room[64];
    struct cdx_bytes text = key_text(key, room, sizeof room);
    struct store_probe probe;
    struct store_entry entry;
    store_probe_start(w->store, match ? STORE_PROBE_MATCH : STORE_PROBE_KEY, text, &probe);
    store_probes_touch(reader, &probe, 1);
    store_probes_reach(reader, &probe, 1);
    enum store_status status =
        match ? store_match(reader, text, &probe, &entry) : store_get(reader, text, &probe, &entry);
    return check_answer(w, key, store_read_revision(reader), status == STORE_OK ? &entry : NULL);
}

/* A whole group as a list: each key that is there is right, and none is left out. */
static const char *read_group(const struct world *w, struct store_reader *reader, uint32_t group)
{
    char room[16];
    bool seen[KEYS_PER_GROUP] = {false};
    struct store_cursor cursor;
    struct store_entry entry;
    const char *wrong = NULL;
    int len = snprintf(room, sizeof room, "/g%u", group);
    uint64_t at = store_read_revision(reader);
    store_list(reader, cdx_bytes_of(room, (size_t)len), cdx_empty(), &cursor);
    while (wrong == NULL && store_next(&cursor, &entry) == STORE_OK) {
        uint32_t key = key_number(entry.key);
        if (key >= KEYS || key / KEYS_PER_GROUP != group)
            return "a key of another subtree was listed";
        if (seen[key % KEYS_PER_GROUP])
            return "a key was listed twice";
        seen[key % KEYS_PER_GROUP] = true;
        wrong = check_answer(w, key, at, &entry);
    }
    for (uint32_t i = 0; wrong == NULL && i < KEYS_PER_GROUP; i++) {
        if (!seen[i])
            wrong = check_answer(w, group * KEYS_PER_GROUP + i, at, NULL);
    }
    return wrong;
}

/* What can be asked within one read section. */
static const char *read_some(struct reader_thread *self, struct store_reader *reader)
{
    const struct world *w = self->world;
    const char *wrong = NULL;
    for (uint32_t i = 0; wrong == NULL && i < 16; i++)
        wrong = read_key(w, reader, random_below(&self->random, KEYS), i % 2 != 0);
    if (wrong == NULL)
        wrong = read_group(w, reader, random_below(&self->random, GROUPS));
    self->checks++;
    return wrong;
}

/* The same version in several sections, while it becomes the past. */
static const char *read_snapshot(struct reader_thread *self, struct store_reader *reader)
{
    struct store_snapshot *snapshot;
    const char *wrong = NULL;
    store_read_begin(reader);
    enum store_status status = store_snapshot_open(reader, &snapshot);
    uint64_t at = store_read_revision(reader);
    store_read_end(reader);
    if (status != STORE_OK)
        return "a snapshot was refused";
    for (uint32_t i = 0; wrong == NULL && i < 8; i++) {
        store_read_begin_at(reader, snapshot);
        wrong = read_some(self, reader);
        if (store_read_revision(reader) != at)
            wrong = "a snapshot has another revision";
        store_read_end(reader);
    }
    store_snapshot_close(self->world->store, snapshot);
    return wrong;
}

static void *read_all_the_time(void *arg)
{
    struct reader_thread *self = arg;
    struct store_reader *reader;
    if (store_reader_open(self->world->store, &reader) != STORE_OK) {
        self->wrong = "no memory for a reader";
        return NULL;
    }
    while (self->wrong == NULL && !atomic_load(&self->world->stop)) {
        if (random_below(&self->random, 32) == 0) {
            self->wrong = read_snapshot(self, reader);
            continue;
        }
        store_read_begin(reader);
        self->wrong = read_some(self, reader);
        store_read_end(reader);
    }
    store_reader_close(reader);
    return NULL;
}

/* ---- the writer ---- */

static void must(enum store_status status)
{
    assert_int_equal(status, STORE_OK);
}

/* The revision that the next write will have. */
static uint64_t next_revision(const struct world *w)
{
    return w->revision + 1;
}

static void write_put(struct world *w, uint32_t key)
{
    char room[64];
    char value[LONG_ENOUGH_NBYTES];
    uint64_t revision = next_revision(w);
    log_add(w, key, revision, revision);
    must(store_put(w->store, key_text(key, room, sizeof room), value_text(key, revision, value),
                   NULL, &w->revision));
    assert_int_equal(w->revision, revision);
}

static void write_delete(struct world *w, uint32_t key)
{
    char room[64];
    if (!log_newest(w, key))
        return;
    log_add(w, key, next_revision(w), 0);
    must(store_delete(w->store, key_text(key, room, sizeof room), &w->revision));
}

/* A group ends; keys that it has afterwards are given by the caller. */
static void group_ends(struct world *w, uint32_t group, uint64_t from)
{
    for (uint32_t i = 0; i < KEYS_PER_GROUP; i++) {
        if (log_newest(w, group * KEYS_PER_GROUP + i))
            log_add(w, group * KEYS_PER_GROUP + i, from, 0);
    }
}

static struct cdx_bytes group_text(uint32_t group, char *room, size_t nbytes)
{
    return cdx_bytes_of(room, (size_t)snprintf(room, nbytes, "/g%u", group));
}

static void write_drop(struct world *w, uint32_t group)
{
    char room[16];
    uint64_t keys;
    group_ends(w, group, next_revision(w));
    must(store_drop(w->store, group_text(group, room, sizeof room), &keys, &w->revision));
}

/* The log says what is to come before it comes: the stage's puts have revisions of their own. */
static void write_swap(struct world *w, uint32_t group)
{
    char room[64];
    char value[LONG_ENOUGH_NBYTES];
    uint64_t staged[KEYS_PER_GROUP] = {0};
    uint64_t added;
    uint64_t removed;
    uint32_t stage;
    enum store_status status =
        store_stage_open(w->store, group_text(group, room, sizeof room), &stage);
    if (status == STORE_BUSY)
        return; /* dropped stages keep their places until upkeep has taken them apart */
    must(status);
    for (uint32_t i = 0; i < KEYS_PER_GROUP; i += 1 + random_below(&w->random, 3)) {
        uint32_t key = group * KEYS_PER_GROUP + i;
        uint64_t revision = next_revision(w);
        must(store_stage_put(w->store, stage, key_text(key, room, sizeof room),
                             value_text(key, revision, value), NULL, &w->revision));
        staged[i] = w->revision;
    }
    if (random_below(&w->random, 4) == 0) {
        must(store_stage_drop(w->store, stage));
        w->revision = 0; /* not told: looked up */
        return;
    }
    group_ends(w, group, next_revision(w));
    for (uint32_t i = 0; i < KEYS_PER_GROUP; i++) {
        if (staged[i] != 0)
            log_add(w, group * KEYS_PER_GROUP + i, next_revision(w), staged[i]);
    }
    must(store_stage_swap(w->store, stage, &added, &removed, &w->revision));
}

/* Puts that fail together after some were done: nothing may be seen of them. */
static void write_failing_batch(struct world *w, uint32_t key)
{
    static const uint64_t never = UINT64_MAX / 2;
    char rooms[8][64];
    struct store_op ops[8];
    size_t failed;
    uint64_t revision;
    for (uint32_t i = 0; i < 8; i++)
        ops[i] = (struct store_op){.kind = i % 3 == 1 ? STORE_OP_DELETE : STORE_OP_PUT,
                                   .key = key_text((key + i) % KEYS, rooms[i], sizeof rooms[i]),
                                   .value = CDX_STR("never to be seen")};
    ops[6].kind = STORE_OP_DROP;
    ops[7].options.expected = &never;
    assert_int_equal(store_batch(w->store, ops, 8, &failed, &revision), STORE_CONFLICT);
    assert_int_equal(failed, 7);
    w->revision = 0;
}

/* The index grows under the readers, and its segments are emptied again. */
static void write_fillers(struct world *w)
{
    static const struct store_put_options soon = {.expires_ms = 1};
    uint64_t keys;
    bool expiring = random_below(&w->random, 2) != 0;
    for (uint32_t i = 0; i < FILLERS; i++) {
        char room[32];
        int len = snprintf(room, sizeof room, "/fill/%u/%u", i % 7, i);
        must(store_put_with(w->store, cdx_bytes_of(room, (size_t)len), CDX_STR("f"),
                            expiring ? &soon : NULL, &w->revision));
    }
    if (!expiring)
        must(store_drop(w->store, CDX_STR("/fill"), &keys, &w->revision));
}

static void write_touch(struct world *w, uint32_t key)
{
    char room[64];
    if (log_newest(w, key))
        must(store_touch(w->store, key_text(key, room, sizeof room),
                         random_below(&w->random, 2) * UINT64_C(1) << 40));
}

static void write_one(struct world *w)
{
    uint32_t key = random_below(&w->random, KEYS);
    uint32_t kind = random_below(&w->random, 4000);
    if (kind < 1800)
        write_put(w, key);
    else if (kind < 3000)
        write_delete(w, key);
    else if (kind < 3400)
        write_touch(w, key);
    else if (kind < 3600)
        write_failing_batch(w, key);
    else if (kind < 3800)
        write_swap(w, key / KEYS_PER_GROUP);
    else if (kind < 3998)
        write_drop(w, key / KEYS_PER_GROUP);
    else
        write_fillers(w);
}

/* The present revision, where writes do not tell it: with the sections of nobody else between. */
static uint64_t published(struct store_reader *reader)
{
    store_read_begin(reader);
    uint64_t revision = store_read_revision(reader);
    store_read_end(reader);
    return revision;
}

static void write_section(struct world *w, struct store_reader *reader)
{
    (void)store_maintain(w->store, 2, random_below(&w->random, 64));
    w->revision = published(reader);
    store_write_begin(w->store);
    for (uint32_t i = random_below(&w->random, 4); i < 4; i++) {
        write_one(w);
        if (w->revision == 0)
            break;
    }
    store_write_end(w->store);
}

static time_t seconds_wanted(void)
{
    const char *text = getenv("CAUDEX_STRESS_SECONDS");
    long seconds = text != NULL ? strtol(text, NULL, 10) : SECONDS_DEFAULT;
    return seconds > 0 && seconds <= SECONDS_MAX ? (time_t)seconds : SECONDS_DEFAULT;
}

static time_t clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void every_answer_is_true_at_its_revision(void **state)
{
    (void)state;
    struct world w = {.random = 42};
    struct reader_thread readers[READERS];
    struct store_reader *own;
    const struct store_config config = {.hash_seed = 1};
    must(store_open(&config, &w.store));
    must(store_reader_open(w.store, &own));
    w.logs = calloc(KEYS, sizeof *w.logs);
    assert_non_null(w.logs);
    for (uint32_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader_thread){.world = &w, .random = i};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_all_the_time, &readers[i]),
                         0);
    }
    for (time_t end = clock_seconds() + seconds_wanted(); clock_seconds() < end;) {
        for (uint32_t i = 0; i < 64; i++)
            write_section(&w, own);
    }
    atomic_store(&w.stop, true);
    for (uint32_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
    for (uint32_t i = 0; i < READERS; i++) {
        if (readers[i].wrong != NULL)
            fail_msg("reader %u: %s", i, readers[i].wrong);
        assert_true(readers[i].checks != 0);
    }
    const char *broken = store_check(w.store);
    if (broken != NULL)
        fail_msg("%s", broken);
    store_reader_close(own);
    store_close(w.store);
    free(w.logs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_true_at_its_revision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
