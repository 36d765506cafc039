/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes N distinct URI paths, one a line: the same every time, in random
 * order, with prefixes shared as Zipf's law has it; about 43 bytes and 5 segments each.
 *
 * Usage: bench_keys [--short] [--below PATH] N
 * --short: 30 bytes each; --below: PATH stands before each of them.
 */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t state = 42;

static uint64_t next_random(void)
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A rank of 0 … n-1, rank r about 1/(r+1) times as often as the first. */
static unsigned zipf(unsigned n)
{
    double u = (double)(next_random() >> 11) / 9007199254740992.0;
    return (unsigned)(exp(u * log((double)n + 1.0)) - 1.0);
}

static void write_keys(uint64_t n, const char *below, bool is_short)
{
    static const char *const tops[] = {"api", "static", "media", "internal", "img", "v1", "cdn"};
    static const char *const short_tops[] = {"api", "web", "doc", "app", "img", "pub", "cdn"};
    for (uint64_t i = 0; i < n; i++) {
        unsigned top = zipf(7), service = zipf(200), tenant = zipf(5000), group = zipf(300);
        top = top < 7 ? top : 6;
        /* a bijection of i: every path is distinct and their order is random */
        uint64_t id = (i * UINT64_C(0x9e3779b1)) & UINT64_C(0xffffffff);
        if (is_short)
            printf("%s/%s/s%04u/t%04u/g%03u/%08" PRIx64 "\n", below, short_tops[top], service,
                   tenant, group, id);
        else
            printf("%s/%s/service-%u/tenant-%04u/g%u/%08" PRIx64 "\n", below, tops[top], service,
                   tenant, group, id);
    }
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"short", 0, 0, 's'}, {"below", 1, 0, 'b'}, {0, 0, 0, 0}};
    const char *below = "";
    bool is_short = false;
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (o == 's')
            is_short = true;
        else if (o == 'b')
            below = optarg;
        else
            return 2;
    }
    uint64_t n = optind < argc ? strtoull(argv[optind], NULL, 10) : 0;
    if (n == 0) {
        fprintf(stderr, "usage: bench_keys [--short] [--below PATH] N\n");
        return 2;
    }
    write_keys(n, below, is_short);
    return 0;
}
