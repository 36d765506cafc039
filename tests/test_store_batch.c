/* SPDX-License-Identifier: Apache-2.0 */
/* Batches, and every other write: all of it or nothing. */
#include "heap_fail.h"
#include "store_private.h"
#include "store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#define OPS_MAX 8u

static uint8_t large[3000];
static uint8_t long_key[STORE_KEY_NBYTES_MAX + 1];
static struct rig rig;
static struct rig_hunger hunger;

static int open_store(void **state)
{
    (void)state;
    rig_open(&rig, NULL);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    heap_fail_at(0, 0);
    heap_fail_above(0);
    rig_settle(&rig, 0);
    rig_close(&rig);
    return 0;
}

/* One operation as a word: + put, * put of a large value, ~ put with expiry, - delete, ! drop. */
static struct store_op op_of(const char *word)
{
    struct store_op op = {.key = cdx_cstr(word + 1), .value = CDX_STR("value")};
    switch (*word) {
    case '*':
        op.value = cdx_bytes_of(large, sizeof large);
        break;
    case '~':
        op.options.expires_ms = 100;
        op.options.mark = 7;
        break;
    case '-':
        op.kind = STORE_OP_DELETE;
        break;
    case '!':
        op.kind = STORE_OP_DROP;
        break;
    default:
        assert_int_equal(*word, '+');
        break;
    }
    return op;
}

static size_t ops_of(const char *const *words, struct store_op *ops)
{
    size_t count = 0;
    for (; count < OPS_MAX && words[count] != NULL; count++)
        ops[count] = op_of(words[count]);
    return count;
}

/* All keys with what is stored with them, but the revision of those that were stored again. */
static uint64_t picture(uint64_t *keys)
{
    struct store_cursor cursor;
    struct store_entry entry;
    uint64_t hash = 1469598103934665603u;
    store_read_begin(rig.reader);
    *keys = 0;
    store_list(rig.reader, cdx_empty(), cdx_empty(), &cursor);
    while (store_next(&cursor, &entry) == STORE_OK) {
        for (size_t i = 0; i < entry.key.len; i++)
            hash = (hash ^ entry.key.data[i]) * 1099511628211u;
        hash = (hash ^ entry.value.len) * 1099511628211u;
        hash = (hash ^ entry.expires_ms ^ entry.mark) * 1099511628211u;
        hash = (hash ^ entry.revision) * 1099511628211u;
        ++*keys;
    }
    assert_int_equal(store_count(rig.reader, cdx_empty()), *keys);
    store_read_end(rig.reader);
    return hash;
}

static void put_words(const char *words)
{
    char key[64];
    (void)rig_drop(&rig, "");
    while (*words != '\0') {
        size_t len = strcspn(words, " ");
        (void)snprintf(key, sizeof key, "%.*s", *words == '-' ? 0 : (int)len, words);
        rig_put(&rig, key);
        words += len + (words[len] == ' ');
    }
    rig_settle(&rig, 0);
}

static enum store_status batch(const struct store_op *ops, size_t count, size_t *failed)
{
    uint64_t revision;
    store_write_begin(rig.store);
    enum store_status status = store_batch(rig.store, ops, count, failed, &revision);
    store_write_end(rig.store);
    return status;
}

static const struct {
    const char *stored;
    const char *ops[OPS_MAX];
    uint64_t keys; /* afterwards */
} cases[] = {
    {"", {"+/a"}, 1},
    {"", {"+/a", "+/a", "-/a"}, 0},
    {"", {"+/a/b/c/d", "+/a/b", "+/a", "+/a/b/c", "*/a/b/c/d"}, 4},
    {"/a /a/b/c/d", {"+/a/b/x", "*/a", "-/a/b/c/d", "~/a/b/c/d"}, 3},
    {"/a /a/b/c/d", {"!/a", "+/a/b/c/d", "~/a"}, 2},
    {"/a /a/ /a/b /a/c/d", {"!/a/", "+/a/c/d/e", "!/a/c", "*/a/q"}, 2},
    {"/a /a/b", {"!/a/b", "!/a", "+/a", "!/a", "+/a/b"}, 1},
    {"- / /x x /y/z y/z", {"!/", "+/x", "+x/1", "!x"}, 3},
    {"- / /x x /y/z y/z", {"!", "+y/z", "!", "*/x"}, 1},
    {"/x /y", {"!/", "+/z"}, 1},
    {"-", {"!/", "~", "+", "-"}, 0},
    {"- /q", {"!/", "+/w"}, 2},
    {"/a/1 /a/2 /a/3 /a/4", {"-/a/1", "-/a/2", "-/a/3", "-/a/4", "-/none", "!/none/"}, 0},
    {"/a/b/c", {"!/a/b", "!/a/", "+/a/b/c"}, 1},
};

static void a_batch_is_carried_out_in_its_order(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct store_op ops[OPS_MAX];
        uint64_t keys;
        size_t failed = 99;
        size_t count = ops_of(cases[c].ops, ops);
        put_words(cases[c].stored);
        assert_int_equal(batch(ops, count, &failed), STORE_OK);
        assert_int_equal(failed, count);
        (void)picture(&keys);
        assert_int_equal(keys, cases[c].keys);
        rig_check(&rig);
        rig_settle(&rig, 0);
        rig_check(&rig);
        (void)picture(&keys);
        assert_int_equal(keys, cases[c].keys);
    }
}

/* After a failed batch a store settles to what it was. */
static void check_unchanged(uint64_t before, uint64_t keys_before)
{
    uint64_t keys;
    rig_check(&rig);
    assert_int_equal(picture(&keys), before);
    assert_int_equal(keys, keys_before);
}

static void a_batch_that_fails_at_any_operation_changes_nothing(void **state)
{
    (void)state;
    static const uint64_t wrong = 12345;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct store_op ops[OPS_MAX + 1];
        size_t count = ops_of(cases[c].ops, ops);
        put_words(cases[c].stored);
        uint64_t keys;
        uint64_t before = picture(&keys);
        for (size_t at = 0; at <= count; at++) {
            /* In its place, an operation that is refused. */
            struct store_op broken[OPS_MAX + 1];
            size_t failed = 99;
            memcpy(broken, ops, at * sizeof ops[0]);
            broken[at] = (struct store_op){.kind = at % 2 != 0 ? STORE_OP_PUT : STORE_OP_DELETE,
                                           .key = CDX_STR("/a"),
                                           .options.expected = &wrong};
            assert_int_equal(batch(broken, at + 1, &failed), STORE_CONFLICT);
            assert_int_equal(failed, at);
            check_unchanged(before, keys);
            broken[at] =
                (struct store_op){.kind = STORE_OP_PUT, .key = cdx_bytes_of(long_key, 4097)};
            assert_int_equal(batch(broken, at + 1, &failed), STORE_TOO_LONG);
            assert_int_equal(failed, at);
            check_unchanged(before, keys);
        }
        rig_settle(&rig, 0);
        check_unchanged(before, keys);
    }
}

static void a_batch_without_memory_changes_nothing(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct store_op ops[OPS_MAX];
        size_t count = ops_of(cases[c].ops, ops);
        put_words(cases[c].stored);
        uint64_t keys;
        uint64_t before = picture(&keys);
        enum store_status status = STORE_NO_MEMORY;
        uint32_t failures = 0;
        /* In the arena … */
        for (uint32_t units = 0; status != STORE_OK && units < 60; units++) {
            size_t failed = 99;
            rig_starve(&rig, &hunger, units, units / 3);
            status = batch(ops, count, &failed);
            rig_feed(&hunger);
            if (status == STORE_OK)
                break;
            assert_int_equal(status, STORE_NO_MEMORY);
            assert_in_range(failed, 0, count - 1);
            failures++;
            check_unchanged(before, keys);
        }
        assert_true(failures > 0);
        if (status == STORE_OK) {
            put_words(cases[c].stored);
            before = picture(&keys);
        }
        /* … and from the heap. */
        status = STORE_NO_MEMORY;
        for (size_t n = 1; status != STORE_OK; n++) {
            size_t failed = 99;
            heap_fail_at(n, 0);
            status = batch(ops, count, &failed);
            heap_fail_at(0, 0);
            if (status != STORE_OK)
                check_unchanged(before, keys);
            assert_true(n < 100);
        }
        (void)picture(&keys);
        assert_int_equal(keys, cases[c].keys);
        rig_settle(&rig, 0);
        rig_check(&rig);
    }
}

static void outcomes_of_batches(void **state)
{
    (void)state;
    static struct store_op many[STORE_BATCH_OPS_MAX + 1];
    static char keys[STORE_BATCH_OPS_MAX + 1][16];
    uint64_t revision = 99;
    size_t failed = 99;
    for (uint32_t i = 0; i <= STORE_BATCH_OPS_MAX; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "/%u", i);
        many[i] = (struct store_op){.kind = STORE_OP_PUT, .key = cdx_cstr(keys[i])};
    }
    store_write_begin(rig.store);
    assert_int_equal(store_batch(rig.store, many, STORE_BATCH_OPS_MAX + 1, &failed, &revision),
                     STORE_TOO_LONG);
    assert_int_equal(failed, STORE_BATCH_OPS_MAX + 1);
    assert_int_equal(store_batch(rig.store, many, 0, &failed, &revision), STORE_OK);
    assert_int_equal(revision, 0);
    assert_int_equal(store_batch(rig.store, many, STORE_BATCH_OPS_MAX, &failed, &revision),
                     STORE_OK);
    assert_int_equal(revision, STORE_BATCH_OPS_MAX);
    /* Expected revisions count from within the batch; a conflict tells the present one. */
    const uint64_t first = 1;
    const uint64_t none = 0;
    struct store_op ops[3] = {
        {.kind = STORE_OP_DELETE, .key = CDX_STR("/0"), .options.expected = &first},
        {.kind = STORE_OP_PUT, .key = CDX_STR("/0"), .options.expected = &none},
        {.kind = STORE_OP_DELETE, .key = CDX_STR("/1"), .options.expected = &first},
    };
    assert_int_equal(store_batch(rig.store, ops, 3, &failed, &revision), STORE_CONFLICT);
    assert_int_equal(failed, 2);
    assert_int_equal(revision, 2);
    ops[2].key = CDX_STR("/none");
    assert_int_equal(store_batch(rig.store, ops, 3, &failed, &revision), STORE_CONFLICT);
    assert_int_equal(revision, 0);
    assert_int_equal(store_batch(rig.store, ops, 2, &failed, &revision), STORE_OK);
    /* A delete of what cannot be stored does not fail, a drop neither. */
    ops[0] = (struct store_op){.kind = STORE_OP_DELETE, .key = cdx_bytes_of(long_key, 4097)};
    ops[1] = (struct store_op){.kind = STORE_OP_DROP, .key = cdx_bytes_of(long_key, 4097)};
    assert_int_equal(store_batch(rig.store, ops, 2, &failed, &revision), STORE_OK);
    store_write_end(rig.store);
    assert_int_equal(rig_stats(&rig).keys, STORE_BATCH_OPS_MAX);
}

/* ---- single writes ---- */

static void single_writes_without_memory_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *stored;
        const char *op; /* also t: touch */
    } writes[] = {
        {"", "+/a/b/c"},
        {"/a/b/c", "+/a/b"},
        {"/a/b/c", "+/a/b/d"},
        {"/a/b/c", "+/a/b/c"},
        {"/a/b/c", "~/a/b/c"},
        {"/a/b/c", "*/a/b/c"},
        {"/a /a/b", "-/a"},
        {"/a /a/b", "-/a/b"},
        {"/a/b/c /a/b/d", "!/a/b"},
        {"/a/b/c /a/b/d", "!/a"},
        {"/a /a/b", "!/a/"},
        {"/a x", "!/"},
        {"- /a", "!/"},
        {"- /a x", "!"},
        {"/a", "t/a"},
        {"/a /a/b", "t/a"},
        {"/a/b/c", "t/a/b/c"},
        {"/a/b/c", "!/a/b/"},
        {"", "+"},
        {"-", "t"},
        {"", "+x"},
    };
    for (size_t w = 0; w < sizeof writes / sizeof writes[0]; w++) {
        put_words(writes[w].stored);
        uint64_t keys;
        uint64_t before = picture(&keys);
        enum store_status status = STORE_NO_MEMORY;
        for (uint32_t units = 0; status != STORE_OK; units++) {
            uint64_t ignored[2];
            const char *op = writes[w].op;
            struct cdx_bytes key = cdx_cstr(op + 1);
            rig_starve(&rig, &hunger, units, units / 3);
            store_write_begin(rig.store);
            if (*op == 't')
                status = store_touch(rig.store, key, 500);
            else if (*op == '-')
                status = store_delete(rig.store, key, ignored);
            else if (*op == '!')
                status = store_drop(rig.store, key, &ignored[0], &ignored[1]);
            else {
                const struct store_op put = op_of(op);
                status = store_put_with(rig.store, key, put.value, &put.options, ignored);
            }
            store_write_end(rig.store);
            rig_feed(&hunger);
            rig_check(&rig);
            if (status != STORE_OK) {
                assert_int_equal(status, STORE_NO_MEMORY);
                check_unchanged(before, keys);
            }
            assert_true(units < 200);
        }
        rig_settle(&rig, 0);
        rig_check(&rig);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_batch_is_carried_out_in_its_order),
        TEST(a_batch_that_fails_at_any_operation_changes_nothing),
        TEST(a_batch_without_memory_changes_nothing),
        TEST(outcomes_of_batches),
        TEST(single_writes_without_memory_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
