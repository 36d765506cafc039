/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers see whole write sections and nothing between. The writer changes two
 * keys in every section to the same number, and moves a third in and out; each
 * reader checks that what it sees belongs together. Built with the thread
 * sanitizer, this also shows that nothing is shared without the lock.
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

#define READERS 2
#define ROUNDS 4000u
#define FILLERS 500u
#define SECTIONS_MIN 100u

struct shared {
    struct store *store;
    atomic_bool stop;
    atomic_uint sections; /* read so far by all readers */
};

struct reader_result {
    struct shared *shared;
    const char *wrong;
};

static struct cdx_bytes number_text(char *room, size_t nbytes, unsigned number)
{
    return cdx_bytes_of(room, (size_t)snprintf(room, nbytes, "%u", number));
}

/* One section: two values that must be equal, and a third key present in every other round only. */
static const char *read_once(struct store *store, struct store_reader *reader)
{
    struct cdx_bytes first = CDX_STR("/pair/first/deeper/still");
    struct cdx_bytes second = CDX_STR("/pair/second");
    struct cdx_bytes third = CDX_STR("/other/odd/below");
    struct store_entry a;
    struct store_entry b;
    struct store_entry c;
    struct store_probe probes[2];
    const char *wrong = NULL;
    store_probe_start(store, STORE_PROBE_MATCH, first, &probes[0]);
    store_probe_start(store, STORE_PROBE_KEY, second, &probes[1]);
    store_read_begin(reader);
    store_probes_touch(reader, &probes[0], 1);
    store_probes_touch(reader, &probes[1], 1);
    if (store_match(reader, first, &probes[0], &a) != STORE_OK ||
        store_get(reader, second, &probes[1], &b) != STORE_OK)
        wrong = "a key that is always stored was not found";
    else if (!cdx_bytes_equal(a.value, b.value))
        wrong = "half a write section was seen";
    else if (!cdx_bytes_equal(a.key, CDX_STR("/pair/first")))
        wrong = "another key answered";
    bool odd = wrong == NULL && (a.value.data[a.value.len - 1] - '0') % 2 != 0;
    if (wrong == NULL && (store_match(reader, third, NULL, &c) == STORE_OK) != odd)
        wrong = "a key was seen too early or too late";
    if (wrong == NULL && store_count(reader, CDX_STR("/fill")) % FILLERS != 0)
        wrong = "part of a drop was seen";
    store_read_end(reader);
    return wrong;
}

static void *read_all_the_time(void *arg)
{
    struct reader_result *result = arg;
    struct store_reader *reader;
    if (store_reader_open(result->shared->store, &reader) != STORE_OK) {
        result->wrong = "no memory for a reader";
        return NULL;
    }
    while (result->wrong == NULL && !atomic_load(&result->shared->stop)) {
        result->wrong = read_once(result->shared->store, reader);
        atomic_fetch_add(&result->shared->sections, 1);
    }
    atomic_fetch_add(&result->shared->sections, SECTIONS_MIN); /* the writer need not wait for it */
    store_reader_close(reader);
    return NULL;
}

/* Puts all fillers in one section, or drops them: the index grows and shrinks under the readers. */
static void fill_or_drop(struct store *store, unsigned round)
{
    uint64_t revision;
    uint64_t keys;
    if (round % 64 == 32)
        if (store_drop(store, CDX_STR("/fill"), &keys, &revision) != STORE_OK)
            abort();
    for (unsigned i = 0; round % 64 == 0 && i < FILLERS; i++) {
        char key[32];
        int len = snprintf(key, sizeof key, "/fill/%u", i);
        assert_int_equal(
            store_put(store, cdx_bytes_of(key, (size_t)len), CDX_STR("f"), NULL, &revision),
            STORE_OK);
    }
}

static void write_once(struct store *store, unsigned round)
{
    char room[16];
    struct cdx_bytes value = number_text(room, sizeof room, round);
    uint64_t revision;
    store_write_begin(store);
    assert_int_equal(store_put(store, CDX_STR("/pair/first"), value, NULL, &revision), STORE_OK);
    fill_or_drop(store, round);
    if (round % 2 != 0)
        assert_int_equal(store_put(store, CDX_STR("/other/odd"), value, NULL, &revision), STORE_OK);
    else if (round != 0)
        assert_int_equal(store_delete(store, CDX_STR("/other/odd"), &revision), STORE_OK);
    assert_int_equal(store_put(store, CDX_STR("/pair/second"), value, NULL, &revision), STORE_OK);
    store_write_end(store);
}

static void readers_see_whole_write_sections(void **state)
{
    (void)state;
    struct shared shared = {.store = NULL};
    assert_int_equal(store_open(NULL, &shared.store), STORE_OK);
    write_once(shared.store, 0);
    pthread_t threads[READERS];
    struct reader_result results[READERS];
    for (int i = 0; i < READERS; i++) {
        results[i] = (struct reader_result){.shared = &shared};
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &results[i]), 0);
    }
    for (unsigned round = 1; round < ROUNDS; round++)
        write_once(shared.store, round);
    while (atomic_load(&shared.sections) < SECTIONS_MIN)
        continue;
    atomic_store(&shared.stop, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        if (results[i].wrong != NULL)
            fail_msg("%s", results[i].wrong);
    }
    assert_null(store_check(shared.store));
    store_close(shared.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_whole_write_sections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
