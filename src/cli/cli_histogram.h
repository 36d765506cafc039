/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Counts of times, in nanoseconds, in buckets that widen with the time: every
 * power of two is cut into 64, so that a percentile is at most 1/64 (1.6 %) too large.
 *
 *     0 1 2 … 63 | 64 65 … 127 | 128 130 … 254 | 256 260 … | …
 *      width 1       width 1        width 2       width 4
 */
#ifndef CLI_HISTOGRAM_H
#define CLI_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Buckets per power of two, as a power of two. */
#define CLI_HISTOGRAM_SUB_BITS 6u
/** Times are cut to 2^40 ns, 18 minutes: longer than any answer is waited for. */
#define CLI_HISTOGRAM_VALUE_BITS 40u
#define CLI_HISTOGRAM_BUCKETS                                                                      \
    ((CLI_HISTOGRAM_VALUE_BITS - CLI_HISTOGRAM_SUB_BITS + 1) << CLI_HISTOGRAM_SUB_BITS)

/** Zeroed storage is an empty histogram. */
struct cli_histogram {
    uint64_t count;
    uint64_t sum; /* of the times, for the mean */
    uint64_t max;
    uint64_t min; /* meaningful when count is not 0 */
    uint64_t buckets[CLI_HISTOGRAM_BUCKETS];
};

/** Counts `n` answers that took `ns` each. */
void cli_histogram_add(struct cli_histogram *histogram, uint64_t ns, uint64_t n);

/** Adds the counts of `other`. */
void cli_histogram_merge(struct cli_histogram *histogram, const struct cli_histogram *other);

/**
 * The time that `percent` (0 to 100) of the answers did not exceed: the upper
 * end of its bucket, never above the longest time. 0 when nothing was counted.
 */
uint64_t cli_histogram_percentile(const struct cli_histogram *histogram, double percent);

/** The mean, 0 when nothing was counted. */
double cli_histogram_mean(const struct cli_histogram *histogram);

/** The invariant: NULL, or a static text that names the broken part. */
const char *cli_histogram_check(const struct cli_histogram *histogram);

#endif
