/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer: an array of keys, sorted once after the fill, and binary search. About the
 * least memory that an ordered structure can do with; it takes no single writes.
 */
#include "store_floor.h"

#include <stdlib.h>

struct row {
    uint64_t text; /* offset << 16 | length */
    uint64_t value;
};

struct array {
    struct row *row;
    size_t rows, rows_max;
    uint8_t *text;
    size_t nbytes, nbytes_max;
};

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static void *sorted_open(const char *scratch)
{
    (void)scratch;
    return must(calloc(1, sizeof(struct array)));
}

static void sorted_close(void *store)
{
    struct array *array = store;
    free(array->row);
    free(array->text);
    free(array);
}

static uint64_t sorted_memory(void *store)
{
    const struct array *array = store;
    return array->rows_max * sizeof *array->row + array->nbytes_max;
}

static struct cdx_bytes row_key(const struct array *array, const struct row *row)
{
    return cdx_bytes_of(array->text + (row->text >> 16), row->text & 0xffff);
}

static void sorted_put(void *store, struct cdx_bytes key, uint64_t value)
{
    struct array *array = store;
    if (array->rows == array->rows_max) {
        array->rows_max = array->rows_max * 2 + 1024;
        array->row = must(realloc(array->row, array->rows_max * sizeof *array->row));
    }
    if (array->nbytes + key.len > array->nbytes_max) {
        array->nbytes_max = array->nbytes_max * 2 + (1u << 20);
        array->text = must(realloc(array->text, array->nbytes_max));
    }
    memcpy(array->text + array->nbytes, key.data, key.len);
    array->row[array->rows++] = (struct row){(uint64_t)array->nbytes << 16 | key.len, value};
    array->nbytes += key.len;
}

static int compare(struct cdx_bytes a, struct cdx_bytes b)
{
    const int difference = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return difference != 0 ? difference : (a.len > b.len) - (a.len < b.len);
}

static int compare_rows(const void *a, const void *b, void *array)
{
    return compare(row_key(array, a), row_key(array, b));
}

/* Sorts the rows, and the text with them. */
static void sorted_settle(void *store)
{
    struct array *array = store;
    qsort_r(array->row, array->rows, sizeof *array->row, compare_rows, array);
    uint8_t *text = must(malloc(array->nbytes + 1));
    size_t nbytes = 0;
    for (size_t i = 0; i < array->rows; i++) {
        const struct cdx_bytes key = row_key(array, &array->row[i]);
        memcpy(text + nbytes, key.data, key.len);
        array->row[i].text = (uint64_t)nbytes << 16 | key.len;
        nbytes += key.len;
    }
    free(array->text);
    array->text = text;
    array->nbytes_max = nbytes + 1;
    array->row = must(realloc(array->row, (array->rows + 1) * sizeof *array->row));
    array->rows_max = array->rows + 1;
}

static uint64_t sorted_floor(void *reader, struct cdx_bytes key, struct cdx_bytes *found)
{
    const struct array *array = reader;
    size_t low = 0, high = array->rows; /* the first row above the key is in low … high */
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare(row_key(array, &array->row[middle]), key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return 0;
    *found = row_key(array, &array->row[low - 1]);
    return array->row[low - 1].value;
}

static uint64_t sorted_get(void *reader, struct cdx_bytes key)
{
    struct cdx_bytes found;
    const uint64_t value = sorted_floor(reader, key, &found);
    return value != 0 && cdx_bytes_equal(found, key) ? value : 0;
}

static uint64_t sorted_match(void *reader, struct cdx_bytes key)
{
    return floor_match(sorted_floor, reader, key, FLOOR_SEGMENTS);
}

static uint64_t sorted_match_bytes(void *reader, struct cdx_bytes key)
{
    return floor_match(sorted_floor, reader, key, FLOOR_BYTES);
}

static uint64_t sorted_match_all(void *reader, struct cdx_bytes key)
{
    return floor_match(sorted_floor, reader, key, FLOOR_ALL);
}

static uint64_t sorted_list(void *reader, uint64_t *rows)
{
    const struct array *array = reader;
    uint64_t sum = 0;
    for (size_t i = 0; i < array->rows; i++)
        sum += peer_row(row_key(array, &array->row[i]), array->row[i].value);
    *rows = array->rows;
    return sum;
}

const struct peer peer = {
    .name = "sorted",
    .kind = "array",
    .about = "array of keys sorted once after the fill, binary search; takes no single writes",
    .at_once = true,
    .open = sorted_open,
    .close = sorted_close,
    .memory = sorted_memory,
    .put = sorted_put,
    .settle = sorted_settle,
    .get = sorted_get,
    .match = sorted_match,
    .match_bytes = sorted_match_bytes,
    .match_all = sorted_match_all,
    .list = sorted_list,
};
