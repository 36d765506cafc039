/* SPDX-License-Identifier: Apache-2.0 */
/* Stores from and to words. */
#include "store_fixture.h"

#include "heap_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

struct cdx_bytes fixture_key(const char *word)
{
    return strcmp(word, "-") == 0 ? cdx_empty() : cdx_cstr(word);
}

static void put(struct fixture *fixture, struct cdx_bytes key)
{
    uint64_t revision;
    store_write_begin(fixture->store);
    assert_int_equal(store_put(fixture->store, key, key, NULL, &revision), STORE_OK);
    store_write_end(fixture->store);
}

void fixture_open(struct fixture *fixture, const char *keys)
{
    heap_fail_install();
    assert_int_equal(store_open(NULL, &fixture->store), STORE_OK);
    assert_int_equal(store_reader_open(fixture->store, &fixture->reader), STORE_OK);
    for (const char *word = keys; *word != '\0';) {
        size_t len = strcspn(word, " ");
        bool empty = len == 1 && *word == '-';
        put(fixture, cdx_bytes_of(word, empty ? 0 : len));
        word += len + (word[len] == ' ');
    }
    store_read_begin(fixture->reader);
}

void fixture_close(struct fixture *fixture)
{
    store_read_end(fixture->reader);
    assert_null(store_check(fixture->store));
    store_reader_close(fixture->reader);
    store_close(fixture->store);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

/* ---- text ---- */

static void text_clear(struct fixture *fixture)
{
    fixture->text[0] = '\0';
    fixture->text_nbytes = 0;
}

static void text_add(struct fixture *fixture, struct cdx_bytes bytes)
{
    assert_true(fixture->text_nbytes + bytes.len + 2 <= sizeof fixture->text);
    char *end = fixture->text + fixture->text_nbytes;
    if (bytes.len != 0)
        memcpy(end, bytes.data, bytes.len);
    end[bytes.len] = '\0';
    fixture->text_nbytes += bytes.len;
}

static void text_word(struct fixture *fixture, struct cdx_bytes key)
{
    if (fixture->text_nbytes != 0)
        text_add(fixture, CDX_STR(" "));
    text_add(fixture, key.len != 0 ? key : CDX_STR("-"));
}

static const char *text_entry(struct fixture *fixture, enum store_status status,
                              const struct store_entry *entry)
{
    text_clear(fixture);
    if (status != STORE_OK)
        return "none";
    assert_true(cdx_bytes_equal(entry->key, entry->value));
    text_word(fixture, entry->key);
    return fixture->text;
}

static const char *text_walk(struct fixture *fixture, struct store_cursor *cursor)
{
    struct store_entry entry;
    text_clear(fixture);
    while (store_next(cursor, &entry) == STORE_OK) {
        assert_true(cdx_bytes_equal(entry.key, entry.value));
        text_word(fixture, entry.key);
    }
    assert_int_equal(store_next(cursor, &entry), STORE_NOT_FOUND);
    return fixture->text;
}

/* ---- reading ---- */

const char *fixture_get(struct fixture *fixture, const char *key)
{
    struct store_entry entry;
    return text_entry(fixture, store_get(fixture->reader, fixture_key(key), NULL, &entry), &entry);
}

const char *fixture_match(struct fixture *fixture, const char *key)
{
    struct store_entry entry;
    return text_entry(fixture, store_match(fixture->reader, fixture_key(key), NULL, &entry),
                      &entry);
}

const char *fixture_match_bytes(struct fixture *fixture, const char *key)
{
    struct store_entry entry;
    return text_entry(fixture, store_match_bytes(fixture->reader, fixture_key(key), &entry),
                      &entry);
}

const char *fixture_match_all(struct fixture *fixture, const char *key)
{
    struct store_cursor cursor;
    store_match_all(fixture->reader, fixture_key(key), &cursor);
    return text_walk(fixture, &cursor);
}

const char *fixture_list(struct fixture *fixture, const char *key, const char *after)
{
    struct store_cursor cursor;
    store_list(fixture->reader, fixture_key(key), fixture_key(after), &cursor);
    return text_walk(fixture, &cursor);
}

const char *fixture_children(struct fixture *fixture, const char *key, const char *after)
{
    struct store_cursor cursor;
    struct store_child child;
    text_clear(fixture);
    store_children(fixture->reader, fixture_key(key), fixture_key(after), &cursor);
    while (store_next_child(&cursor, &child) == STORE_OK) {
        char number[32];
        (void)snprintf(number, sizeof number, ":%llu%s", (unsigned long long)child.keys,
                       child.stored ? "*" : "");
        text_word(fixture, child.key);
        text_add(fixture, cdx_cstr(number));
    }
    assert_int_equal(store_next_child(&cursor, &child), STORE_NOT_FOUND);
    return fixture->text;
}

/* ---- writing ---- */

void fixture_put(struct fixture *fixture, const char *key)
{
    store_read_end(fixture->reader);
    put(fixture, fixture_key(key));
    store_read_begin(fixture->reader);
}

enum store_status fixture_delete(struct fixture *fixture, const char *key)
{
    uint64_t revision;
    store_read_end(fixture->reader);
    store_write_begin(fixture->store);
    enum store_status status = store_delete(fixture->store, fixture_key(key), &revision);
    store_write_end(fixture->store);
    store_read_begin(fixture->reader);
    return status;
}

uint64_t fixture_drop(struct fixture *fixture, const char *key)
{
    uint64_t keys;
    uint64_t revision;
    store_read_end(fixture->reader);
    store_write_begin(fixture->store);
    assert_int_equal(store_drop(fixture->store, fixture_key(key), &keys, &revision), STORE_OK);
    store_write_end(fixture->store);
    store_read_begin(fixture->reader);
    return keys;
}
