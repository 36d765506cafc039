/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of a bench. The happy path is: the answers that arrived are
 * parsed, each against the request it must answer, and as many new requests
 * are sent straight from the tape. A run fails when the connection ends, when
 * bytes are no answer, or when an answer is not one to its request.
 */
#include "cli_bench_conn.h"

#include "cli_link.h"
#include "cli_progress.h"
#include "cli_text.h"
#include <caudex/heap.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

bool cli_bench_conn_init(struct cli_bench_conn *conn, int fd, uint32_t start, uint32_t pipeline,
                         const struct cli_bench_plan *plan)
{
    *conn = (struct cli_bench_conn){
        .fd = fd,
        .answer = start,
        .queued = start,
        .pipeline = pipeline,
        .sent_at = plan->offsets[start],
        .times = cdx_malloc(pipeline * sizeof *conn->times),
    };
    kv_response_parser_init(&conn->parser);
    cdx_spill_init(&conn->spill);
    if (conn->times != NULL)
        return true;
    close(fd);
    conn->fd = -1;
    return false;
}

void cli_bench_conn_free(struct cli_bench_conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
    cdx_free(conn->times);
    cdx_spill_free(&conn->spill);
}

static uint32_t next_index(const struct cli_bench_plan *plan, uint32_t index)
{
    return index + 1 == plan->count ? 0 : index + 1;
}

void cli_bench_conn_queue(struct cli_bench_conn *conn, const struct cli_bench_plan *plan,
                          uint64_t time_ns)
{
    uint32_t slot = conn->first + conn->open;
    conn->times[slot < conn->pipeline ? slot : slot - conn->pipeline] = time_ns;
    conn->unsent += plan->offsets[conn->queued + 1] - plan->offsets[conn->queued];
    conn->queued = next_index(plan, conn->queued);
    conn->open++;
}

/* ---- sending ---- */

enum cli_exit cli_bench_conn_send(struct cli_bench_conn *conn, struct cli_bench_share *share)
{
    size_t tape_len = share->plan->offsets[share->plan->count];
    while (conn->unsent != 0) {
        size_t piece = tape_len - conn->sent_at;
        piece = piece < conn->unsent ? piece : conn->unsent;
        ssize_t n = send(conn->fd, share->plan->tape + conn->sent_at, piece, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return CLI_EXIT_DONE;
        if (n < 0 && errno != EINTR)
            return cli_fail(share->failure, CLI_EXIT_UNREACHABLE,
                            "the connection ended while sending: %s", strerror(errno));
        if (n <= 0)
            continue;
        conn->unsent -= (size_t)n;
        conn->sent_at += (size_t)n;
        conn->sent_at = conn->sent_at == tape_len ? 0 : conn->sent_at;
        share->result->bytes_out += (uint64_t)n;
    }
    return CLI_EXIT_DONE;
}

/* ---- answers ---- */

static enum cli_exit unfit(struct cli_bench_share *share, uint8_t call,
                           const struct cli_bench_conn *conn, const struct kv_response *frame)
{
    struct cli_shown shown;
    const char *status = kv_status_name(frame->status);
    if (frame->rid == 0 || frame->rid == conn->answer)
        return cli_fail(share->failure, CLI_EXIT_REFUSED, "the server answered %s with %s: %s",
                        kv_call_name(call), status, cli_show(&shown, frame->val));
    return cli_fail(share->failure, CLI_EXIT_REFUSED,
                    "expected the answer to request %u, got one to %u", conn->answer, frame->rid);
}

/* Takes one frame, which must answer the oldest open request. */
static enum cli_exit take_frame(struct cli_bench_conn *conn, struct cli_bench_share *share,
                                const struct kv_response *frame, uint64_t now_ns)
{
    if (conn->open == 0)
        return cli_fail(share->failure, CLI_EXIT_REFUSED,
                        "the server sent %s although nothing was asked",
                        kv_status_name(frame->status));
    uint8_t kind = share->plan->kinds[conn->answer];
    uint8_t call = share->plan->calls[kind].call;
    struct cli_bench_kind *counts = &share->result->kinds[kind];
    if (frame->rid != conn->answer || !cli_status_fits(call, frame->status))
        return unfit(share, call, conn, frame);
    if (frame->status == KV_STATUS_ROW) {
        counts->rows++;
        return CLI_EXIT_DONE;
    }
    uint64_t sent_ns = conn->times[conn->first];
    cli_histogram_add(&counts->latency, now_ns > sent_ns ? now_ns - sent_ns : 0, 1);
    counts->statuses[frame->status]++;
    conn->first = conn->first + 1 == conn->pipeline ? 0 : conn->first + 1;
    conn->open--;
    conn->answer = next_index(share->plan, conn->answer);
    return CLI_EXIT_DONE;
}

static enum cli_exit malformed(struct cli_bench_conn *conn, struct cli_bench_share *share)
{
    struct cdx_parse_error error;
    kv_response_error(&conn->parser, &error);
    return cli_fail(share->failure, CLI_EXIT_REFUSED,
                    "the server's answer is not the protocol, at its byte %llu, %s: %s",
                    (unsigned long long)error.offset, error.field, error.reason);
}

static enum cli_exit take_bytes(struct cli_bench_conn *conn, struct cli_bench_share *share,
                                const uint8_t *next, const uint8_t *end)
{
    uint64_t now_ns = cli_now_ns();
    struct kv_response frame;
    for (;;) {
        enum cdx_status status = kv_response_feed(&conn->parser, &conn->spill, &next, end, &frame);
        if (status == CDX_MORE)
            return CLI_EXIT_DONE;
        if (status == CDX_NO_MEMORY)
            return cli_fail(share->failure, CLI_EXIT_LOCAL, "out of memory for an answer");
        if (status != CDX_OK)
            return malformed(conn, share);
        enum cli_exit exit = take_frame(conn, share, &frame, now_ns);
        if (exit != CLI_EXIT_DONE)
            return exit;
    }
}

enum cli_exit cli_bench_conn_receive(struct cli_bench_conn *conn, struct cli_bench_share *share,
                                     uint32_t *answered)
{
    uint32_t before = conn->open;
    ssize_t n = recv(conn->fd, share->input, CLI_BENCH_READ_NBYTES, 0);
    *answered = 0;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return CLI_EXIT_DONE;
    if (n < 0)
        return cli_fail(share->failure, CLI_EXIT_UNREACHABLE, "the connection ended: %s",
                        strerror(errno));
    if (n == 0)
        return cli_fail(share->failure, CLI_EXIT_UNREACHABLE, "the server closed the connection");
    share->result->bytes_in += (uint64_t)n;
    enum cli_exit exit = take_bytes(conn, share, share->input, share->input + n);
    *answered = before - conn->open;
    share->result->answers += *answered;
    return exit;
}

const char *cli_bench_conn_check(const struct cli_bench_conn *conn,
                                 const struct cli_bench_plan *plan)
{
    if (conn->open > conn->pipeline || conn->first >= conn->pipeline)
        return "the open requests fit in the ring";
    if (conn->answer >= plan->count || conn->queued >= plan->count)
        return "both indexes are on the tape";
    if ((conn->answer + (uint64_t)conn->open) % plan->count != conn->queued)
        return "queued is open requests behind answer";
    if ((conn->sent_at + conn->unsent) % plan->offsets[plan->count] != plan->offsets[conn->queued])
        return "the unsent bytes end where the next request begins";
    return NULL;
}
