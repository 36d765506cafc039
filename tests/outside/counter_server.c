/* SPDX-License-Identifier: Apache-2.0 */
#include "counter_server.h"
#include <caudex/counter_dispatch.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNTERS_MAX 8

struct counter {
    char name[COUNTER_NAME_NBYTES_MAX];
    size_t name_len;
    uint64_t sum;
};

/* What the functions of the calls work on; `status` is of what they have written. */
struct service {
    struct counter counters[COUNTERS_MAX];
    size_t count;
    uint8_t answers[4096];
    struct cdx_out out;
    enum cdx_status status;
};

static struct cdx_bytes name_of(const struct counter *counter)
{
    return cdx_bytes_of(counter->name, counter->name_len);
}

static struct counter *find(struct service *service, struct cdx_bytes name)
{
    for (size_t i = 0; i < service->count; i++)
        if (cdx_bytes_equal(name_of(&service->counters[i]), name))
            return &service->counters[i];
    return NULL;
}

static struct counter *make(struct service *service, struct cdx_bytes name)
{
    if (service->count == COUNTERS_MAX)
        return NULL;
    struct counter *counter = &service->counters[service->count++];
    memcpy(counter->name, name.data, name.len);
    counter->name_len = name.len;
    counter->sum = 0;
    return counter;
}

/* ---- the calls ---- */

static void add(void *context, const struct counter_request *request)
{
    struct service *service = context;
    struct counter *counter = find(service, request->name);
    if (counter == NULL)
        counter = make(service, request->name);
    if (counter == NULL) {
        service->status = CDX_FULL;
        return;
    }
    counter->sum += request->body.add.by;
    const struct counter_total total = {counter->sum};
    service->status = counter_add_ok_encode(&service->out, request->rid, &total);
}

static void get(void *context, const struct counter_request *request)
{
    struct service *service = context;
    const struct counter *counter = find(service, request->name);
    if (counter == NULL) {
        service->status =
            counter_get_unknown_encode(&service->out, request->rid, CDX_STR("no such counter"));
        return;
    }
    const struct counter_total total = {counter->sum};
    service->status = counter_get_ok_encode(&service->out, request->rid, &total);
}

static void list(void *context, const struct counter_request *request)
{
    struct service *service = context;
    for (size_t i = 0; i < service->count && service->status == CDX_OK; i++) {
        const struct counter_total total = {service->counters[i].sum};
        service->status = counter_list_row_encode(&service->out, request->rid,
                                                  name_of(&service->counters[i]), &total);
    }
    if (service->status == CDX_OK)
        service->status = counter_list_ok_encode(&service->out, request->rid);
}

static const struct counter_handlers handlers = {.add = add, .get = get, .list = list};

/* ---- connections ---- */

static bool send_answers(struct service *service, int fd)
{
    const uint8_t *next = service->answers;
    while (next < service->out.next) {
        const ssize_t n = send(fd, next, (size_t)(service->out.next - next), MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        next += n;
    }
    return true;
}

/* Answers all requests that `n` bytes of input bring; CDX_MORE when more input is wanted. */
static enum cdx_status answer(struct service *service, struct counter_request_parser *parser,
                              struct cdx_spill *spill, const uint8_t *input, size_t n)
{
    const uint8_t *next = input;
    for (;;) {
        struct counter_request request;
        const enum cdx_status status =
            counter_request_feed(parser, spill, &next, input + n, &request);
        if (status != CDX_OK)
            return status;
        counter_dispatch(&handlers, service, &request);
        if (service->status != CDX_OK)
            return service->status;
    }
}

static enum cdx_status serve_one(struct service *service, int fd)
{
    struct counter_request_parser parser;
    struct cdx_spill spill;
    enum cdx_status status = CDX_MORE;
    uint8_t input[7]; /* small, so that frames are cut */
    ssize_t n;
    counter_request_parser_init(&parser);
    cdx_spill_init(&spill);
    while (status == CDX_MORE && (n = read(fd, input, sizeof input)) > 0) {
        service->status = CDX_OK;
        service->out =
            (struct cdx_out){service->answers, service->answers + sizeof service->answers};
        status = answer(service, &parser, &spill, input, (size_t)n);
        if (status == CDX_MORE && !send_answers(service, fd))
            status = CDX_SYSTEM;
    }
    if (status == CDX_MORE && !counter_request_is_between(&parser))
        status = CDX_CLOSED;
    cdx_spill_free(&spill);
    return status;
}

int counter_serve(int listener, int connections)
{
    struct service service = {.count = 0};
    for (int i = 0; i < connections; i++) {
        const int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            return 1;
        const enum cdx_status status = serve_one(&service, fd);
        close(fd);
        if (status != CDX_MORE) {
            fprintf(stderr, "counter_serve: %s\n", cdx_status_text(status));
            return 1;
        }
    }
    return 0;
}
