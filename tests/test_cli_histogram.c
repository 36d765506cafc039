/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of the histogram, against a plain sort. */
#include "cli_histogram.h"

#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define SAMPLES 20000u

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Times over all magnitudes that a histogram keeps apart. */
static uint64_t sample(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    unsigned bits = (unsigned)(*state >> 58) % CLI_HISTOGRAM_VALUE_BITS;
    return (*state >> 16) & ((1ull << bits) - 1);
}

static void percentiles_agree_with_a_sort(void **state)
{
    static const double percents[] = {0, 1, 10, 50, 90, 99, 99.9, 99.99, 100};
    static uint64_t sorted[SAMPLES];
    static struct cli_histogram histogram;
    uint64_t seed = 42;
    uint64_t sum = 0;
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        sorted[i] = sample(&seed);
        sum += sorted[i];
        cli_histogram_add(&histogram, sorted[i], 1);
    }
    qsort(sorted, SAMPLES, sizeof sorted[0], compare);
    assert_null(cli_histogram_check(&histogram));
    assert_int_equal(histogram.count, SAMPLES);
    assert_int_equal(histogram.min, sorted[0]);
    assert_int_equal(histogram.max, sorted[SAMPLES - 1]);
    assert_true(cli_histogram_mean(&histogram) == (double)sum / SAMPLES);
    for (size_t i = 0; i < COUNT(percents); i++) {
        size_t rank = (size_t)(percents[i] / 100 * SAMPLES + 0.999999);
        uint64_t exact = sorted[rank != 0 ? rank - 1 : 0];
        uint64_t got = cli_histogram_percentile(&histogram, percents[i]);
        /* Never below, and above by at most one part in 64. */
        if (got < exact || got > exact + exact / 64 + 1)
            fail_msg("%g %%: exact %llu, got %llu", percents[i], (unsigned long long)exact,
                     (unsigned long long)got);
    }
}

static void small_times_are_exact(void **state)
{
    (void)state;
    for (uint64_t ns = 0; ns < 128; ns++) {
        static struct cli_histogram histogram;
        memset(&histogram, 0, sizeof histogram);
        cli_histogram_add(&histogram, ns, 3);
        cli_histogram_add(&histogram, 1000000, 1);
        assert_int_equal(cli_histogram_percentile(&histogram, 50), ns);
        assert_int_equal(histogram.count, 4);
    }
}

static void nothing_counted_is_zero(void **state)
{
    (void)state;
    static struct cli_histogram histogram;
    cli_histogram_add(&histogram, 5, 0);
    assert_int_equal(cli_histogram_percentile(&histogram, 99), 0);
    assert_true(cli_histogram_mean(&histogram) == 0);
    assert_null(cli_histogram_check(&histogram));
}

static void times_beyond_the_range_are_cut(void **state)
{
    (void)state;
    static struct cli_histogram histogram;
    cli_histogram_add(&histogram, UINT64_MAX, 1);
    cli_histogram_add(&histogram, 1ull << CLI_HISTOGRAM_VALUE_BITS, 1);
    assert_null(cli_histogram_check(&histogram));
    assert_int_equal(histogram.max, (1ull << CLI_HISTOGRAM_VALUE_BITS) - 1);
    assert_int_equal(cli_histogram_percentile(&histogram, 50), histogram.max);
}

static void merging_is_counting_together(void **state)
{
    static struct cli_histogram parts[3];
    static struct cli_histogram whole;
    static struct cli_histogram merged;
    uint64_t seed = 7;
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        uint64_t ns = sample(&seed);
        cli_histogram_add(&parts[i % 2], ns, 1);
        cli_histogram_add(&whole, ns, 1);
    }
    for (size_t i = 0; i < COUNT(parts); i++) /* the last one is empty */
        cli_histogram_merge(&merged, &parts[i]);
    assert_memory_equal(&merged, &whole, sizeof whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_agree_with_a_sort),
        cmocka_unit_test(small_times_are_exact),
        cmocka_unit_test(nothing_counted_is_zero),
        cmocka_unit_test(times_beyond_the_range_are_cut),
        cmocka_unit_test(merging_is_counting_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
