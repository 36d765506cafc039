/* SPDX-License-Identifier: Apache-2.0 */
/** Latencies of a run, as a histogram: 64 steps to each power of two of nanoseconds. One for the
 * process. */
#ifndef BENCH_LOAD_LATENCY_H
#define BENCH_LOAD_LATENCY_H

#include <stdint.h>

/** Forgets all. */
void load_latency_clear(void);

void load_latency_add(uint64_t ns);

/** The latency that the part `p` (0 to 1) of them does not exceed, less than a step too low; 0:
 * there are none. */
uint64_t load_latency_percentile_ns(double p);

/** The longest, to the nanosecond. */
uint64_t load_latency_max_ns(void);

#endif
