/* SPDX-License-Identifier: Apache-2.0 */
/* Latencies as a histogram. */
#include "load_latency.h"

#include <stddef.h>
#include <string.h>

#define STEPS_LOG 6
#define BUCKETS (64 << STEPS_LOG)

static uint64_t histogram[BUCKETS];
static uint64_t max_ns;

static size_t bucket_of(uint64_t ns)
{
    if (ns < 1u << STEPS_LOG)
        return (size_t)ns;
    unsigned top = 63u - (unsigned)__builtin_clzll(ns);
    return ((size_t)(top - STEPS_LOG + 1) << STEPS_LOG) +
           (size_t)((ns >> (top - STEPS_LOG)) & ((1u << STEPS_LOG) - 1));
}

static uint64_t bucket_ns(size_t bucket)
{
    size_t top = bucket >> STEPS_LOG;
    uint64_t low = bucket & ((1u << STEPS_LOG) - 1);
    return top == 0 ? low : ((uint64_t)(1u << STEPS_LOG) + low) << (top - 1);
}

void load_latency_clear(void)
{
    memset(histogram, 0, sizeof histogram);
    max_ns = 0;
}

void load_latency_add(uint64_t ns)
{
    histogram[bucket_of(ns)]++;
    max_ns = ns > max_ns ? ns : max_ns;
}

uint64_t load_latency_percentile_ns(double p)
{
    uint64_t total = 0, seen = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        total += histogram[i];
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (seen != 0 && (double)seen >= p * (double)total)
            return bucket_ns(i);
    }
    return 0;
}

uint64_t load_latency_max_ns(void)
{
    return max_ns;
}
