/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes N distinct URI paths, one a line: the same every time, in random
 * order, with prefixes shared as Zipf's law has it; about 43 bytes and 5 segments each.
 *
 * Usage: bench_keys N
 */
#include <inttypes.h>
#include <math.h>
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

int main(int argc, char **argv)
{
    static const char *const tops[] = {"api", "static", "media", "internal", "img", "v1", "cdn"};
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    if (n == 0) {
        fprintf(stderr, "usage: bench_keys N\n");
        return 2;
    }
    for (uint64_t i = 0; i < n; i++) {
        unsigned top = zipf(7), service = zipf(200), tenant = zipf(5000), group = zipf(300);
        /* a bijection of i: every path is distinct and their order is random */
        uint64_t id = (i * UINT64_C(0x9e3779b1)) & UINT64_C(0xffffffff);
        printf("/%s/service-%u/tenant-%04u/g%u/%08" PRIx64 "\n", tops[top < 7 ? top : 6], service,
               tenant, group, id);
    }
    return 0;
}
