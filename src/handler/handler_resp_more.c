/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of any length, in slices of one turn each.
 *
 *     turn 1        the version that the turn reads    rows are counted   row row … row
 *     turn 2 … n    that version, in a snapshot        … counted on, then written on
 *
 * The head of an array says how many elements follow, so rows are counted first and
 * written in a second walk over the same version: nothing is held but the place of the
 * walk. What ended or was evicted between the two walks is answered as null.
 *
 * Failure modes: too many long answers, or no memory for one that has to go on: an error
 * instead of the answer. An answer that is not through in time ends: with an error before its head,
 * with the connection behind it.
 */
#include "handler_resp.h"
#include "handler_resp_text.h"

#include <caudex/heap.h>

/* An answer of rows, while it is made. */
struct rows {
    enum handler_resp_rows kind;
    bool writing;              /* the head is written */
    uint64_t count;            /* rows: so far, or, of those that were counted, still to write */
    struct cdx_bytes argument; /* pattern or key */
    struct cdx_bytes last;     /* key of the last row; empty: the walk is at its beginning */
};

/* An answer of values, while it is made. */
struct values {
    const struct cdx_bytes *keys;
    size_t count;
    size_t done;
};

struct handler_resp_more {
    struct handler_parked parked;
    bool of_values;
    struct rows rows; /* its views are of the next two */
    uint8_t argument[STORE_KEY_NBYTES_MAX];
    uint8_t last[STORE_KEY_NBYTES_MAX];
    struct values values; /* its views are of what follows */
    struct cdx_bytes keys[];
};

/* What a slice may still do. */
struct budget {
    uint32_t rows;
    uint64_t steps;
};

struct row {
    struct cdx_bytes key;
    struct cdx_bytes value;
    uint64_t keys;
    bool stored;
    bool wanted;
};

/* ---- rows ---- */

/* The subtree that all keys with this pattern are in. */
static struct cdx_bytes pattern_base(struct cdx_bytes pattern)
{
    size_t n = handler_resp_text_literal(pattern);
    while (n != 0 && pattern.data[n - 1] != '/')
        n--;
    return cdx_bytes_of(pattern.data, n);
}

static void walk_begin(struct handler *h, const struct rows *rows, struct store_cursor *walk)
{
    struct store_reader *reader = h->section.reader;
    switch (rows->kind) {
    case RESP_ROWS_KEYS:
        store_list(reader, pattern_base(rows->argument), rows->last, walk);
        break;
    case RESP_ROWS_MATCHES:
        store_match_all(reader, rows->argument, walk);
        break;
    case RESP_ROWS_CHILDREN:
        store_children(reader, rows->argument, rows->last, walk);
        break;
    }
}

static bool next_child(struct store_cursor *walk, struct row *row)
{
    struct store_child child;
    if (store_next_child(walk, &child) != STORE_OK)
        return false;
    *row =
        (struct row){.key = child.key, .keys = child.keys, .stored = child.stored, .wanted = true};
    return true;
}

static bool walk_next(const struct rows *rows, struct store_cursor *walk, struct row *row,
                      struct budget *budget)
{
    struct store_entry entry;
    if (rows->kind == RESP_ROWS_CHILDREN)
        return next_child(walk, row);
    if (store_next(walk, &entry) != STORE_OK)
        return false;
    *row = (struct row){.key = entry.key, .value = entry.value};
    uint64_t steps = 0;
    if (rows->kind == RESP_ROWS_KEYS)
        row->wanted = handler_resp_text_matches(rows->argument, entry.key, &steps);
    else /* the walk has no place to begin at, but its keys become longer */
        row->wanted = rows->last.len == 0 || entry.key.len > rows->last.len;
    budget->steps = steps < budget->steps ? budget->steps - steps : 0;
    return true;
}

static void append_row(struct handler *h, enum handler_resp_rows kind, const struct row *row)
{
    switch (kind) {
    case RESP_ROWS_KEYS:
        handler_resp_bulk(h, row->key);
        break;
    case RESP_ROWS_MATCHES:
        handler_resp_array(h, 2);
        handler_resp_bulk(h, row->key);
        handler_resp_bulk(h, row->value);
        break;
    case RESP_ROWS_CHILDREN:
        handler_resp_array(h, 3);
        handler_resp_bulk(h, row->key);
        handler_resp_integer(h, (int64_t)row->keys);
        handler_resp_integer(h, row->stored);
        break;
    }
}

static bool output_is_full(const struct handler *h)
{
    return h->no_room || h->out->len >= h->env->output_high_nbytes;
}

static bool is_spent(const struct handler *h, const struct budget *budget)
{
    return budget->rows == 0 || budget->steps == 0 || output_is_full(h);
}

/* Goes on with one walk; true: it is not at its end. */
static bool walk_on(struct handler *h, struct rows *rows, struct store_cursor *walk,
                    struct budget *budget)
{
    struct row row;
    walk_begin(h, rows, walk);
    while (!(rows->writing && rows->count == 0) && walk_next(rows, walk, &row, budget)) {
        if (row.wanted && rows->writing)
            append_row(h, rows->kind, &row);
        if (row.wanted)
            rows->count += rows->writing ? UINT64_MAX : 1;
        budget->rows -= budget->rows != 0;
        /* a walk cannot begin behind the empty key */
        if (row.key.len != 0 && is_spent(h, budget)) {
            rows->last = row.key;
            return true;
        }
    }
    return false;
}

/* Rows that were counted and are gone; true: there are more. */
static bool fill_up(struct handler *h, struct rows *rows, struct budget *budget)
{
    while (rows->count != 0 && !is_spent(h, budget)) {
        if (rows->kind == RESP_ROWS_KEYS)
            handler_resp_null(h);
        else
            handler_resp_null_array(h);
        rows->count--;
        budget->rows--;
    }
    return rows->count != 0;
}

/* True: the answer goes on, behind a key that is a view of `walk`. */
static bool rows_slice(struct handler *h, struct rows *rows, struct store_cursor *walk)
{
    struct budget budget = {HANDLER_RESP_ROWS_MAX, HANDLER_RESP_STEPS_MAX};
    if (!rows->writing) {
        if (walk_on(h, rows, walk, &budget))
            return true;
        rows->writing = true;
        rows->last = cdx_empty();
        handler_resp_array(h, rows->count);
        budget = (struct budget){HANDLER_RESP_ROWS_MAX, HANDLER_RESP_STEPS_MAX};
    }
    if (walk_on(h, rows, walk, &budget))
        return rows->count != 0;
    return fill_up(h, rows, &budget);
}

/* ---- values ---- */

static bool append_value(struct handler *h, void *arg, const struct store_entry *entry)
{
    uint32_t *left = arg;
    if (entry != NULL)
        handler_resp_bulk(h, entry->value);
    else
        handler_resp_null(h);
    return --*left != 0 && !output_is_full(h);
}

/* True: the answer goes on. */
static bool values_slice(struct handler *h, struct values *values)
{
    uint32_t left = HANDLER_RESP_ROWS_MAX;
    values->done += handler_resp_each(h, values->keys + values->done, values->count - values->done,
                                      append_value, &left);
    return values->done != values->count;
}

/* ---- from turn to turn ---- */

void handler_resp_more_drop(struct handler_session *session)
{
    struct handler_resp_more *more = session->more;
    if (more == NULL)
        return;
    session->more = NULL;
    handler_parked_end(&more->parked);
    cdx_free(more);
}

/* An answer that will go on, with `nbytes` for keys; NULL: an error was answered instead. */
static struct handler_resp_more *more_new(struct handler *h, size_t nbytes)
{
    struct handler_resp_more *more = h->no_room ? NULL : cdx_malloc(sizeof *more + nbytes);
    if (more != NULL && !handler_parked_begin(&more->parked, h->section.store, h->section.reader)) {
        cdx_free(more);
        more = NULL;
    }
    if (more == NULL) {
        h->out->len = h->answer_begun;
        handler_resp_error(h, RESP_ERROR_BUSY);
        return NULL;
    }
    h->session->more = more;
    return more;
}

static void keep_last(struct handler_resp_more *more, struct cdx_bytes last)
{
    if (last.len != 0 && last.data != more->last)
        memcpy(more->last, last.data, last.len);
    more->rows.last = cdx_bytes_of(more->last, last.len);
}

void handler_resp_rows(struct handler *h, enum handler_resp_rows kind, struct cdx_bytes argument)
{
    struct rows rows = {.kind = kind, .argument = argument};
    struct store_cursor walk;
    handler_section_read(&h->section);
    if (!rows_slice(h, &rows, &walk))
        return;
    struct handler_resp_more *more = more_new(h, 0);
    if (more == NULL)
        return;
    more->of_values = false;
    more->rows = rows;
    if (argument.len != 0)
        memcpy(more->argument, argument.data, argument.len);
    more->rows.argument = cdx_bytes_of(more->argument, argument.len);
    keep_last(more, rows.last);
}

/* Copies the keys whose values are still to come behind the answer. */
static void keep_keys(struct handler_resp_more *more, const struct values *values)
{
    size_t count = values->count - values->done;
    uint8_t *room = (uint8_t *)(more->keys + count);
    for (size_t i = 0; i < count; i++) {
        struct cdx_bytes key = values->keys[values->done + i];
        if (key.len != 0)
            memcpy(room, key.data, key.len);
        more->keys[i] = cdx_bytes_of(room, key.len);
        room += key.len;
    }
    more->values = (struct values){.keys = more->keys, .count = count};
}

void handler_resp_values(struct handler *h, const struct cdx_bytes *keys, size_t count)
{
    struct values values = {.keys = keys, .count = count};
    handler_section_read(&h->section);
    handler_resp_array(h, count);
    if (!values_slice(h, &values))
        return;
    size_t nbytes = (count - values.done) * sizeof *keys;
    for (size_t i = values.done; i < count; i++)
        nbytes += keys[i].len;
    struct handler_resp_more *more = more_new(h, nbytes);
    if (more == NULL)
        return;
    more->of_values = true;
    more->rows.writing = true;
    keep_keys(more, &values);
}

/* It took too long: the peer can only be told before the answer has begun. */
static void end_late(struct handler *h)
{
    if (h->session->more->rows.writing)
        h->closing = true;
    else
        handler_resp_error(h, "ERR the answer took too long");
    handler_resp_more_drop(h->session);
}

void handler_resp_go_on(struct handler *h)
{
    struct handler_resp_more *more = h->session->more;
    struct store_cursor walk;
    if (!handler_parked_take(&more->parked)) {
        end_late(h);
        return;
    }
    handler_section_read_at(&h->section, more->parked.snapshot);
    bool goes_on =
        more->of_values ? values_slice(h, &more->values) : rows_slice(h, &more->rows, &walk);
    if (goes_on && !more->of_values)
        keep_last(more, more->rows.last);
    handler_section_read_end(&h->section);
    if (goes_on && !h->no_room)
        handler_parked_put(&more->parked);
    else
        handler_resp_more_drop(h->session);
}
