/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection with a queue of requests and a stream of answers. The happy
 * path is: send, wait, receive, parse. While the peer takes nothing more, what
 * it sends is received all the same, so that neither side waits for the other.
 * It can fail because nothing comes in time, the connection ends, the bytes
 * are not the protocol, or memory ends; a link that has failed is closed by its owner.
 */
#include "cli_link.h"

#include "cli_interrupt.h"
#include "cli_progress.h"
#include "cli_socket.h"
#include "cli_text.h"
#include <caudex/heap.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

void cli_link_init(struct cli_link *link)
{
    *link = (struct cli_link){.fd = -1};
    cdx_spill_init(&link->spill);
}

enum cli_exit cli_link_open(struct cli_link *link, const char *server, uint64_t timeout_ns,
                            struct cli_failure *failure)
{
    link->input = cdx_malloc(CLI_LINK_READ_NBYTES);
    if (link->input == NULL)
        return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    link->next = link->input;
    link->end = link->input;
    link->timeout_ns = timeout_ns;
    kv_response_parser_init(&link->parser);
    enum cli_exit exit = cli_socket_connect(server, timeout_ns, &link->fd, failure);
    if (exit != CLI_EXIT_DONE)
        cli_link_close(link);
    return exit;
}

void cli_link_close(struct cli_link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    cdx_free(link->input);
    cli_buf_free(&link->out);
    cdx_spill_free(&link->spill);
    cli_link_init(link);
}

/* ---- queueing ---- */

struct cdx_out cli_link_room(struct cli_link *link, size_t nbytes)
{
    if (link->sent == link->out.len) {
        cli_buf_clear(&link->out);
        link->sent = 0;
    }
    uint8_t *room = cli_buf_reserve(&link->out, nbytes);
    return (struct cdx_out){.next = room, .end = room != NULL ? room + nbytes : NULL};
}

void cli_link_commit(struct cli_link *link, const struct cdx_out *out)
{
    link->out.len = (size_t)(out->next - link->out.data);
}

size_t cli_link_unsent(const struct cli_link *link)
{
    return link->out.len - link->sent;
}

/* ---- answers ---- */

static enum cli_exit malformed(const struct cli_link *link, struct cli_failure *failure)
{
    struct cdx_parse_error error;
    kv_response_error(&link->parser, &error);
    return cli_fail(failure, CLI_EXIT_REFUSED,
                    "what answers there does not speak Caudex's protocol: at its byte %llu, %s: %s",
                    (unsigned long long)error.offset, error.field, error.reason);
}

static bool has_rows(uint8_t call)
{
    return call == KV_CALL_MATCH_ALL || call == KV_CALL_LIST || call == KV_CALL_CHILDREN ||
           call == KV_CALL_SCAN || call == KV_CALL_STATS;
}

static bool may_find_nothing(uint8_t call)
{
    switch (call) {
    case KV_CALL_GET:
    case KV_CALL_GETS:
    case KV_CALL_TTL:
    case KV_CALL_MATCH:
    case KV_CALL_MATCH_BYTES:
    case KV_CALL_DELETE:
    case KV_CALL_TOUCH:
    case KV_CALL_STAGE_PUT:
    case KV_CALL_SWAP:
    case KV_CALL_UNSTAGE:
        return true;
    default:
        return false;
    }
}

static bool may_lack_memory(uint8_t call)
{
    switch (call) {
    case KV_CALL_PUT:
    case KV_CALL_PUT_IF:
    case KV_CALL_PUT_TTL:
    case KV_CALL_DELETE:
    case KV_CALL_DROP:
    case KV_CALL_TOUCH:
    case KV_CALL_BATCH:
    case KV_CALL_STAGE:
    case KV_CALL_STAGE_PUT:
    case KV_CALL_SWAP:
    case KV_CALL_UNSTAGE:
        return true;
    default:
        return false;
    }
}

bool cli_status_fits(uint8_t call, uint8_t status)
{
    switch (status) {
    case KV_STATUS_OK:
        return true;
    case KV_STATUS_ROW:
        return has_rows(call);
    case KV_STATUS_NOT_FOUND:
        return may_find_nothing(call);
    case KV_STATUS_CONFLICT:
        return call == KV_CALL_PUT_IF || call == KV_CALL_BATCH;
    case KV_STATUS_REFUSED:
        return call == KV_CALL_BATCH || call == KV_CALL_STAGE || call == KV_CALL_STAGE_PUT;
    case KV_STATUS_UNSUPPORTED:
        return call == KV_CALL_HELLO;
    case KV_STATUS_NO_MEMORY:
        return may_lack_memory(call);
    default:
        return false;
    }
}

bool cli_link_take(struct cli_link *link, struct kv_response *frame, enum cli_exit *exit,
                   struct cli_failure *failure)
{
    enum cdx_status status =
        kv_response_feed(&link->parser, &link->spill, &link->next, link->end, frame);
    if (status == CDX_MORE)
        return false;
    if (status == CDX_OK)
        *exit = CLI_EXIT_DONE;
    else if (status == CDX_NO_MEMORY)
        *exit = cli_fail(failure, CLI_EXIT_LOCAL, "out of memory for an answer");
    else
        *exit = malformed(link, failure);
    return true;
}

static enum cli_exit ended(int error, struct cli_failure *failure)
{
    return cli_fail(failure, CLI_EXIT_UNREACHABLE, "the connection to the server ended: %s",
                    error != 0 ? strerror(error) : "it was closed without an answer");
}

/* Sends what the system takes at once. */
static enum cli_exit send_some(struct cli_link *link, struct cli_failure *failure)
{
    while (link->sent != link->out.len) {
        ssize_t n =
            send(link->fd, link->out.data + link->sent, link->out.len - link->sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return CLI_EXIT_DONE;
        if (n < 0 && errno == EPIPE)
            return CLI_EXIT_DONE; /* the peer may have said why: read that first */
        if (n < 0 && errno != EINTR)
            return ended(errno, failure);
        link->sent += n > 0 ? (size_t)n : 0;
    }
    return CLI_EXIT_DONE;
}

/* Receives once; `*any` says whether bytes came. */
static enum cli_exit receive_some(struct cli_link *link, bool *any, struct cli_failure *failure)
{
    ssize_t n = recv(link->fd, link->input, CLI_LINK_READ_NBYTES, 0);
    *any = n > 0;
    if (n == 0)
        return ended(0, failure);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return CLI_EXIT_DONE;
    if (n < 0)
        return ended(errno, failure);
    link->next = link->input;
    link->end = link->input + n;
    return CLI_EXIT_DONE;
}

/* Sleeps until something can be received, or sent if anything is unsent. */
static enum cli_exit wait_some(const struct cli_link *link, uint64_t deadline_ns,
                               struct cli_failure *failure)
{
    short events = (short)(POLLIN | (cli_link_unsent(link) != 0 ? POLLOUT : 0));
    int waited = cli_wait(link->fd, events, deadline_ns);
    if (waited < 0)
        return cli_fail(failure, CLI_EXIT_INTERRUPTED, "interrupted");
    if (waited == 0)
        return cli_fail(failure, CLI_EXIT_UNREACHABLE,
                        "no answer in time; the request may or may not have been carried out");
    return CLI_EXIT_DONE;
}

enum cli_exit cli_link_next(struct cli_link *link, struct kv_response *frame,
                            struct cli_failure *failure)
{
    uint64_t deadline_ns = cli_now_ns() + link->timeout_ns;
    enum cli_exit exit = CLI_EXIT_DONE;
    while (!cli_link_take(link, frame, &exit, failure)) {
        size_t unsent = cli_link_unsent(link);
        bool any = false;
        exit = send_some(link, failure);
        if (exit != CLI_EXIT_DONE)
            return exit;
        exit = receive_some(link, &any, failure);
        if (exit != CLI_EXIT_DONE)
            return exit;
        if (any || cli_link_unsent(link) != unsent)
            deadline_ns = cli_now_ns() + link->timeout_ns;
        if (any)
            continue;
        exit = wait_some(link, deadline_ns, failure);
        if (exit != CLI_EXIT_DONE)
            return exit;
    }
    return exit;
}

bool cli_link_is_stale(const struct cli_link *link)
{
    struct pollfd look = {.fd = link->fd, .events = POLLIN};
    return link->fd >= 0 && poll(&look, 1, 0) != 0;
}

const char *cli_reason_text(uint8_t reason)
{
    switch (reason) {
    case KV_REASON_TOO_MANY:
        return "with this write the batch has more than the server takes";
    case KV_REASON_OCCUPIED:
        return "the server is about to swap other keys at, above or below this one, or as many as "
               "it takes at a time";
    case KV_REASON_OUTSIDE:
        return "the key is neither the one to be swapped nor below it";
    case KV_REASON_SLASH:
        return "the key of a swap must not end in '/'";
    default:
        return "the server does not take this write in a batch";
    }
}

enum cli_exit cli_link_refused(const struct kv_response *frame, struct cli_failure *failure)
{
    struct cli_shown shown;
    struct kv_refusal refusal;
    struct cdx_parse_error error;
    const char *name = kv_status_name(frame->status);
    if (frame->status == KV_STATUS_NO_MEMORY)
        return cli_fail(failure, CLI_EXIT_REFUSED, "the server has no memory for this write");
    if (frame->status == KV_STATUS_REFUSED &&
        kv_refusal_decode(frame->val, &refusal, &error) == CDX_OK)
        return cli_fail(failure, CLI_EXIT_REFUSED, "%s", cli_reason_text(refusal.reason));
    if (frame->val.len != 0)
        return cli_fail(failure, CLI_EXIT_REFUSED, "the server answered %s: %s",
                        name != NULL ? name : "an unknown status", cli_show(&shown, frame->val));
    return cli_fail(failure, CLI_EXIT_REFUSED, "the server answered %s",
                    name != NULL ? name : "an unknown status");
}

const char *cli_link_check(const struct cli_link *link)
{
    if (link->sent > link->out.len)
        return "sent is at most what is queued";
    if ((link->fd >= 0) != (link->input != NULL))
        return "an open link has an input buffer";
    if (link->fd < 0)
        return NULL;
    if (link->next < link->input || link->next > link->end ||
        link->end > link->input + CLI_LINK_READ_NBYTES)
        return "next is at most end, and both lie in input";
    return kv_response_parser_check(&link->parser, &link->spill);
}
