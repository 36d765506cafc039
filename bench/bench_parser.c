/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generated parsers against others: written by hand with the same contract, and the libraries
 * that people use for the same bytes or for a message of the same content.
 *
 *     bench_parser [--json] [--rounds N]
 *
 * Input: requests with keys of 20 to 40 bytes and values of 0, 32 and 1024 bytes, about 48 KiB,
 * which stay in the cache. It is fed whole, in pieces of 1448 bytes (what a TCP segment carries)
 * and byte by byte; parsers that take no pieces only have it whole. In every round each parser
 * reads its input in turn, so that all see the same noise; what is printed, as Markdown, is the
 * medians over all rounds in ns per message of thread CPU time, and the median of the rounds'
 * ratios, generated = 1.00.
 *
 * Before anything is measured the hand-written parser must make the same as the generated one of
 * an input that is damaged in every byte; after every round counts and sums of all must agree.
 * Exit status: 0 measured, 1 the parsers disagree, 2 usage.
 */
#include "parser_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_DEFAULT 15u
#define ROUNDS_MAX 1001u
#define FILLED_NBYTES (48u << 10)
#define HEAD_NBYTES 64u
#define KEY_NBYTES_MIN 20u
#define SEGMENT_NBYTES 1448u

/* ---- input ---- */

static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525u + 1013904223u;
    return *random >> 16;
}

struct parse_item parse_item(uint32_t rid, size_t value_nbytes)
{
    static const char key[] = "/img/cats/2024/summer/0123456789/abcdefg.jpg";
    static uint8_t value[PARSE_VALUE_NBYTES_MAX];
    uint32_t random = rid;
    memset(value, 'v', sizeof value);
    const size_t span = PARSE_KEY_NBYTES_MAX - KEY_NBYTES_MIN + 1;
    const size_t key_len = KEY_NBYTES_MIN + next_random(&random) % span;
    return (struct parse_item){rid, cdx_bytes_of(key, key_len), cdx_bytes_of(value, value_nbytes)};
}

/* As many messages whatever the format. */
static void input_fill(struct parse_input *in, parse_encode *encode, size_t value_nbytes)
{
    const uint32_t count = (uint32_t)(FILLED_NBYTES / (HEAD_NBYTES + value_nbytes));
    struct cdx_out out = {in->bytes, in->bytes + sizeof in->bytes};
    for (uint32_t rid = 1; rid <= count; rid++) {
        const struct parse_item item = parse_item(rid, value_nbytes);
        if (!encode(&out, &item))
            abort();
    }
    in->len = (size_t)(out.next - in->bytes);
}

/* ---- the contract is the same ---- */

bool parse_outcome_equal(const struct parse_outcome *a, const struct parse_outcome *b)
{
    if (a->messages != b->messages || a->sum != b->sum || a->status != b->status)
        return false;
    return a->status == CDX_MORE ||
           (a->error.offset == b->error.offset && strcmp(a->error.field, b->error.field) == 0 &&
            strcmp(a->error.reason, b->error.reason) == 0);
}

static bool agree(parse_run *a, parse_run *b, const struct parse_input *in)
{
    static const size_t pieces[] = {1, 7, 64, PARSE_INPUT_NBYTES_MAX};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        const struct parse_outcome x = a(in, pieces[i], 1);
        const struct parse_outcome y = b(in, pieces[i], 1);
        if (!parse_outcome_equal(&x, &y))
            return false;
    }
    return true;
}

bool parse_agree_when_damaged(parse_run *a, parse_run *b, struct parse_input *in)
{
    bool all = agree(a, b, in);
    for (size_t at = 0; at < in->len; at++) {
        const uint8_t byte = in->bytes[at];
        for (unsigned damage = 1; damage < 256; damage += 6) {
            in->bytes[at] = (uint8_t)(byte ^ damage);
            all = all && agree(a, b, in);
        }
        in->bytes[at] = byte;
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

/* How the input is cut, and how often it is read in a round: about a millisecond. */
struct cut {
    const char *name;
    size_t piece;
    unsigned passes;
};
static const struct cut cuts[] = {
    {"whole", PARSE_INPUT_NBYTES_MAX, 100},
    {"1448 bytes", SEGMENT_NBYTES, 100},
    {"1 byte", 1, 2},
};
static const size_t value_nbytes[] = {0, 32, PARSE_VALUE_NBYTES_MAX};
/* Large values make few messages. */
#define LARGE_FACTOR 8u

/* ns per message; the first of a round is the generated parser. */
static double measure(const struct parse_contender *contender, const struct parse_input *in,
                      const struct cut *cut, unsigned factor, struct parse_outcome *outcome)
{
    const double start = now_ns();
    *outcome = contender->run(in, cut->piece, cut->passes * factor);
    return (now_ns() - start) / (double)outcome->messages;
}

/* One line of the table. */
struct result {
    const char *name;
    double ns, ratio, wanted;
};

/* Results of all that take part, `*count` of them; false: they disagree. */
static bool measure_cell(const struct parse_format *format, size_t value, const struct cut *cut,
                         size_t rounds, struct result *results, size_t *count)
{
    static struct parse_input inputs[PARSE_CONTENDERS_MAX];
    static double ns[PARSE_CONTENDERS_MAX][ROUNDS_MAX], ratio[PARSE_CONTENDERS_MAX][ROUNDS_MAX];
    const struct parse_contender *taking_part[PARSE_CONTENDERS_MAX];
    size_t n = 0;
    for (const struct parse_contender *c = format->contenders; c->name != NULL; c++) {
        if (c->whole_only && cut->piece < PARSE_INPUT_NBYTES_MAX)
            continue;
        input_fill(&inputs[n], c->encode, value);
        taking_part[n++] = c;
    }
    const unsigned factor = value == PARSE_VALUE_NBYTES_MAX && cut->piece != 1 ? LARGE_FACTOR : 1;
    for (size_t round = 0; round < rounds; round++) {
        struct parse_outcome first, outcome;
        for (size_t i = 0; i < n; i++) {
            ns[i][round] =
                measure(taking_part[i], &inputs[i], cut, factor, i == 0 ? &first : &outcome);
            ratio[i][round] = ns[i][round] / ns[0][round];
            if (i != 0 && !parse_outcome_equal(&first, &outcome))
                return false;
        }
    }
    for (size_t i = 0; i < n; i++)
        results[i] = (struct result){taking_part[i]->name, median(ns[i], rounds),
                                     median(ratio[i], rounds), taking_part[i]->ratio_wanted};
    *count = n;
    return true;
}

/* ---- the program ---- */

static void print_lines(const struct parse_format *format, const struct cut *cut, size_t value,
                        const struct result *results, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct result *const r = &results[i];
        (void)printf("| %s | %s | %zu | %s | %.2f | %.2f | ", format->name, cut->name, value,
                     r->name, r->ns, r->ratio);
        if (r->wanted != 0)
            (void)printf("%.2f: %s", r->wanted, r->ratio >= r->wanted ? "holds" : "DOES NOT HOLD");
        (void)printf(" |\n");
    }
}

static void print_json(const struct parse_format *format, const struct cut *cut, size_t value,
                       const struct result *results, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)printf(
            "{\"bench\":\"parser\",\"format\":\"%s\",\"pieces\":\"%s\",\"value_nbytes\":%zu,"
            "\"parser\":\"%s\",\"ns\":%.3f,\"ratio\":%.4f}\n",
            format->name, cut->name, value, results[i].name, results[i].ns, results[i].ratio);
}

/* All cells of one format; false: its parsers disagree. */
static bool bench(const struct parse_format *format, size_t rounds, bool json)
{
    if (format->agree != NULL && !format->agree())
        return false;
    for (size_t cut = 0; cut < sizeof cuts / sizeof *cuts; cut++) {
        for (size_t i = 0; i < sizeof value_nbytes / sizeof *value_nbytes; i++) {
            struct result results[PARSE_CONTENDERS_MAX];
            size_t count = 0;
            if (!measure_cell(format, value_nbytes[i], &cuts[cut], rounds, results, &count))
                return false;
            (json ? print_json : print_lines)(format, &cuts[cut], value_nbytes[i], results, count);
        }
    }
    if (format->left_out != NULL)
        (void)fprintf(stderr, "bench_parser: %s: built without %s\n", format->name,
                      format->left_out);
    return true;
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: bench_parser [--json] [--rounds N], N from 1 to %u\n",
                  ROUNDS_MAX);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct parse_format *const formats[] = {&parse_kv, &parse_memcache, &parse_resp};
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
    if (!json)
        (void)printf(
            "| format | pieces | value | parser | ns/message | ÷ generated | promised, at "
            "least |\n|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (!bench(formats[i], rounds, json)) {
            (void)fprintf(stderr, "bench_parser: %s: the parsers disagree\n", formats[i]->name);
            return 1;
        }
    }
    return 0;
}
