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

static uint8_t *copy_of(struct cdx_bytes bytes)
{
    uint8_t *copy = malloc(bytes.len + 1);
    assert(copy != NULL);
    if (bytes.len != 0)
        memcpy(copy, bytes.data, bytes.len);
    return copy;
}

void model_copy(const struct model *model, struct model *copy)
{
    *copy = *model;
    copy->cap = model->count;
    copy->entries = malloc((model->count + 1) * sizeof *copy->entries);
    assert(copy->entries != NULL);
    for (size_t i = 0; i < model->count; i++) {
        const struct model_entry *entry = &model->entries[i];
        copy->entries[i] = *entry;
        copy->entries[i].key = copy_of(cdx_bytes_of(entry->key, entry->key_nbytes));
        copy->entries[i].value = copy_of(cdx_bytes_of(entry->value, entry->value_nbytes));
    }
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

/* What has expired stays in the array until upkeep is known to have removed it. */
static bool is_live(const struct model *model, const struct model_entry *entry)
{
    return entry->expires_ms == 0 || entry->expires_ms > model->now_ms;
}

/* ---- writes ---- */

/* Where `key` is or belongs. */
static size_t place_of(const struct model *model, struct cdx_bytes key)
{
    size_t low = 0;
    size_t high = model->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (model_compare(key_of(&model->entries[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct model *model, size_t i, struct cdx_bytes key)
{
    return i < model->count && cdx_bytes_equal(key_of(&model->entries[i]), key);
}

const struct model_entry *model_get(const struct model *model, struct cdx_bytes key)
{
    size_t i = place_of(model, key);
    return is_at(model, i, key) && is_live(model, &model->entries[i]) ? &model->entries[i] : NULL;
}

static void remove_at(struct model *model, size_t i)
{
    free(model->entries[i].key);
    free(model->entries[i].value);
    model->count--;
    memmove(&model->entries[i], &model->entries[i + 1],
            (model->count - i) * sizeof *model->entries);
}

static void insert_at(struct model *model, size_t i, struct model_entry entry)
{
    if (model->count == model->cap) {
        model->cap = model->cap * 2 + 8;
        model->entries = realloc(model->entries, model->cap * sizeof *model->entries);
        assert(model->entries != NULL);
    }
    memmove(&model->entries[i + 1], &model->entries[i],
            (model->count - i) * sizeof *model->entries);
    model->entries[i] = entry;
    model->count++;
}

enum store_status model_put(struct model *model, struct cdx_bytes key, struct cdx_bytes value,
                            const struct store_put_options *options, uint64_t *revision)
{
    static const struct store_put_options none;
    if (options == NULL)
        options = &none;
    if (key.len > STORE_KEY_NBYTES_MAX || value.len > STORE_VALUE_NBYTES_MAX)
        return STORE_TOO_LONG;
    const struct model_entry *present = model_get(model, key);
    uint64_t present_revision = present != NULL ? present->revision : 0;
    if (options->expected != NULL && *options->expected != present_revision) {
        *revision = present_revision;
        return STORE_CONFLICT;
    }
    uint64_t expires_ms = options->expires_ms;
    if (options->keep_expiry)
        expires_ms = present != NULL ? present->expires_ms : 0;
    size_t i = place_of(model, key);
    if (is_at(model, i, key))
        remove_at(model, i);
    insert_at(model, i,
              (struct model_entry){
                  .key = copy_of(key),
                  .key_nbytes = key.len,
                  .value = copy_of(value),
                  .value_nbytes = value.len,
                  .revision = ++model->revision,
                  .expires_ms = expires_ms,
                  .mark = options->mark,
              });
    *revision = model->revision;
    return STORE_OK;
}

enum store_status model_touch(struct model *model, struct cdx_bytes key, uint64_t expires_ms)
{
    if (model_get(model, key) == NULL)
        return STORE_NOT_FOUND;
    model->entries[place_of(model, key)].expires_ms = expires_ms;
    return STORE_OK;
}

void model_touch_past(struct model *past, const struct model *model, struct cdx_bytes key)
{
    size_t to = place_of(past, key);
    size_t from = place_of(model, key);
    if (is_at(past, to, key) && is_at(model, from, key) &&
        past->entries[to].revision == model->entries[from].revision)
        past->entries[to].expires_ms = model->entries[from].expires_ms;
}

enum store_status model_delete(struct model *model, struct cdx_bytes key, uint64_t *revision)
{
    if (model_get(model, key) == NULL)
        return STORE_NOT_FOUND;
    remove_at(model, place_of(model, key));
    *revision = ++model->revision;
    return STORE_OK;
}

/* A drop of "/a/" writes the value of "/a" anew; one of "/" beside relative keys goes name by name.
 */
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
    size_t i = place_of(model, base);
    if (is_at(model, i, base) && !(relative && key.len == 1))
        model->entries[i].revision = model->revision;
}

/* Takes a subtree out: the number of keys. */
static uint64_t remove_subtree(struct model *model, struct cdx_bytes key)
{
    size_t left = 0;
    uint64_t keys = 0;
    for (size_t i = 0; i < model->count; i++) {
        struct model_entry *entry = &model->entries[i];
        if (!in_subtree(key, key_of(entry))) {
            model->entries[left++] = *entry;
            continue;
        }
        free(entry->key);
        free(entry->value);
        keys++;
    }
    model->count = left;
    return keys;
}

void model_drop(struct model *model, struct cdx_bytes key, uint64_t *keys, uint64_t *revision)
{
    *keys = remove_subtree(model, key);
    if (*keys != 0) {
        model->revision++;
        renew_base(model, key);
    }
    *revision = model->revision;
}

static enum store_status op_run(struct model *model, const struct store_op *op, uint64_t *revision)
{
    uint64_t keys;
    uint64_t ignored;
    const struct model_entry *present = model_get(model, op->key);
    uint64_t is = present != NULL ? present->revision : 0;
    switch (op->kind) {
    case STORE_OP_PUT:
        return model_put(model, op->key, op->value, &op->options, revision);
    case STORE_OP_DELETE:
        if (op->key.len <= STORE_KEY_NBYTES_MAX && op->options.expected != NULL &&
            *op->options.expected != is) {
            *revision = is;
            return STORE_CONFLICT;
        }
        (void)model_delete(model, op->key, &ignored);
        return STORE_OK;
    default:
        model_drop(model, op->key, &keys, &ignored);
        return STORE_OK;
    }
}

enum store_status model_batch(struct model *model, const struct store_op *ops, size_t count,
                              size_t *failed, uint64_t *revision)
{
    struct model trial;
    *failed = count;
    if (count > STORE_BATCH_OPS_MAX)
        return STORE_TOO_LONG;
    model_copy(model, &trial);
    for (size_t i = 0; i < count; i++) {
        enum store_status status = op_run(&trial, &ops[i], revision);
        if (status == STORE_OK)
            continue;
        *failed = i;
        if (status == STORE_CONFLICT) {
            const struct model_entry *present = model_get(model, ops[i].key);
            *revision = present != NULL ? present->revision : 0;
        }
        model_free(&trial);
        return status;
    }
    *revision = trial.revision;
    model_free(model);
    *model = trial;
    return STORE_OK;
}

/* ---- stages ---- */

static struct cdx_bytes stage_key(const struct model_stage *stage)
{
    return cdx_bytes_of(stage->key, stage->key_nbytes);
}

void model_stage_open(struct model_stage *stage, struct cdx_bytes key, uint32_t number)
{
    stage->number = number;
    stage->key = copy_of(key);
    stage->key_nbytes = key.len;
    model_init(&stage->staged);
}

bool model_stage_overlaps(const struct model_stage *stage, struct cdx_bytes key)
{
    return stage->number != 0 &&
           (in_subtree(stage_key(stage), key) || in_subtree(key, stage_key(stage)));
}

enum store_status model_stage_put(struct model *model, struct model_stage *stage,
                                  struct cdx_bytes key, struct cdx_bytes value,
                                  const struct store_put_options *options, uint64_t *revision)
{
    if (key.len <= STORE_KEY_NBYTES_MAX && !in_subtree(stage_key(stage), key))
        return STORE_OUTSIDE;
    stage->staged.revision = model->revision;
    stage->staged.now_ms = model->now_ms;
    enum store_status status = model_put(&stage->staged, key, value, options, revision);
    model->revision = stage->staged.revision;
    return status;
}

void model_stage_swap(struct model *model, struct model_stage *stage, uint64_t *added,
                      uint64_t *removed, uint64_t *revision)
{
    *removed = remove_subtree(model, stage_key(stage));
    *added = stage->staged.count;
    for (size_t i = 0; i < stage->staged.count; i++) {
        struct model_entry entry = stage->staged.entries[i];
        insert_at(model, place_of(model, key_of(&entry)), entry);
    }
    stage->staged.count = 0; /* moved */
    *revision = ++model->revision;
    model_stage_close(stage);
}

void model_stage_close(struct model_stage *stage)
{
    model_free(&stage->staged);
    free(stage->key);
    *stage = (struct model_stage){.number = 0};
}

/* ---- what the store does by itself ---- */

void model_settle(struct model *model)
{
    for (size_t i = model->count; i-- > 0;) {
        if (!is_live(model, &model->entries[i]))
            remove_at(model, i);
    }
}

const char *model_evicted(struct model *model, struct store_reader *reader, struct cdx_bytes below,
                          uint64_t most)
{
    for (size_t i = model->count; i-- > 0;) {
        struct store_entry entry;
        struct cdx_bytes key = key_of(&model->entries[i]);
        if (!is_live(model, &model->entries[i]) || store_get(reader, key, NULL, &entry) == STORE_OK)
            continue;
        if (!in_subtree(below, key))
            return "a key was evicted that may not be";
        if (most-- == 0)
            return "more keys are missing than were evicted";
        remove_at(model, i);
    }
    return NULL;
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
    if (entry->mark != expected->mark)
        return "found another mark";
    if (entry->expires_ms != expected->expires_ms)
        return "found another expiry";
    return entry->revision == expected->revision ? NULL : "found another revision";
}

static const char *check_stats(const struct model *model, struct store_reader *reader)
{
    struct store_stats stats;
    uint64_t live = 0;
    uint64_t key_nbytes = 0;
    uint64_t value_nbytes = 0;
    for (size_t i = 0; i < model->count; i++) {
        if (!is_live(model, &model->entries[i]))
            continue;
        live++;
        key_nbytes += model->entries[i].key_nbytes;
        value_nbytes += model->entries[i].value_nbytes;
    }
    store_read_stats(reader, &stats);
    if (stats.keys < live || stats.keys > model->count)
        return "the number of keys differs";
    /* What was dropped counts until upkeep has freed it. */
    if (stats.key_nbytes < key_nbytes || stats.value_nbytes < value_nbytes)
        return "the sums of lengths are too small";
    return stats.revision == model->revision ? NULL : "the counters' revision differs";
}

struct swept {
    struct model *model;
    const char *wrong;
};

static void sweep_visit(void *arg, const struct store_entry *entry)
{
    struct swept *swept = arg;
    size_t i = place_of(swept->model, entry->key);
    if (!is_at(swept->model, i, entry->key) || !is_live(swept->model, &swept->model->entries[i]))
        swept->wrong = "a sweep visited what is not there";
    else if (swept->model->entries[i].visited)
        swept->wrong = "a sweep visited a key twice, though nothing was written";
    else
        swept->wrong = model_check_entry(&swept->model->entries[i], STORE_OK, entry);
    if (swept->wrong == NULL)
        swept->model->entries[i].visited = true;
}

static const char *check_sweep(struct model *model, struct store_reader *reader)
{
    struct swept swept = {.model = model};
    uint64_t position = 0;
    for (size_t i = 0; i < model->count; i++)
        model->entries[i].visited = false;
    do {
        uint64_t next = store_sweep(reader, position, sweep_visit, &swept);
        if (next != 0 && next <= position)
            return "a sweep goes back";
        position = next;
    } while (position != 0 && swept.wrong == NULL);
    for (size_t i = 0; i < model->count && swept.wrong == NULL; i++) {
        if (is_live(model, &model->entries[i]) && !model->entries[i].visited)
            swept.wrong = "a sweep left a key out";
    }
    return swept.wrong;
}

const char *model_check_all(struct model *model, struct store_reader *reader)
{
    struct store_cursor cursor;
    struct store_entry entry;
    store_list(reader, cdx_empty(), cdx_empty(), &cursor);
    for (size_t i = 0; i <= model->count; i++) {
        const struct model_entry *expected = i < model->count ? &model->entries[i] : NULL;
        if (expected != NULL && !is_live(model, expected))
            continue;
        const char *wrong = model_check_entry(expected, store_next(&cursor, &entry), &entry);
        if (wrong != NULL)
            return wrong;
    }
    if (store_read_revision(reader) != model->revision)
        return "the revision differs";
    const char *wrong = check_sweep(model, reader);
    if (wrong != NULL)
        return wrong;
    return model->past ? NULL : check_stats(model, reader);
}

const struct model_entry *model_match(const struct model *model, struct cdx_bytes path)
{
    const struct model_entry *found = NULL;
    if (path.len > STORE_KEY_NBYTES_MAX)
        return NULL;
    for (size_t i = 0; i < model->count; i++) {
        if (is_live(model, &model->entries[i]) && model_answers(key_of(&model->entries[i]), path) &&
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
        if (is_live(model, &model->entries[i]) && begins_with(key, key_of(&model->entries[i])) &&
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
        if (key.len <= STORE_KEY_NBYTES_MAX && is_live(model, &model->entries[i]) &&
            model_answers(key_of(&model->entries[i]), key))
            wrong = model_check_entry(&model->entries[i], store_next(&cursor, &entry), &entry);
    }
    for (int again = 0; again < 2 && wrong == NULL; again++)
        wrong = model_check_entry(NULL, store_next(&cursor, &entry), &entry);
    return wrong;
}

/* Whether the store may say that so many keys are in the subtree: expired ones may count. */
static bool may_count(const struct model *model, struct cdx_bytes key, uint64_t keys)
{
    uint64_t live = 0;
    uint64_t all = 0;
    for (size_t i = 0; i < model->count && !model->past; i++) {
        if (!in_subtree(key, key_of(&model->entries[i])))
            continue;
        live += is_live(model, &model->entries[i]);
        all++;
    }
    return model->past || (live <= keys && keys <= all);
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
                store_probes_touch(reader, probe, 1);
            if (touched != 0 && probe != NULL)
                store_probes_reach(reader, probe, 1);
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
    if (wrong == NULL && !may_count(model, key, store_count(reader, key)))
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

/*
 * A level's keys follow each other in path order: '/' sorts first. Of many children
 * only some are counted, each by a look at every stored key.
 */
static const char *check_children(const struct model *model, struct store_reader *reader,
                                  struct cdx_bytes key, struct cdx_bytes after)
{
    struct store_cursor cursor;
    struct store_child child;
    store_children(reader, key, after, &cursor);
    for (size_t i = 0; i < model->count; i++) {
        struct cdx_bytes stored = key_of(&model->entries[i]);
        if (!is_live(model, &model->entries[i]) || !in_subtree(key, stored) ||
            stored.len == key.len)
            continue;
        struct cdx_bytes level = level_of(stored, key.len);
        if (after.len != 0 && model_compare(level, after) <= 0)
            continue;
        after = level;
        if (store_next_child(&cursor, &child) != STORE_OK)
            return "a child is missing";
        if (!cdx_bytes_equal(child.key, level))
            return "another child";
        if (child.stored != (model_get(model, level) != NULL))
            return "a child's being stored is wrong";
        if ((i < 32 || i % 64 == 0) && !may_count(model, level, child.keys))
            return "a child's number of keys is wrong";
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
        if (is_live(model, &model->entries[i]) && in_subtree(key, stored) &&
            (after.len == 0 || model_compare(stored, after) > 0))
            wrong = model_check_entry(&model->entries[i], store_next(&cursor, &entry), &entry);
    }
    for (int again = 0; again < 2 && wrong == NULL; again++)
        wrong = model_check_entry(NULL, store_next(&cursor, &entry), &entry);
    return wrong != NULL ? wrong : check_children(model, reader, key, after);
}
