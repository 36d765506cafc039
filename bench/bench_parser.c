/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generated request parser against one written by hand with the same contract.
 *
 *     bench_parser [--json] [--rounds N]
 *
 * Input: 48 KiB of requests with keys of 20 to 40 bytes, which stay in the cache:
 * `match` (no value, "v0"), `put` with 32 bytes ("v32") and with 1024 bytes
 * ("v1024"). It is fed whole, in pieces of 1448 bytes (what a TCP segment
 * carries) and byte by byte. In every round each parser reads the same input in turn,
 * so that both see the same noise; a line shows the medians over all rounds in ns per
 * message of thread CPU time, and the median of the rounds' ratios, hand-written = 1.00.
 *
 * Before anything is measured both parsers must make the same of that input, and of one
 * damaged in every byte, at several piece sizes; after every round counts and sums must agree.
 * Exit status: 0 measured, 1 the parsers disagree, 2 usage.
 */
#include "hand_parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define INPUT_NBYTES (48u << 10)
#define KEY_NBYTES_MIN 20u
#define KEY_NBYTES_MAX 40u
#define ROUNDS_DEFAULT 15u
#define ROUNDS_MAX 1001u
/* Messages per round and cell: about a millisecond. */
#define WHOLE_PASSES 200u
#define BYTE_PASSES 4u
#define SEGMENT_NBYTES 1448u

/* ---- input ---- */

struct input {
    uint8_t bytes[INPUT_NBYTES];
    size_t len;
};

static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525u + 1013904223u;
    return *random >> 16;
}

/* As many requests as fit. */
static void input_fill(struct input *in, size_t val_len, size_t nbytes_max)
{
    static const char key[] = "/img/cats/2024/summer/0123456789/abcdefg.jpg";
    static uint8_t value[1024];
    struct cdx_out out = {in->bytes, in->bytes + nbytes_max};
    uint32_t random = 1;
    enum cdx_status status = CDX_OK;
    memset(value, 'v', sizeof value);
    for (uint32_t rid = 1; status == CDX_OK; rid++) {
        const size_t span = KEY_NBYTES_MAX - KEY_NBYTES_MIN + 1;
        const size_t key_len = KEY_NBYTES_MIN + next_random(&random) % span;
        const struct cdx_bytes k = cdx_bytes_of(key, key_len);
        status = val_len == 0 ? kv_match_request_encode(&out, rid, k)
                              : kv_put_request_encode(&out, rid, k, cdx_bytes_of(value, val_len));
    }
    in->len = (size_t)(out.next - in->bytes);
}

/* ---- what both parsers did ---- */

struct outcome {
    uint64_t messages;
    uint64_t sum;
    enum cdx_status status;
    struct cdx_parse_error error;
};

static bool outcome_equal(const struct outcome *a, const struct outcome *b)
{
    if (a->messages != b->messages || a->sum != b->sum || a->status != b->status)
        return false;
    return a->status == CDX_MORE ||
           (a->error.offset == b->error.offset && strcmp(a->error.field, b->error.field) == 0 &&
            strcmp(a->error.reason, b->error.reason) == 0);
}

/* The same loop around either parser: the calls are direct, as in a program. */
#define DEFINE_RUN(name, parser_type, parser_init, parser_feed, parser_error)                      \
    static struct outcome name(const struct input *in, size_t piece, unsigned passes)              \
    {                                                                                              \
        struct parser_type parser;                                                                 \
        struct cdx_spill spill;                                                                    \
        struct kv_request m;                                                                       \
        struct outcome o = {0, 0, CDX_MORE, {0, NULL, NULL}};                                      \
        parser_init(&parser);                                                                      \
        cdx_spill_init(&spill);                                                                    \
        for (unsigned pass = 0; pass < passes && o.status == CDX_MORE; pass++) {                   \
            for (size_t at = 0; at < in->len && o.status == CDX_MORE; at += piece) {               \
                const uint8_t *next = in->bytes + at;                                              \
                const uint8_t *const end = next + (piece < in->len - at ? piece : in->len - at);   \
                while ((o.status = parser_feed(&parser, &spill, &next, end, &m)) == CDX_OK) {      \
                    o.messages++;                                                                  \
                    o.sum += m.rid + m.type + 3 * m.key.len + m.val.len;                           \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        parser_error(&parser, &o.error);                                                           \
        cdx_spill_free(&spill);                                                                    \
        return o;                                                                                  \
    }

DEFINE_RUN(run_hand, hand_parser, hand_parser_init, hand_feed, hand_error)
DEFINE_RUN(run_generated, kv_request_parser, kv_request_parser_init, kv_request_feed,
           kv_request_error)

/* ---- the contract is the same ---- */

static bool agree(const struct input *in)
{
    static const size_t pieces[] = {1, 7, 64, INPUT_NBYTES};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        const struct outcome hand = run_hand(in, pieces[i], 1);
        const struct outcome generated = run_generated(in, pieces[i], 1);
        if (!outcome_equal(&hand, &generated))
            return false;
    }
    return true;
}

/* Every byte of a few messages, typed ones among them, damaged in several ways. */
static bool agree_when_damaged(void)
{
    static struct input in;
    const struct kv_list_args list = {7, KV_CONTENT_KEYS, CDX_STR("/a")};
    const struct kv_put_if_args put_if = {42, CDX_STR("value")};
    input_fill(&in, 3, 100);
    struct cdx_out out = {in.bytes + in.len, in.bytes + sizeof in.bytes};
    if (kv_list_request_encode(&out, 1, CDX_STR("/img"), &list) != CDX_OK ||
        kv_put_if_request_encode(&out, 2, CDX_STR("/img"), &put_if) != CDX_OK ||
        kv_match_request_encode(&out, 3, CDX_STR("/img/1")) != CDX_OK)
        return false;
    in.len = (size_t)(out.next - in.bytes);
    bool all = agree(&in);
    for (size_t at = 0; at < in.len; at++) {
        const uint8_t byte = in.bytes[at];
        for (unsigned damage = 1; damage < 256; damage += 6) {
            in.bytes[at] = (uint8_t)(byte ^ damage);
            all = all && agree(&in);
        }
        in.bytes[at] = byte;
    }
    return all;
}

/* ---- measuring ---- */

static double now_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
        abort();
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return n % 2 != 0 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* One cell of the table. */
struct cell {
    const char *name;
    size_t val_len;
    size_t piece;
    unsigned passes;
    double hand_ns, generated_ns, ratio;
};

/* ns per message. */
static double measure(struct outcome (*run)(const struct input *, size_t, unsigned),
                      const struct input *in, const struct cell *cell, struct outcome *outcome)
{
    const double start = now_ns();
    *outcome = run(in, cell->piece, cell->passes);
    return (now_ns() - start) / (double)outcome->messages;
}

static bool measure_cell(struct cell *cell, size_t rounds)
{
    static struct input in;
    static double hand[ROUNDS_MAX], generated[ROUNDS_MAX], ratio[ROUNDS_MAX];
    struct outcome a, b;
    input_fill(&in, cell->val_len, sizeof in.bytes);
    if (!agree(&in))
        return false;
    for (size_t i = 0; i < rounds; i++) {
        hand[i] = measure(run_hand, &in, cell, &a);
        generated[i] = measure(run_generated, &in, cell, &b);
        ratio[i] = generated[i] / hand[i];
        if (!outcome_equal(&a, &b))
            return false;
    }
    cell->hand_ns = median(hand, rounds);
    cell->generated_ns = median(generated, rounds);
    cell->ratio = median(ratio, rounds);
    return true;
}

/* ---- the program ---- */

static struct cell cells[] = {
    {"whole", 0, INPUT_NBYTES, WHOLE_PASSES, 0, 0, 0},
    {"whole", 32, INPUT_NBYTES, WHOLE_PASSES, 0, 0, 0},
    {"whole", 1024, INPUT_NBYTES, WHOLE_PASSES * 8, 0, 0, 0},
    {"1448 bytes", 0, SEGMENT_NBYTES, WHOLE_PASSES, 0, 0, 0},
    {"1448 bytes", 32, SEGMENT_NBYTES, WHOLE_PASSES, 0, 0, 0},
    {"1448 bytes", 1024, SEGMENT_NBYTES, WHOLE_PASSES * 4, 0, 0, 0},
    {"1 byte", 0, 1, BYTE_PASSES, 0, 0, 0},
    {"1 byte", 32, 1, BYTE_PASSES, 0, 0, 0},
    {"1 byte", 1024, 1, BYTE_PASSES, 0, 0, 0},
};
#define CELL_COUNT (sizeof cells / sizeof *cells)

static void print_table(void)
{
    (void)printf("%-12s %6s %12s %12s %7s\n", "pieces", "value", "hand ns/msg", "ragel ns/msg",
                 "ratio");
    for (size_t i = 0; i < CELL_COUNT; i++)
        (void)printf("%-12s %6zu %12.2f %12.2f %7.2f\n", cells[i].name, cells[i].val_len,
                     cells[i].hand_ns, cells[i].generated_ns, cells[i].ratio);
}

static void print_json(size_t rounds)
{
    (void)printf("{\"bench\":\"parser\",\"rounds\":%zu,\"cells\":[", rounds);
    for (size_t i = 0; i < CELL_COUNT; i++)
        (void)printf(
            "%s{\"pieces\":\"%s\",\"value_nbytes\":%zu,\"hand_ns\":%.3f,"
            "\"generated_ns\":%.3f,\"ratio\":%.4f}",
            i != 0 ? "," : "", cells[i].name, cells[i].val_len, cells[i].hand_ns,
            cells[i].generated_ns, cells[i].ratio);
    (void)printf("]}\n");
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: bench_parser [--json] [--rounds N], N from 1 to %u\n",
                  ROUNDS_MAX);
    return 2;
}

int main(int argc, char **argv)
{
    bool json = false;
    size_t rounds = ROUNDS_DEFAULT;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = strtoul(argv[++i], NULL, 10);
        else
            return usage();
    }
    if (rounds < 1 || rounds > ROUNDS_MAX)
        return usage();
    bool agreed = agree_when_damaged();
    for (size_t i = 0; i < CELL_COUNT && agreed; i++)
        agreed = measure_cell(&cells[i], rounds);
    if (!agreed) {
        (void)fprintf(stderr, "bench_parser: the two parsers disagree\n");
        return 1;
    }
    if (json)
        print_json(rounds);
    else
        print_table();
    return 0;
}
