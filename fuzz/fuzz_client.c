/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzing the client's core with the generated calls of kv: whatever is called, and
 * whatever the peer sends, every request ends exactly once.
 *
 *     input   op arguments… | op arguments… | …
 *
 * Operations send any call, cancel, let time pass, take output, feed bytes as they are or a
 * frame made of the input; callbacks do some of this too. The invariant holds after every step.
 */
#include <caudex/kv_client.h>

#include <stdlib.h>

/** Requests of one run; more only cost time. */
#define REQUESTS_MAX 64u
/** Callbacks that act, of one run: they must not keep each other going for ever. */
#define ACTIONS_MAX 32u
/** Bytes fed or used as a field at once. */
#define PIECE_NBYTES_MAX 32u

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run;

struct request {
    struct run *run;
    uint32_t rid;
    unsigned finals;
};

struct run {
    struct cdx_core *core;
    const uint8_t *next;
    const uint8_t *end;
    uint64_t now_ms;
    unsigned actions;
    unsigned unasked;
    size_t count;
    struct request requests[REQUESTS_MAX];
};

static uint8_t take_byte(struct run *run)
{
    return run->next != run->end ? *run->next++ : 0;
}

static struct cdx_bytes take_piece(struct run *run)
{
    const size_t left = (size_t)(run->end - run->next);
    size_t n = take_byte(run) % (PIECE_NBYTES_MAX + 1);
    if (left == 0)
        return cdx_empty();
    if (n > left - 1)
        n = left - 1;
    run->next += n;
    return cdx_bytes_of(run->next - n, n);
}

static uint32_t any_rid(struct run *run)
{
    const uint8_t choice = take_byte(run);
    return run->count != 0 ? run->requests[choice % run->count].rid : choice;
}

static void send_any(struct run *run);

static void act(struct run *run)
{
    if (run->actions++ >= ACTIONS_MAX)
        return;
    switch (take_byte(run) % 16) {
    case 0:
        send_any(run);
        break;
    case 1:
        (void)cdx_core_cancel(run->core, any_rid(run));
        break;
    case 2:
        cdx_core_pause(run->core);
        break;
    case 3:
        cdx_core_close(run->core, CDX_CLOSED);
        break;
    default:
        break;
    }
}

static void read_all(struct cdx_bytes bytes)
{
    static volatile uint8_t sum;
    for (size_t i = 0; i < bytes.len; i++)
        sum = (uint8_t)(sum + bytes.data[i]);
}

static void on_reply(void *arg, enum cdx_status status, const struct kv_reply *reply)
{
    struct request *request = (struct request *)arg;
    REQUIRE((reply != NULL) == (status == CDX_OK));
    REQUIRE(request->finals == 0 && cdx_core_is_inside(request->run->core));
    if (reply != NULL) {
        REQUIRE(reply->rid == request->rid && kv_status_name(reply->status) != NULL);
        read_all(reply->key);
        read_all(reply->val);
    }
    request->finals += reply == NULL || reply->is_last;
    act(request->run);
}

static void on_unasked(void *arg, enum cdx_status status, const struct kv_reply *reply)
{
    struct run *run = (struct run *)arg;
    REQUIRE(status == CDX_OK && reply->rid == 0);
    REQUIRE(cdx_core_notice(run->core)[0] != '\0');
    run->unasked++;
    act(run);
}

static enum cdx_status send_typed(struct run *run, struct request *r)
{
    const struct cdx_bytes key = take_piece(run);
    const struct kv_list_args list = {.limit = 1, .content = take_byte(run) % 3, .after = key};
    const struct kv_children_args children = {.after = key};
    const struct kv_hello_args hello = {.major = 1, .agent = key};
    switch (take_byte(run) % 8) {
    case 0:
        return kv_hello_send(run->core, &hello, on_reply, r, &r->rid);
    case 1:
        return kv_list_send(run->core, key, &list, on_reply, r, &r->rid);
    case 2:
        return kv_children_send(run->core, key, &children, on_reply, r, &r->rid);
    case 3:
        return kv_put_send(run->core, key, key, on_reply, r, &r->rid);
    case 4:
        return kv_stats_send(run->core, on_reply, r, &r->rid);
    case 5:
        return kv_gets_send(run->core, key, on_reply, r, &r->rid);
    default:
        return kv_match_send(run->core, key, on_reply, r, &r->rid);
    }
}

static void send_any(struct run *run)
{
    if (run->count == REQUESTS_MAX)
        return;
    struct request *r = &run->requests[run->count];
    *r = (struct request){.run = run};
    cdx_core_set_timeout(run->core, take_byte(run));
    const size_t before = cdx_core_open_count(run->core);
    const enum cdx_status status = send_typed(run, r);
    REQUIRE(cdx_core_open_count(run->core) == before + (status == CDX_OK));
    run->count += status == CDX_OK;
}

/* The bytes are destroyed afterwards: the core must have kept what it needs. */
static void feed(struct run *run, const uint8_t *bytes, size_t n)
{
    uint8_t *copy = (uint8_t *)malloc(n != 0 ? n : 1);
    REQUIRE(copy != NULL);
    if (n != 0)
        memcpy(copy, bytes, n);
    const uint8_t *next = copy;
    enum cdx_status status;
    do {
        const uint8_t *const before = next;
        status = cdx_core_input(run->core, &next, copy + n);
        REQUIRE(status != CDX_OK || next == copy + n || next != before);
    } while (status == CDX_OK && next != copy + n);
    REQUIRE(status == cdx_core_status(run->core));
    free(copy);
}

static void feed_frame(struct run *run)
{
    static const uint8_t statuses[] = {0x00, 0x00, 0x01, 0x01, 0x10, 0x11, 0x20, 0x21, 0x25};
    uint8_t frame[KV_RESPONSE_HEAD_NBYTES + 2 * PIECE_NBYTES_MAX];
    struct cdx_out out = {.next = frame, .end = frame + sizeof frame};
    const uint8_t status = statuses[take_byte(run) % sizeof statuses];
    const uint32_t rid = take_byte(run) % 16 == 0 ? 0 : any_rid(run);
    const struct cdx_bytes key = take_piece(run);
    const struct cdx_bytes val = take_piece(run);
    REQUIRE(kv_response_encode(&out, status, rid, key, val) == CDX_OK);
    const size_t len = (size_t)(out.next - frame);
    const size_t cut = take_byte(run) % (len + 1);
    feed(run, frame, cut);
    feed(run, frame + cut, len - cut);
}

static void send_output(struct run *run)
{
    struct cdx_bytes views[4];
    const size_t count = cdx_core_output(run->core, views, 1 + take_byte(run) % 4);
    size_t nbytes = 0;
    for (size_t i = 0; i < count; i++) {
        read_all(views[i]);
        nbytes += views[i].len;
    }
    REQUIRE(nbytes <= cdx_core_output_nbytes(run->core));
    cdx_core_output_sent(run->core, nbytes != 0 ? take_byte(run) % (nbytes + 1) : 0);
}

static void step(struct run *run)
{
    struct cdx_bytes piece;
    switch (take_byte(run) % 8) {
    case 0:
    case 1:
        send_any(run);
        break;
    case 2:
        (void)cdx_core_cancel(run->core, any_rid(run));
        break;
    case 3:
        run->now_ms += take_byte(run);
        cdx_core_expire(run->core, run->now_ms);
        REQUIRE(cdx_core_next_deadline(run->core) > run->now_ms);
        break;
    case 4:
        send_output(run);
        break;
    case 5:
        piece = take_piece(run);
        feed(run, piece.data, piece.len);
        break;
    default:
        feed_frame(run);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;
    run = (struct run){.next = data, .end = data + size};
    const struct cdx_client_options options = {
        .window = 24, .output_nbytes = 400, .first_rid = UINT32_MAX - take_byte(&run) % 16};
    REQUIRE(cdx_core_create(&kv_client_protocol, &options, &run.core) == CDX_OK);
    kv_client_on_unasked(run.core, on_unasked, &run);
    while (run.next != run.end) {
        step(&run);
        REQUIRE(cdx_core_check(run.core) == NULL);
    }
    size_t open = 0;
    for (size_t i = 0; i < run.count; i++)
        open += run.requests[i].finals == 0;
    REQUIRE(open == cdx_core_open_count(run.core));
    run.actions = ACTIONS_MAX; /* the story is over */
    cdx_core_destroy(run.core);
    for (size_t i = 0; i < run.count; i++)
        REQUIRE(run.requests[i].finals == 1);
    return 0;
}
