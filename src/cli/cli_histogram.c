/* SPDX-License-Identifier: Apache-2.0 */
/* A log-linear histogram of times. */
#include "cli_histogram.h"

#include <math.h>

#define SUB_COUNT (1u << CLI_HISTOGRAM_SUB_BITS)
#define VALUE_MAX ((1ull << CLI_HISTOGRAM_VALUE_BITS) - 1)

/* Bits by which the times of a bucket's power of two are wider than one. */
static unsigned shift_of(uint64_t ns)
{
    return ns < SUB_COUNT ? 0 : 63u - (unsigned)__builtin_clzll(ns) - CLI_HISTOGRAM_SUB_BITS;
}

static size_t bucket_of(uint64_t ns)
{
    unsigned shift = shift_of(ns);
    return (size_t)shift * SUB_COUNT + (size_t)(ns >> shift);
}

/* The largest time of the bucket. */
static uint64_t bucket_end(size_t bucket)
{
    size_t row = bucket >> CLI_HISTOGRAM_SUB_BITS;
    unsigned shift = row == 0 ? 0 : (unsigned)row - 1;
    uint64_t step = bucket - (size_t)shift * SUB_COUNT;
    return ((step + 1) << shift) - 1;
}

void cli_histogram_add(struct cli_histogram *histogram, uint64_t ns, uint64_t n)
{
    if (n == 0)
        return;
    if (ns > VALUE_MAX)
        ns = VALUE_MAX;
    histogram->min = histogram->count == 0 || ns < histogram->min ? ns : histogram->min;
    histogram->max = ns > histogram->max ? ns : histogram->max;
    histogram->count += n;
    histogram->sum += ns * n;
    histogram->buckets[bucket_of(ns)] += n;
}

void cli_histogram_merge(struct cli_histogram *histogram, const struct cli_histogram *other)
{
    if (other->count == 0)
        return;
    if (histogram->count == 0 || other->min < histogram->min)
        histogram->min = other->min;
    histogram->max = other->max > histogram->max ? other->max : histogram->max;
    histogram->count += other->count;
    histogram->sum += other->sum;
    for (size_t i = 0; i < CLI_HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += other->buckets[i];
}

uint64_t cli_histogram_percentile(const struct cli_histogram *histogram, double percent)
{
    uint64_t rank = (uint64_t)ceil(percent / 100 * (double)histogram->count);
    uint64_t seen = 0;
    for (size_t i = 0; i < CLI_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= rank && seen != 0)
            return bucket_end(i) < histogram->max ? bucket_end(i) : histogram->max;
    }
    return histogram->max;
}

double cli_histogram_mean(const struct cli_histogram *histogram)
{
    return histogram->count != 0 ? (double)histogram->sum / (double)histogram->count : 0;
}

const char *cli_histogram_check(const struct cli_histogram *histogram)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < CLI_HISTOGRAM_BUCKETS; i++)
        sum += histogram->buckets[i];
    if (sum != histogram->count)
        return "count is the sum of the buckets";
    if (histogram->count != 0 && histogram->min > histogram->max)
        return "min is at most max";
    if (histogram->count != 0 && histogram->buckets[bucket_of(histogram->max)] == 0)
        return "the bucket of max is not empty";
    return NULL;
}
