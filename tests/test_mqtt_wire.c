/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the code generated from proto/examples/mqtt.cdx: the bytes that a client and mosquitto
 * exchanged (captures/mqtt.txt), all types of packets among them, and bytes that are no packets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mqtt_stream.h"
#include "trace.h"
#include <mqtt_trace.h>

TRACED_PARSER(packet, mqtt_packet);

#define BYTES(text) cdx_bytes_of(text, sizeof(text) - 1)
#define LINE_NBYTES_MAX 4096

/* ---- the capture ---- */

static uint8_t nibble(char c)
{
    const char *const digits = "0123456789abcdef";
    const char *const at = strchr(digits, c);
    assert_non_null(at);
    return (uint8_t)(at - digits);
}

/* What went to the broker ('>') or came from it ('<'). */
static struct mqtt_buffer captured(char direction)
{
    struct mqtt_buffer all = {NULL, 0};
    char line[LINE_NBYTES_MAX];
    FILE *const file = fopen(MQTT_CAPTURE, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        const size_t end = strcspn(line, "\n");
        for (size_t i = 2; line[0] == direction && i + 1 < end; i += 2) {
            const uint8_t byte = (uint8_t)(nibble(line[i]) << 4 | nibble(line[i + 1]));
            mqtt_buffer_add(&all, cdx_bytes_of(&byte, 1));
        }
    }
    (void)fclose(file);
    assert_int_not_equal(all.len, 0);
    return all;
}

static void nothing(void *arg, const struct mqtt_packet *one)
{
    (void)arg;
    (void)one;
}

/* Each direction as one piece; every packet is written again. */
static void captured_packets_are_of_all_types_and_written_as_they_came(void **state)
{
    (void)state;
    unsigned seen[MQTT_STREAM_TYPES] = {0};
    for (const char *direction = "><"; *direction != '\0'; direction++) {
        struct mqtt_buffer bytes = captured(*direction);
        struct mqtt_stream stream;
        mqtt_stream_init(&stream);
        assert_true(mqtt_stream_feed(&stream, cdx_bytes_of(bytes.data, bytes.len), nothing, NULL));
        assert_true(mqtt_stream_is_between(&stream));
        assert_int_equal(stream.again.len, bytes.len);
        assert_memory_equal(stream.again.data, bytes.data, bytes.len);
        for (unsigned type = 0; type < MQTT_STREAM_TYPES; type++)
            seen[type] += stream.seen[type];
        mqtt_stream_free(&stream);
        free(bytes.data);
    }
    for (unsigned type = MQTT_HEAD_CONNECT >> 4; type <= MQTT_HEAD_DISCONNECT >> 4; type++)
        assert_int_not_equal(seen[type], 0);
}

static void captured_packets_are_read_however_they_are_cut(void **state)
{
    (void)state;
    struct mqtt_buffer to = captured('>'), from = captured('<');
    split_expect(&packet, cdx_bytes_of(to.data, to.len),
                 " head=16 length=60 content={ level=4 options=206 keep_alive=60"
                 " client=636175646578 will_topic=6361756465782f676f6e65"
                 " will_payload=776974686f7574206120776f7264 user=616e61"
                 " password=736563726574 }\n"
                 " head=130 length=22 content={ id=1 filters=[ filter=6361756465782f23"
                 " quality=2; filter=2b2f6e657773 quality=0; ] }\n"
                 " head=48 length=20 content={ topic=6361756465782f6f6e6365"
                 " payload=6174206d6f7374 }\n"
                 " head=50 length=23 content={ topic=6361756465782f6f6e6365 id=3"
                 " payload=6174206c65617374 }\n"
                 " head=64 length=2 content={ id=1 }\n"
                 " head=52 length=15 content={ topic=6361756465782f6f6e6365 id=4 payload= }\n"
                 " head=98 length=2 content={ id=4 }\n"
                 " head=80 length=2 content={ id=2 }\n"
                 " head=112 length=2 content={ id=2 }\n"
                 " head=192 length=0\n"
                 " head=162 length=12 content={ id=2 filters=[ filter=6361756465782f23; ] }\n"
                 " head=224 length=0\n"
                 "more need=2 field=head between\n");
    split_expect(&packet, cdx_bytes_of(from.data, from.len),
                 " head=32 length=2 content={ session=0 result=0 }\n"
                 " head=144 length=4 content={ id=1 grants=[ grant=2; grant=0; ] }\n"
                 " head=48 length=20 content={ topic=6361756465782f6f6e6365"
                 " payload=6174206d6f7374 }\n"
                 " head=50 length=23 content={ topic=6361756465782f6f6e6365 id=1"
                 " payload=6174206c65617374 }\n"
                 " head=64 length=2 content={ id=3 }\n"
                 " head=80 length=2 content={ id=4 }\n"
                 " head=52 length=15 content={ topic=6361756465782f6f6e6365 id=2 payload= }\n"
                 " head=112 length=2 content={ id=4 }\n"
                 " head=98 length=2 content={ id=2 }\n"
                 " head=208 length=0\n"
                 " head=176 length=2 content={ id=2 }\n"
                 "more need=2 field=head between\n");
    free(to.data);
    free(from.data);
}

/* ---- what is none ---- */

static void what_is_no_packet_is_refused(void **state)
{
    (void)state;
#define UNKNOWN "a value that is not in the description"
    const struct {
        struct cdx_bytes input;
        const char *expected;
    } cases[] = {
        {BYTES("\x00\0"), "offset=0 field=head: " UNKNOWN},
        {BYTES("\xf0\0"), "offset=0 field=head: " UNKNOWN},
        {BYTES("\x36\0"), "offset=0 field=head: " UNKNOWN}, /* quality of service 3 */
        {BYTES("\x38\0"), "offset=0 field=head: " UNKNOWN}, /* again, though nobody acknowledges */
        {BYTES("\x60\2\0\1"), "offset=0 field=head: " UNKNOWN},
        {BYTES("\xc0\x80\0"), "offset=1 field=length: a byte that cannot stand here"},
        {BYTES("\x30\x81\x80\x80\x08"), "offset=1 field=length: the packet is larger than 16 MiB"},
        {BYTES("\xc0\1x"), "offset=2 field=content: bytes behind the last field"},
        {BYTES("\x40\1\0"), "offset=2 field=id_body.id: reaches past the end of what holds it"},
        {BYTES("\x40\2\0\0"), "offset=2 field=id_body.id: the id is 0"},
        {BYTES("\x20\2\2\0"), "offset=2 field=connection_body.session: reserved bits are set"},
        {BYTES("\x20\2\1\6"), "offset=3 field=connection_body.result: " UNKNOWN},
        {BYTES("\x32\4\0\1t\0"),
         "offset=5 field=publish_id_body.id: reaches past the end of what holds it"},
        {BYTES("\x30\3\0\2t"),
         "offset=4 field=publish_body.topic: reaches past the end of what holds it"},
        {BYTES("\x82\6\0\1\0\1#\3"),
         "offset=7 field=subscription.quality: there is no such quality of service"},
        {BYTES("\x90\3\0\1\3"), "offset=4 field=granted.grant: " UNKNOWN},
        {BYTES("\x10\x0c\0\4MQTX"),
         "offset=2 field=connect_body.name: not the constant that belongs here"},
        {BYTES("\x10\x0c\0\4MQTT\5"),
         "offset=8 field=connect_body.level: not the constant that belongs here"},
        {BYTES("\x10\x0c\0\4MQTT\4\1"), "offset=9 field=connect_body.options: " UNKNOWN},
        {BYTES("\x10\x0c\0\4MQTT\4\x1c"),
         "offset=9 field=connect_body.options: the will has quality of service 3"},
        {BYTES("\x10\x0c\0\4MQTT\4\x20"),
         "offset=9 field=connect_body.options: options of a will that is not there"},
        {BYTES("\x10\x0c\0\4MQTT\4\x40"),
         "offset=9 field=connect_body.options: a password without a user"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[160];
        (void)snprintf(expected, sizeof expected, "error %s\n", cases[i].expected);
        split_expect(&packet, cases[i].input, expected);
    }
}

static void what_is_no_packet_is_not_written(void **state)
{
    (void)state;
    uint8_t room[64];
    struct cdx_out out = {room, room + sizeof room};
    struct mqtt_packet none = {.head = 0x36};
    assert_int_equal(mqtt_packet_encode(&out, &none), CDX_INVALID);
    none.head = MQTT_HEAD_PUBLISHED; /* its id is 0 */
    assert_int_equal(mqtt_packet_encode(&out, &none), CDX_INVALID);
    none.head = MQTT_HEAD_CONNECT;
    none.content.connect_body.options = MQTT_OPTIONS_PASSWORD;
    assert_int_equal(mqtt_packet_encode(&out, &none), CDX_INVALID);
    assert_ptr_equal(out.next, room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured_packets_are_of_all_types_and_written_as_they_came),
        cmocka_unit_test(captured_packets_are_read_however_they_are_cut),
        cmocka_unit_test(what_is_no_packet_is_refused),
        cmocka_unit_test(what_is_no_packet_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
