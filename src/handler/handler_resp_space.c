/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the `resp` handler about all keys there are. */
#include "handler_resp.h"
#include "handler_resp_text.h"

#include <caudex/heap.h>

#include <sys/random.h>

/* ---- many keys ---- */

bool handler_resp_ops(struct handler *h, size_t count)
{
    if (count <= h->ops_cap)
        return true;
    struct store_op *ops = cdx_malloc(count * sizeof *ops);
    if (ops == NULL) {
        handler_resp_error(h, RESP_ERROR_MEMORY);
        return false;
    }
    cdx_free(h->ops);
    h->ops = ops;
    h->ops_cap = count;
    return true;
}

/* Asks the memory for what the operations will look at, of all or, of very many, the first. */
static void fetch_ops(struct handler *h, size_t count)
{
    struct store_probe *probes = h->group_probes;
    if (count > HANDLER_RESP_FETCH_MAX)
        count = HANDLER_RESP_FETCH_MAX;
    for (size_t at = 0; at < count; at += HANDLER_RESP_GROUP) {
        size_t n = count - at < HANDLER_RESP_GROUP ? count - at : HANDLER_RESP_GROUP;
        for (size_t i = 0; i < n; i++)
            store_probe_start(h->section.store, STORE_PROBE_KEY, h->ops[at + i].key, &probes[i]);
        store_probes_touch(h->section.reader, probes, n);
        store_probes_reach(h->section.reader, probes, n);
    }
}

bool handler_resp_batch(struct handler *h, size_t count, uint64_t *revision)
{
    size_t failed;
    if (count > 1)
        fetch_ops(h, count);
    enum store_status status = store_batch(h->section.store, h->ops, count, &failed, revision);
    if (status != STORE_OK)
        handler_resp_write_failed(h, status);
    return status == STORE_OK;
}

/* Looks the keys up together and visits their entries; returns how many, up to the first that was
 * the last. */
static size_t visit_group(struct handler *h, const struct cdx_bytes *keys, size_t count,
                          handler_resp_visit *visit, void *arg, bool *go_on)
{
    struct store_reader *reader = h->section.reader;
    struct store_probe *probes = h->group_probes;
    struct store_entry entry;
    size_t visited = 0;
    for (size_t i = 0; i < count; i++)
        store_probe_start(h->section.store, STORE_PROBE_KEY, keys[i], &probes[i]);
    for (size_t i = 0; i < count; i++)
        store_probes_touch(reader, &probes[i], 1);
    for (size_t i = 0; i < count; i++)
        store_probes_reach(reader, &probes[i], 1);
    while (visited < count && *go_on) {
        bool found = store_get(reader, keys[visited], &probes[visited], &entry) == STORE_OK;
        *go_on = visit(h, arg, found ? &entry : NULL);
        visited++;
    }
    return visited;
}

size_t handler_resp_each(struct handler *h, const struct cdx_bytes *keys, size_t count,
                         handler_resp_visit *visit, void *arg)
{
    bool go_on = true;
    size_t done = 0;
    while (done < count && go_on) {
        size_t rest = count - done;
        done += visit_group(h, keys + done, rest < HANDLER_RESP_GROUP ? rest : HANDLER_RESP_GROUP,
                            visit, arg, &go_on);
    }
    return done;
}

/* ---- SCAN ---- */

/* Places of the store that are looked at for each key that is wanted, when there are few. */
#define SCAN_PLACES_PER_KEY 10u

struct scan {
    struct handler *h;
    uint64_t position;
    struct cdx_bytes pattern; /* NULL: any */
    int64_t wanted;           /* COUNT */
    bool nothing;             /* no key has the type that is asked for */
    uint64_t visited;
    uint64_t rows;
    uint64_t steps;
};

/* A number as strtoul() has it, but for blanks before it; false: it is none, which was answered. */
static bool take_position(struct handler *h, struct cdx_bytes text, uint64_t *position)
{
    bool negative = text.len > 1 && text.data[0] == '-';
    uint64_t sum = 0;
    bool number = true;
    for (size_t i = negative; i < text.len && number; i++) {
        number = text.data[i] >= '0' && text.data[i] <= '9' &&
                 !__builtin_mul_overflow(sum, UINT64_C(10), &sum) &&
                 !__builtin_add_overflow(sum, (uint64_t)(text.data[i] - '0'), &sum);
    }
    if (!number)
        handler_resp_error(h, "ERR invalid cursor");
    *position = negative ? 0 - sum : sum;
    return number;
}

/* False: an error was answered. */
static bool take_scan_options(struct handler *h, const struct cdx_bytes *args, size_t count,
                              struct scan *scan)
{
    for (size_t i = 2; i < count; i += 2) {
        bool more = i + 1 < count;
        if (more && handler_resp_text_is(args[i], "count")) {
            if (!handler_resp_number_arg(h, args[i + 1], &scan->wanted))
                return false;
            more = scan->wanted >= 1;
        } else if (more && handler_resp_text_is(args[i], "match")) {
            scan->pattern = args[i + 1];
        } else if (more && handler_resp_text_is(args[i], "type")) {
            scan->nothing = !handler_resp_text_is(args[i + 1], "string");
        } else {
            more = false;
        }
        if (!more) {
            handler_resp_error(h, RESP_ERROR_SYNTAX);
            return false;
        }
    }
    if (scan->pattern.len > HANDLER_RESP_PATTERN_NBYTES_MAX) {
        handler_resp_error(h, RESP_ERROR_PATTERN);
        return false;
    }
    return true;
}

static void scan_key(void *arg, const struct store_entry *entry)
{
    struct scan *scan = arg;
    scan->visited++;
    if (scan->nothing || (scan->pattern.data != NULL &&
                          !handler_resp_text_matches(scan->pattern, entry->key, &scan->steps)))
        return;
    scan->rows++;
    handler_resp_bulk(scan->h, entry->key);
}

/* Puts the rows into the handler's scratch, since their number comes before them. */
static void scan_rows(struct handler *h, struct scan *scan)
{
    uint64_t wanted = (uint64_t)scan->wanted < HANDLER_RESP_SCAN_KEYS_MAX
                          ? (uint64_t)scan->wanted
                          : HANDLER_RESP_SCAN_KEYS_MAX;
    uint64_t places = wanted * SCAN_PLACES_PER_KEY;
    bool from_begin = scan->position == 0;
    struct handler_output *out = h->out;
    struct store_stats stats;
    h->scratch.len = 0;
    h->out = &h->scratch;
    handler_section_read(&h->section);
    store_read_stats(h->section.reader, &stats);
    do {
        scan->position = store_sweep(h->section.reader, scan->position, scan_key, scan);
    } while (scan->position != 0 && scan->visited < wanted && --places != 0 &&
             scan->steps < HANDLER_RESP_STEPS_MAX && h->scratch.len < HANDLER_RESP_SCAN_NBYTES_MAX);
    h->out = out;
    if (from_begin && scan->visited >= stats.keys)
        scan->position = 0; /* that were all: the places left are empty */
}

void handler_resp_scan(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct scan scan = {.h = h, .wanted = 10};
    char digits[RESP_NUMBER_NBYTES_MAX];
    if (!take_position(h, args[1], &scan.position) || !take_scan_options(h, args, count, &scan))
        return;
    scan_rows(h, &scan);
    handler_resp_array(h, 2);
    handler_resp_bulk(
        h, cdx_bytes_of(digits, handler_resp_text_digits((int64_t)scan.position, digits)));
    handler_resp_array(h, scan.rows);
    handler_resp_raw(h, cdx_bytes_of(h->scratch.data, h->scratch.len));
}

/* ---- the others ---- */

void handler_resp_keys(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)count;
    if (args[1].len > HANDLER_RESP_PATTERN_NBYTES_MAX)
        handler_resp_error(h, RESP_ERROR_PATTERN);
    else
        handler_resp_rows(h, RESP_ROWS_KEYS, args[1]);
}

void handler_resp_dbsize(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct store_stats stats;
    (void)args;
    (void)count;
    handler_section_read(&h->section);
    store_read_stats(h->section.reader, &stats);
    handler_resp_integer(h, (int64_t)stats.keys);
}

/* One of the keys that a sweep came upon together. */
struct drawn {
    struct handler *h;
    uint64_t chance;
    uint64_t count;
};

static void draw(void *arg, const struct store_entry *entry)
{
    struct drawn *drawn = arg;
    drawn->count++;
    if (drawn->chance % drawn->count != 0)
        return; /* the n-th takes the place of those before it once in n times */
    drawn->h->out->len = drawn->h->answer_begun;
    handler_resp_bulk(drawn->h, entry->key);
}

static void answer_first_key(struct handler *h)
{
    struct store_cursor walk;
    struct store_entry entry;
    store_list(h->section.reader, cdx_empty(), cdx_empty(), &walk);
    if (store_next(&walk, &entry) == STORE_OK)
        handler_resp_bulk(h, entry.key);
    else
        handler_resp_null(h);
}

void handler_resp_randomkey(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    uint64_t chance[2] = {0};
    unsigned steps = HANDLER_RESP_RANDOM_STEPS_MAX;
    (void)args;
    (void)count;
    if (getrandom(chance, sizeof chance, GRND_NONBLOCK) != sizeof chance)
        chance[0] = chance[1] = (uint64_t)handler_resp_unix_ms();
    struct drawn drawn = {.h = h, .chance = chance[1]};
    uint64_t position = chance[0] % STORE_SWEEP_END;
    handler_section_read(&h->section);
    while (drawn.count == 0 && steps-- != 0)
        position = store_sweep(h->section.reader, position, draw, &drawn);
    if (drawn.count == 0)
        answer_first_key(h);
}

void handler_resp_flush(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    uint64_t keys, revision;
    if (count > 2 || (count == 2 && !handler_resp_text_is(args[1], "async") &&
                      !handler_resp_text_is(args[1], "sync"))) {
        handler_resp_error(h, RESP_ERROR_SYNTAX);
        return;
    }
    if (!handler_resp_room(h))
        return;
    handler_section_write(&h->section);
    enum store_status status = store_drop(h->section.store, cdx_empty(), &keys, &revision);
    if (status == STORE_OK)
        handler_resp_ok(h);
    else
        handler_resp_write_failed(h, status);
}
