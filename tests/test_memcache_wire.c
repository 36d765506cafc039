/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the code generated from proto/memcache.cdx against a protocol that others designed:
 * byte sequences as clients and servers of memcached exchange them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "trace.h"
#include <memcache_trace.h>

TRACED_PARSER(request, memcache_request);
TRACED_PARSER(response, memcache_response);

#define BYTES(text) cdx_bytes_of(text, sizeof(text) - 1)

/* set Hello = World, flags 0xdeadbeef, two hours; then get, quiet get and noop in one go. */
static const char requests[] =
    "\x80\x01\0\5\x08\0\0\0\0\0\0\x12\0\0\0\1\0\0\0\0\0\0\0\0"
    "\xde\xad\xbe\xef\0\0\x1c\x20HelloWorld"
    "\x80\0\0\5\0\0\0\0\0\0\0\5\0\0\0\2\0\0\0\0\0\0\0\0Hello"
    "\x80\x09\0\4\0\0\0\0\0\0\0\4\0\0\0\3\0\0\0\0\0\0\0\0none"
    "\x80\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\0"
    /* increment counter by 1, initially 0, one hour; flush in 16 seconds; flush */
    "\x80\5\0\7\x14\0\0\0\0\0\0\x1b\0\0\0\5\0\0\0\0\0\0\0\0"
    "\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\x0e\x10"
    "counter"
    "\x80\x08\0\0\4\0\0\0\0\0\0\4\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\x10"
    "\x80\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0";

/* Their answers; the get of a key that is not there has none. */
static const char responses[] =
    "\x81\1\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1"
    "\x81\0\0\0\4\0\0\0\0\0\0\x09\0\0\0\2\0\0\0\0\0\0\0\1\xde\xad\xbe\xefWorld"
    "\x81\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\0"
    "\x81\5\0\0\0\0\0\0\0\0\0\x08\0\0\0\5\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\0"
    "\x81\0\0\0\0\0\0\1\0\0\0\x09\0\0\0\6\0\0\0\0\0\0\0\0Not found";

static void requests_are_read_however_they_are_cut(void **state)
{
    (void)state;
    split_expect(
        &request, BYTES(requests),
        " magic=128 opcode=1 key_len=5 extras_len=8 data_type=0 vbucket=0 total=18 opaque=1 cas=0"
        " extras={ flags=3735928559 expiration=7200 } key=48656c6c6f value=576f726c64\n"
        " magic=128 opcode=0 key_len=5 extras_len=0 data_type=0 vbucket=0 total=5 opaque=2 cas=0"
        " key=48656c6c6f value=\n"
        " magic=128 opcode=9 key_len=4 extras_len=0 data_type=0 vbucket=0 total=4 opaque=3 cas=0"
        " key=6e6f6e65 value=\n"
        " magic=128 opcode=10 key_len=0 extras_len=0 data_type=0 vbucket=0 total=0 opaque=4 cas=0"
        " key= value=\n"
        " magic=128 opcode=5 key_len=7 extras_len=20 data_type=0 vbucket=0 total=27 opaque=5"
        " cas=0 extras={ delta=1 initial=0 expiration=3600 } key=636f756e746572 value=\n"
        " magic=128 opcode=8 key_len=0 extras_len=4 data_type=0 vbucket=0 total=4 opaque=6 cas=0"
        " extras={ delay=00000010 } key= value=\n"
        " magic=128 opcode=8 key_len=0 extras_len=0 data_type=0 vbucket=0 total=0 opaque=7 cas=0"
        " extras={ delay= } key= value=\n"
        "more need=24 field=magic between\n");
}

static void responses_are_read_however_they_are_cut(void **state)
{
    (void)state;
    split_expect(
        &response, BYTES(responses),
        " magic=129 opcode=1 key_len=0 extras_len=0 data_type=0 status=0 total=0 opaque=1 cas=1"
        " extras={ flags= } key= value=\n"
        " magic=129 opcode=0 key_len=0 extras_len=4 data_type=0 status=0 total=9 opaque=2 cas=1"
        " extras={ flags=deadbeef } key= value=576f726c64\n"
        " magic=129 opcode=10 key_len=0 extras_len=0 data_type=0 status=0 total=0 opaque=4 cas=0"
        " extras={ flags= } key= value=\n"
        " magic=129 opcode=5 key_len=0 extras_len=0 data_type=0 status=0 total=8 opaque=5 cas=2"
        " extras={ flags= } key= value=0000000000000000\n"
        " magic=129 opcode=0 key_len=0 extras_len=0 data_type=0 status=1 total=9 opaque=6 cas=0"
        " extras={ flags= } key= value=4e6f7420666f756e64\n"
        "more need=24 field=magic between\n");
}

static void requests_are_written_from_what_they_are_about(void **state)
{
    (void)state;
    uint8_t room[sizeof requests];
    struct cdx_out out = {room, room + sizeof room};
    struct memcache_request set = {
        .opcode = MEMCACHE_OPCODE_SET, .opaque = 1, .key = CDX_STR("Hello")};
    set.value = CDX_STR("World");
    set.extras.store_extras.flags = 0xdeadbeef;
    set.extras.store_extras.expiration = 7200;
    const struct memcache_request get = {
        .opcode = MEMCACHE_OPCODE_GET, .opaque = 2, .key = CDX_STR("Hello")};
    assert_int_equal(memcache_request_encode(&out, &set), CDX_OK);
    assert_int_equal(memcache_request_encode(&out, &get), CDX_OK);
    assert_int_equal(out.next - room, 24 + 18 + 24 + 5);
    assert_memory_equal(room, requests, 24 + 18 + 24 + 5);
    assert_int_equal(memcache_request_size(&set), 24 + 18);
}

static void what_the_protocol_excludes_is_not_written(void **state)
{
    (void)state;
    static const char key[251];
    uint8_t room[1024];
    struct cdx_out out = {room, room + sizeof room};
    struct memcache_request get = {.opcode = MEMCACHE_OPCODE_GET};
    get.key = cdx_bytes_of(key, sizeof key);
    assert_int_equal(memcache_request_encode(&out, &get), CDX_TOO_LONG);
    get.key.len = 250;
    assert_int_equal(memcache_request_encode(&out, &get), CDX_OK);
    get.opcode = 0x7f; /* some other, with extras of its own */
    get.extras.other_extras.data = CDX_STR("xyz");
    assert_int_equal(memcache_request_encode(&out, &get), CDX_OK);
    struct memcache_response answer = {.status = 0x7777};
    answer.extras.flags = CDX_STR("12345");
    assert_int_equal(memcache_response_encode(&out, &answer), CDX_TOO_LONG);
    answer.extras.flags = CDX_STR("1234");
    assert_int_equal(memcache_response_encode(&out, &answer), CDX_OK);
}

static void lengths_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
        const char *expected;
    } cases[] = {
        {0, 0x81, "error offset=0 field=magic: not the constant that belongs here\n"},
        {1, 0, "error offset=24 field=extras: bytes behind the last field\n"},
        {3, 251, "error offset=32 field=key: longer than its limit\n"},
        {4, 7,
         "error offset=28 field=store_extras.expiration: reaches past the end of what holds "
         "it\n"},
        {4, 9, "error offset=32 field=extras: bytes behind the last field\n"},
        {4, 21, "error offset=32 field=extras: bytes behind the last field\n"},
        {11, 12, "error offset=37 field=value: lengths that contradict each other\n"},
        {8, 2, "error offset=37 field=value: longer than its limit\n"},
        {8, 0xff, "error offset=37 field=value: longer than its limit\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t input[24 + 18];
        memcpy(input, requests, sizeof input);
        input[cases[i].at] = cases[i].value;
        split_expect(&request, cdx_bytes_of(input, sizeof input), cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read_however_they_are_cut),
        cmocka_unit_test(responses_are_read_however_they_are_cut),
        cmocka_unit_test(requests_are_written_from_what_they_are_about),
        cmocka_unit_test(what_the_protocol_excludes_is_not_written),
        cmocka_unit_test(lengths_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
