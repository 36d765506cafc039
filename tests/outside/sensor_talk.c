/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sensor in another process, over a socket pair: it is given orders and answers each with a
 * report. 0: all of it was understood.
 */
#include <caudex/sensor.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void send_all(int fd, const uint8_t *bytes, size_t n)
{
    REQUIRE(send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n);
}

/* ---- the sensor ---- */

static void report(int fd, const struct sensor_order *order)
{
    uint8_t values[64];
    struct cdx_out value = {values, values + sizeof values};
    for (uint32_t i = 0; i < 3; i++) {
        const struct sensor_sample sample = {i * order->every, 2150 - 3000 * (int32_t)i};
        REQUIRE(sensor_sample_encode(&value, &sample) == CDX_OK);
    }
    const struct sensor_report m = {
        .measured = {.name = CDX_STR("roof"),
                     .quality = SENSOR_QUALITY_SURE | SENSOR_QUALITY_PLACED,
                     .place = 1234567,
                     .samples = {cdx_bytes_of(values, (size_t)(value.next - values)), 3},
                     .note = order->verb}};
    struct sensor_report_encoder encoder;
    REQUIRE(sensor_report_encode_start(&encoder, &m) == CDX_OK);
    enum cdx_status status = CDX_MORE;
    while (status == CDX_MORE) { /* in pieces, so that the reader's input is cut */
        uint8_t chunk[5];
        struct cdx_out out = {chunk, chunk + sizeof chunk};
        status = sensor_report_encode_next(&encoder, &out);
        send_all(fd, chunk, (size_t)(out.next - chunk));
    }
    REQUIRE(status == CDX_OK);
}

static int run_sensor(int fd)
{
    struct sensor_order_parser parser;
    struct cdx_spill spill;
    enum cdx_status status = CDX_MORE;
    uint8_t input[3];
    ssize_t n;
    sensor_order_parser_init(&parser);
    cdx_spill_init(&spill);
    while (status == CDX_MORE && (n = read(fd, input, sizeof input)) > 0) {
        const uint8_t *next = input;
        struct sensor_order order;
        while ((status = sensor_order_feed(&parser, &spill, &next, input + n, &order)) == CDX_OK)
            report(fd, &order);
    }
    if (status == CDX_MALFORMED) {
        struct cdx_parse_error error;
        sensor_order_error(&parser, &error);
        printf("offset %llu, %s: %s\n", (unsigned long long)error.offset, error.field,
               error.reason);
    }
    cdx_spill_free(&spill);
    return status == CDX_MALFORMED ? 0 : 1; /* the last order is none */
}

/* ---- whoever asks it ---- */

static void order(int fd, struct cdx_bytes verb, uint32_t every)
{
    const struct sensor_order m = {verb, every};
    uint8_t bytes[64];
    struct cdx_out out = {bytes, bytes + sizeof bytes};
    REQUIRE(sensor_order_encode(&out, &m) == CDX_OK);
    send_all(fd, bytes, (size_t)(out.next - bytes));
}

static void check_report(const struct sensor_report *m, struct cdx_bytes verb, uint32_t every)
{
    struct cdx_list samples = m->measured.samples;
    struct sensor_sample sample;
    uint32_t i = 0;
    REQUIRE(cdx_bytes_equal(m->measured.name, CDX_STR("roof")));
    REQUIRE(m->measured.place == 1234567 && m->measured.count == 3);
    REQUIRE(cdx_bytes_equal(m->measured.note, verb));
    for (; sensor_sample_next(&samples, &sample) == CDX_OK; i++)
        REQUIRE(sample.after == i * every && sample.value == 2150 - 3000 * (int32_t)i);
    REQUIRE(i == 3);
}

static void await_report(int fd, struct sensor_report_parser *parser, struct cdx_spill *spill,
                         struct cdx_bytes verb, uint32_t every)
{
    struct sensor_report m;
    enum cdx_status status = CDX_MORE;
    while (status == CDX_MORE) {
        uint8_t input[4];
        const ssize_t n = read(fd, input, sizeof input);
        const uint8_t *next = input;
        REQUIRE(n > 0);
        status = sensor_report_feed(parser, spill, &next, input + n, &m);
        if (status == CDX_OK)
            check_report(&m, verb, every);
    }
    REQUIRE(status == CDX_OK && sensor_report_is_between(parser));
}

static void talk(int fd)
{
    struct sensor_report_parser parser;
    struct cdx_spill spill;
    sensor_report_parser_init(&parser);
    cdx_spill_init(&spill);
    /* One at a time, so that no report begins in the input that ends another. */
    order(fd, CDX_STR("measure"), 100);
    await_report(fd, &parser, &spill, CDX_STR("measure"), 100);
    order(fd, CDX_STR("hurry"), 7);
    await_report(fd, &parser, &spill, CDX_STR("hurry"), 7);
    send_all(fd, (const uint8_t *)"rest 0\r\n", 8);
    cdx_spill_free(&spill);
}

int main(void)
{
    int fds[2];
    int status;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    const pid_t sensor = fork();
    REQUIRE(sensor >= 0);
    if (sensor == 0)
        return run_sensor(fds[1]);
    close(fds[1]);
    talk(fds[0]);
    REQUIRE(waitpid(sensor, &status, 0) == sensor && status == 0);
    return 0;
}
