/* SPDX-License-Identifier: Apache-2.0 */
/* The naive store. Slow on purpose: every answer is its definition. */
#include "store_model.h"

#include <assert.h>
#include <stdlib.h>

void model_init(struct model *model)
{
    *model = (struct model){.entries = NULL};
}

void model_free(struct model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        free(model->entries[i].key);
        free(model->entries[i].value);
    }
    free(model->entries);
    model_init(model);
}

static struct cdx_bytes key_of(const struct model_entry *entry)
{
    return cdx_bytes_of(entry->key, entry->key_nbytes);
}

static bool begins_with(struct cdx_bytes bytes, struct cdx_bytes prefix)
{
    if (prefix.len > bytes.len)
        return false;
    for (size_t i = 0; i < prefix.len; i++) {
        if (bytes.data[i] != prefix.data[i])
            return false;
    }
    return true;
}

/* ---- definitions ---- */

bool model_answers(struct cdx_bytes stored, struct cdx_bytes path)
{
    if (!begins_with(path, stored))
        return false;
    if (stored.len == path.len)
        return true;
    return path.data[stored.len] == '/' || (stored.len > 0 && stored.data[stored.len - 1] == '/');
}

static bool in_subtree(struct cdx_bytes key, struct cdx_bytes stored)
{
    return key.len == 0 || model_answers(key, stored);
}

static int rank(uint8_t byte)
{
    return byte == '/' ? -1 : byte;
}

int model_compare(struct cdx_bytes a, struct cdx_bytes b)
{
    for (size_t i = 0;; i++) {
        if (i == a.len || i == b.len)
            return (a.len > b.len) - (a.len < b.len);
        if (a.data[i] != b.data[i])
            return rank(a.data[i]) - rank(b.data[i]);
    }
}

/* ---- writes ---- */

/* Where `key` is or belongs. */
static size_t place_of(const struct model *model, struct cdx_bytes key)
{
    size_t i = 0;
    while (i < model->count && model_compare(key_of(&model->entries[i]), key) < 0)
        i++;
    return i;
}

const struct model_entry *model_get(const struct model *model, struct cdx_bytes key)
{
    size_t i = place_of(model, key);
    if (i == model->count || model_compare(key_of(&model->entries[i]), key) != 0)
        return NULL;
    return &model->entries[i];
}

static uint8_t *copy_of(struct cdx_bytes bytes)
{
    uint8_t *copy = malloc(bytes.len + 1);
    assert(copy != NULL);
    if (bytes.len != 0)
        memcpy(copy, bytes.data, bytes.len);
    return copy;
}

static void remove_at(struct model *model, size_t i)
{
    free(model->entries[i].key);
    free(model->entries[i].value);
    model->count--;
    memmove(&model->entries[i], &model->entries[i + 1],
            (model->count - i) * sizeof *model->entries);
}

static void insert_at(struct model *model, size_t i)
{
    if (model->count == model->cap) {
        model->cap = model->cap * 2 + 8;
        model->entries = realloc(model->entries, model->cap * sizeof *model->entries);
        assert(model->entries != NULL);
    }
    memmove(&model->entries[i + 1], &model->entries[i],
            (model->count - i) * sizeof *model->entries);
    model->count++;
}

enum store_status model_put(struct model *model, struct cdx_bytes key, struct cdx_bytes value,
                            const uint64_t *expected, uint64_t *revision)
{
    if (key.len > STORE_KEY_NBYTES_MAX || value.len > STORE_VALUE_NBYTES_MAX)
        return STORE_TOO_LONG;
    const struct model_entry *present = model_get(model, key);
    uint64_t present_revision = present != NULL ? present->revision : 0;
    if (expected != NULL && *expected != present_revision) {
        *revision = present_revision;
        return STORE_CONFLICT;
    }
    size_t i = place_of(model, key);
    if (present != NULL)
        remove_at(model, i);
    insert_at(model, i);
    model->entries[i] = (struct model_entry){
        .key = copy_of(key),
        .key_nbytes = key.len,
        .value = copy_of(value),
        .value_nbytes = value.len,
        .revision = ++model->revision,
    };
    *revision = model->revision;
    return STORE_OK;
}

enum store_status model_delete(struct model *model, struct cdx_bytes key, uint64_t *revision)
{
    if (model_get(model, key) == NULL)
        return STORE_NOT_FOUND;
    remove_at(model, place_of(model, key));
    *revision = ++model->revision;
    return STORE_OK;
}

/* A drop of "/a/" writes the value of "/a" anew; one of "/" beside relative keys goes name by name. */
static void renew_base(struct model *model, struct cdx_bytes key)
{
    if (key.len == 0 || key.data[key.len - 1] != '/')
        return;
    bool relative = false;
    for (size_t i = 0; i < model->count; i++) {
        const struct model_entry *entry = &model->entries[i];
        relative = relative || (entry->key_nbytes != 0 && entry->key[0] != '/');
    }
    struct cdx_bytes base = cdx_bytes_of(key.data, key.len - 1);
    for (size_t i = 0; i < model->count && !(relative && key.len == 1); i++) {
        if (cdx_bytes_equal(key_of(&model->entries[i]), base))
            model->entries[i].revision = model->revision;
    }
}

void model_drop(struct model *model, struct cdx_bytes key, uint64_t *keys, uint64_t *revision)
{
    *keys = 0;
    for (size_t i = model->count; i-- > 0;) {
        if (in_subtree(key, key_of(&model->entries[i]))) {
            remove_at(model, i);
            ++*keys;
        }
    }
    if (*keys != 0) {
        model->revision++;
        renew_base(model, key);
    }
    *revision = model->revision;
}

/* ---- comparisons ---- */

const char *model_check_entry(const struct model_entry *expected, enum store_status status,
                              const struct store_entry *entry)
{
    if (expected == NULL)
        return status == STORE_NOT_FOUND ? NULL : "found what is not there";
    if (status != STORE_OK)
        return "did not find what is there";
    if (!cdx_bytes_equal(entry->key, key_of(expected)))
        return "found another key";
    if (!cdx_bytes_equal(entry->value, cdx_bytes_of(expected->value, expected->value_nbytes)))
        return "found another value";
    return entry->revision == expected->revision ? NULL : "found another revision";
}

const char *model_check_all(const struct model *model, struct store_reader *reader)
{
    struct store_cursor cursor;
    struct store_entry entry;
    struct store_stats stats;
    uint64_t key_nbytes = 0;
    uint64_t value_nbytes = 0;
    store_list(reader, cdx_empty(), cdx_empty(), &cursor);
    for (size_t i = 0; i <= model->count; i++) {
        const struct model_entry *expected = i < model->count ? &model->entries[i] : NULL;
        const char *wrong = model_check_entry(expected, store_next(&cursor, &entry), &entry);
        if (wrong != NULL)
            return wrong;
        key_nbytes += expected != NULL ? expected->key_nbytes : 0;
        value_nbytes += expected != NULL ? expected->value_nbytes : 0;
    }
    store_read_stats(reader, &stats);
    /* What was dropped counts until upkeep has freed it. */
    if (stats.keys != model->count || stats.key_nbytes < key_nbytes ||
        stats.value_nbytes < value_nbytes || stats.revision != model->revision ||
        store_read_revision(reader) != model->revision)
        return "the counters differ";
    return NULL;
}

const struct model_entry *model_match(const struct model *model, struct cdx_bytes path)
{
    const struct model_entry *found = NULL;
    if (path.len > STORE_KEY_NBYTES_MAX)
        return NULL;
    for (size_t i = 0; i < model->count; i++) {
        if (model_answers(key_of(&model->entries[i]), path) &&
            (found == NULL || model->entries[i].key_nbytes > found->key_nbytes))
            found = &model->entries[i];
    }
    return found;
}

static const struct model_entry *match_bytes(const struct model *model, struct cdx_bytes key)
{
    const struct model_entry *found = NULL;
    if (key.len > STORE_KEY_NBYTES_MAX)
        return NULL;
    for (size_t i = 0; i < model->count; i++) {
        if (begins_with(key, key_of(&model->entries[i])) &&
            (found == NULL || model->entries[i].key_nbytes > found->key_nbytes))
            found = &model->entries[i];
    }
    return found;
}

static const char *check_match_all(const struct model *model, struct store_reader *reader,
                                   struct cdx_bytes key)
{
    struct store_cursor cursor;
    struct store_entry entry;
    const char *wrong = NULL;
    store_match_all(reader, key, &cursor);
    /* Of two prefixes of one key, the shorter is the smaller: the array has them in order. */
    for (size_t i = 0; i < model->count && wrong == NULL; i++) {
        if (key.len <= STORE_KEY_NBYTES_MAX && model_answers(key_of(&model->entries[i]), key))
            wrong = model_check_entry(&model->entries[i], store_next(&cursor, &entry), &entry);
    }
    for (int again = 0; again < 2 && wrong == NULL; again++)
        wrong = model_check_entry(NULL, store_next(&cursor, &entry), &entry);
    return wrong;
}

static uint64_t count_of(const struct model *model, struct cdx_bytes key)
{
    uint64_t keys = 0;
    for (size_t i = 0; i < model->count; i++)
        keys += in_subtree(key, key_of(&model->entries[i]));
    return keys;
}

const char *model_check_key(const struct model *model, const struct store *store,
                            struct store_reader *reader, struct cdx_bytes key)
{
    struct store_entry entry;
    struct store_probe probes[2];
    store_probe_start(store, STORE_PROBE_KEY, key, &probes[0]);
    store_probe_start(store, STORE_PROBE_MATCH, key, &probes[1]);
    for (int touched = 0; touched < 2; touched++) {
        for (int i = 0; i < 3; i++) {
            struct store_probe *probe = i < 2 ? &probes[i] : NULL;
            if (touched != 0 && probe != NULL)
                store_probe_touch(reader, probe);
            const char *wrong = model_check_entry(model_get(model, key),
                                                  store_get(reader, key, probe, &entry), &entry);
            if (wrong == NULL)
                wrong = model_check_entry(model_match(model, key),
                                          store_match(reader, key, probe, &entry), &entry);
            if (wrong != NULL)
                return wrong;
        }
    }
    const char *wrong =
        model_check_entry(match_bytes(model, key), store_match_bytes(reader, key, &entry), &entry);
    if (wrong == NULL)
        wrong = check_match_all(model, reader, key);
    if (wrong == NULL && store_count(reader, key) != count_of(model, key))
        wrong = "counted another number of keys";
    return wrong;
}

/* The prefix of `stored` that ends at the first boundary behind `from` bytes. */
static struct cdx_bytes level_of(struct cdx_bytes stored, size_t from)
{
    size_t end = from + 1;
    while (end < stored.len && stored.data[end] != '/')
        end++;
    return cdx_bytes_of(stored.data, end);
}

/* The smallest child of `key` above `after`, by a look at every stored key. */
static bool child_after(const struct model *model, struct cdx_bytes key, struct cdx_bytes after,
                        struct cdx_bytes *child)
{
    bool found = false;
    for (size_t i = 0; i < model->count; i++) {
        struct cdx_bytes stored = key_of(&model->entries[i]);
        if (!in_subtree(key, stored) || stored.len == key.len)
            continue;
        struct cdx_bytes level = level_of(stored, key.len);
        if (after.len != 0 && model_compare(level, after) <= 0)
            continue;
        if (!found || model_compare(level, *child) < 0)
            *child = level;
        found = true;
    }
    return found;
}

static const char *check_children(const struct model *model, struct store_reader *reader,
                                  struct cdx_bytes key, struct cdx_bytes after)
{
    struct store_cursor cursor;
    struct store_child child;
    struct cdx_bytes expected;
    store_children(reader, key, after, &cursor);
    while (child_after(model, key, after, &expected)) {
        if (store_next_child(&cursor, &child) != STORE_OK)
            return "a child is missing";
        if (!cdx_bytes_equal(child.key, expected))
            return "another child";
        if (child.stored != (model_get(model, expected) != NULL))
            return "a child's being stored is wrong";
        if (child.keys != count_of(model, expected))
            return "a child's number of keys is wrong";
        after = expected;
    }
    for (int again = 0; again < 2; again++) {
        if (store_next_child(&cursor, &child) != STORE_NOT_FOUND)
            return "a child that is none";
    }
    return NULL;
}

const char *model_check_page(const struct model *model, struct store_reader *reader,
                             struct cdx_bytes key, struct cdx_bytes after)
{
    struct store_cursor cursor;
    struct store_entry entry;
    const char *wrong = NULL;
    store_list(reader, key, after, &cursor);
    for (size_t i = 0; i < model->count && wrong == NULL; i++) {
        struct cdx_bytes stored = key_of(&model->entries[i]);
        if (in_subtree(key, stored) && (after.len == 0 || model_compare(stored, after) > 0))
            wrong = model_check_entry(&model->entries[i], store_next(&cursor, &entry), &entry);
    }
    for (int again = 0; again < 2 && wrong == NULL; again++)
        wrong = model_check_entry(NULL, store_next(&cursor, &entry), &entry);
    return wrong != NULL ? wrong : check_children(model, reader, key, after);
}
