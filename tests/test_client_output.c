/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the client's queue of unsent bytes: order, places, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "client_output.h"
#include "heap_fail.h"

#include <caudex/client.h>

static void check(const struct cdx__output *output)
{
    const char *broken = cdx__output_check(output);
    if (broken != NULL)
        fail_msg("invariant: %s", broken);
}

/* Adds `nbytes` bytes that continue the stream of which byte k is k mod 251. */
static void add(struct cdx__output *output, size_t nbytes, size_t *written)
{
    struct cdx_out out;
    assert_int_equal(cdx__output_reserve(output, nbytes, &out), CDX_OK);
    check(output);
    assert_int_equal(out.end - out.next, nbytes);
    for (size_t i = 0; i < nbytes; i++)
        *out.next++ = (uint8_t)((*written)++ % 251);
    cdx__output_commit(output, &out);
    check(output);
}

/* Takes what one send would: the first `views` views, of them at most `most` bytes. */
static size_t drain(struct cdx__output *output, size_t views, size_t most, size_t *read)
{
    struct cdx_bytes seen[CDX_CLIENT_VIEWS_MAX];
    const size_t count = cdx__output_views(output, seen, views);
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < seen[i].len && taken < most; k++, taken++) {
            if (seen[i].data[k] != (*read)++ % 251)
                fail_msg("byte %zu is out of order", *read - 1);
        }
    }
    cdx__output_sent(output, taken);
    check(output);
    return taken;
}

static void bytes_come_out_as_they_went_in_however_they_are_sent(void **state)
{
    (void)state;
    heap_fail_install();
    for (unsigned seed = 1; seed <= 30; seed++) {
        struct cdx__output output = {0};
        size_t written = 0;
        size_t read = 0;
        srand(seed);
        for (int step = 0; step < 300; step++) {
            const int dice = rand();
            const size_t nbytes = dice % 40 == 0 ? 3 * CDX__CHUNK_NBYTES : (size_t)dice % 3000;
            if (dice % 3 != 0 && nbytes != 0)
                add(&output, nbytes, &written);
            else
                (void)drain(&output, 1 + (size_t)dice % 4, (size_t)rand() % 40000, &read);
            assert_int_equal(output.nbytes, written - read);
        }
        while (output.nbytes != 0)
            (void)drain(&output, CDX_CLIENT_VIEWS_MAX, SIZE_MAX, &read);
        assert_int_equal(read, written);
        assert_true(heap_fail_blocks() <= 1); /* an empty queue holds one chunk */
        cdx__output_free(&output);
        assert_int_equal(heap_fail_blocks(), 0);
    }
    heap_fail_remove();
}

static void unsent_bytes_stay_where_they_are_while_more_are_added(void **state)
{
    struct cdx__output output = {0};
    struct cdx_bytes before;
    struct cdx_bytes after;
    size_t written = 0;
    (void)state;
    add(&output, 100, &written);
    assert_int_equal(cdx__output_views(&output, &before, 1), 1);
    for (int i = 0; i < 1000; i++)
        add(&output, 500, &written);
    assert_int_equal(cdx__output_views(&output, &after, 1), 1);
    assert_ptr_equal(before.data, after.data);
    cdx__output_free(&output);
}

static void a_reservation_that_is_not_committed_leaves_no_trace(void **state)
{
    struct cdx__output output = {0};
    struct cdx_out out;
    size_t written = 0;
    size_t read = 0;
    (void)state;
    heap_fail_install();
    assert_int_equal(cdx__output_reserve(&output, 5 * CDX__CHUNK_NBYTES, &out), CDX_OK);
    assert_int_equal(output.nbytes, 0);
    add(&output, 10, &written);
    assert_int_equal(cdx__output_reserve(&output, 10 * CDX__CHUNK_NBYTES, &out), CDX_OK);
    check(&output);
    add(&output, 10, &written);
    assert_int_equal(drain(&output, 16, SIZE_MAX, &read), 20);
    check(&output);
    cdx__output_free(&output);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

static void a_quiet_queue_takes_no_memory_from_request_to_request(void **state)
{
    struct cdx__output output = {0};
    size_t written = 0;
    size_t read = 0;
    (void)state;
    heap_fail_install();
    add(&output, 100, &written);
    (void)drain(&output, 16, SIZE_MAX, &read);
    heap_fail_at(1, 1); /* from here on there is no memory */
    for (int i = 0; i < 1000; i++) {
        add(&output, 1000, &written);
        (void)drain(&output, 16, SIZE_MAX, &read);
    }
    assert_false(heap_fail_happened());
    struct cdx_out out;
    assert_int_equal(cdx__output_reserve(&output, CDX__CHUNK_NBYTES + 1, &out), CDX_NO_MEMORY);
    check(&output);
    cdx__output_free(&output);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_out_as_they_went_in_however_they_are_sent),
        cmocka_unit_test(unsent_bytes_stay_where_they_are_while_more_are_added),
        cmocka_unit_test(a_reservation_that_is_not_committed_leaves_no_trace),
        cmocka_unit_test(a_quiet_queue_takes_no_memory_from_request_to_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
