/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes that are gathered and sent as one batch. The happy path is: encode
 * each as the request that it would be alone, note where it came from, send
 * all as one value. It can fail because the batch outgrows the protocol, or
 * memory ends, while it is gathered; and as a whole when it is sent.
 */
#include "cli_ops.h"

#include <inttypes.h>

/* What is known of one request of the batch. */
struct place {
    uint64_t line;
    size_t key_at; /* in keys */
    size_t key_len;
};

void cli_ops_init(struct cli_ops *ops)
{
    *ops = (struct cli_ops){0};
}

void cli_ops_free(struct cli_ops *ops)
{
    cli_buf_free(&ops->frames);
    cli_buf_free(&ops->places);
    cli_buf_free(&ops->keys);
    cli_ops_init(ops);
}

/* ---- gathering ---- */

/* Room for one more request; `next` is NULL, with the message, when there is none. */
static struct cdx_out begin(struct cli_ops *ops, size_t nbytes, struct cli_failure *failure)
{
    uint8_t *room = NULL;
    if (nbytes > KV_REQUESTS_NBYTES_MAX - ops->frames.len)
        cli_fail(failure, CLI_EXIT_LOCAL, "with this write the batch has more than %u bytes",
                 KV_REQUESTS_NBYTES_MAX);
    else if ((room = cli_buf_reserve(&ops->frames, nbytes)) == NULL)
        cli_fail(failure, CLI_EXIT_LOCAL, "out of memory for the batch");
    return (struct cdx_out){.next = room, .end = room != NULL ? room + nbytes : NULL};
}

/* The request has been encoded, with that outcome, as one of `key`. */
static enum cli_exit end(struct cli_ops *ops, const struct cdx_out *out, enum cdx_status encoded,
                         struct cdx_bytes key, struct cli_failure *failure)
{
    const struct place place = {.line = ops->line, .key_at = ops->keys.len, .key_len = key.len};
    if (encoded != CDX_OK)
        return cli_fail(failure, CLI_EXIT_LOCAL, "the write cannot be sent: %s",
                        cdx_status_text(encoded));
    cli_buf_add(&ops->keys, key.data, key.len);
    cli_buf_add(&ops->places, &place, sizeof place);
    if (ops->keys.failed || ops->places.failed)
        return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory for the batch");
    ops->frames.len = (size_t)(out->next - ops->frames.data);
    return CLI_EXIT_DONE;
}

/* A put, put_if or put_ttl, as the two conditions ask for. */
static enum cli_exit add_put(struct cli_ops *ops, struct cdx_bytes key, struct cdx_bytes value,
                             const uint64_t *expected, uint64_t ttl_ms, struct cli_failure *failure)
{
    const struct kv_put_if_args put_if = {.revision = expected != NULL ? *expected : 0,
                                          .value = value};
    const struct kv_put_ttl_args put_ttl = {.ttl_ms = ttl_ms, .value = value};
    enum cdx_status encoded;
    size_t nbytes = expected != NULL ? kv_put_if_request_size(key.len, &put_if)
                    : ttl_ms != 0    ? kv_put_ttl_request_size(key.len, &put_ttl)
                                     : kv_put_request_size(key.len, value.len);
    struct cdx_out out = begin(ops, nbytes, failure);
    if (out.next == NULL)
        return failure->exit;
    if (expected != NULL)
        encoded = kv_put_if_request_encode(&out, 0, key, &put_if);
    else if (ttl_ms != 0)
        encoded = kv_put_ttl_request_encode(&out, 0, key, &put_ttl);
    else
        encoded = kv_put_request_encode(&out, 0, key, value);
    return end(ops, &out, encoded, key, failure);
}

/* A delete or a drop. */
static enum cli_exit add_removal(struct cli_ops *ops, uint8_t call, struct cdx_bytes key,
                                 struct cli_failure *failure)
{
    struct cdx_out out = begin(ops, kv_request_size(key.len, 0), failure);
    if (out.next == NULL)
        return failure->exit;
    enum cdx_status encoded = kv_request_encode(&out, call, 0, key, cdx_empty());
    return end(ops, &out, encoded, key, failure);
}

enum cli_exit cli_ops_put(struct cli_ops *ops, struct cdx_bytes key, struct cdx_bytes value,
                          const uint64_t *expected, uint64_t ttl_ms, struct cli_failure *failure)
{
    enum cli_exit exit = CLI_EXIT_DONE;
    if (expected != NULL && ttl_ms != 0) {
        exit = add_put(ops, key, cdx_empty(), expected, 0, failure);
        expected = NULL;
    }
    if (exit == CLI_EXIT_DONE)
        exit = add_put(ops, key, value, expected, ttl_ms, failure);
    ops->count += exit == CLI_EXIT_DONE;
    return exit;
}

enum cli_exit cli_ops_delete(struct cli_ops *ops, struct cdx_bytes key, const uint64_t *expected,
                             struct cli_failure *failure)
{
    enum cli_exit exit = CLI_EXIT_DONE;
    if (expected != NULL)
        exit = add_put(ops, key, cdx_empty(), expected, 0, failure);
    if (exit == CLI_EXIT_DONE)
        exit = add_removal(ops, KV_CALL_DELETE, key, failure);
    ops->count += exit == CLI_EXIT_DONE;
    return exit;
}

enum cli_exit cli_ops_drop(struct cli_ops *ops, struct cdx_bytes key, struct cli_failure *failure)
{
    enum cli_exit exit = add_removal(ops, KV_CALL_DROP, key, failure);
    ops->count += exit == CLI_EXIT_DONE;
    return exit;
}

/* ---- sending ---- */

static size_t request_count(const struct cli_ops *ops)
{
    return ops->places.len / sizeof(struct place);
}

/* Tells which write it was; a server that names none of ours breaks the protocol. */
static enum cli_exit find_place(struct cli *cli, const struct cli_ops *ops, uint32_t index,
                                struct cli_ops_answer *answer, struct cli_failure *failure)
{
    struct place place;
    if (index >= request_count(ops)) {
        cli_disconnect(cli);
        return cli_fail(failure, CLI_EXIT_REFUSED,
                        "the server's answer is about write %" PRIu64 " of a batch of %zu",
                        (uint64_t)index + 1, request_count(ops));
    }
    memcpy(&place, ops->places.data + index * sizeof place, sizeof place);
    answer->line = place.line;
    answer->key = place.key_len != 0 ? cdx_bytes_of(ops->keys.data + place.key_at, place.key_len)
                                     : cdx_empty();
    return CLI_EXIT_DONE;
}

static enum cli_exit batch_conflict(struct cli *cli, const struct cli_ops *ops,
                                    struct cdx_bytes body, struct cli_ops_answer *answer,
                                    struct cli_failure *failure)
{
    struct kv_mismatch mismatch;
    struct cdx_parse_error error;
    if (kv_mismatch_decode(body, &mismatch, &error) != CDX_OK)
        return cli_bad_body(cli, &error, failure);
    answer->revision = mismatch.revision;
    enum cli_exit exit = find_place(cli, ops, mismatch.index, answer, failure);
    return exit == CLI_EXIT_DONE ? CLI_EXIT_NO : exit;
}

static enum cli_exit batch_refused(struct cli *cli, const struct cli_ops *ops,
                                   struct cdx_bytes body, struct cli_ops_answer *answer,
                                   struct cli_failure *failure)
{
    struct kv_misfit misfit;
    struct cdx_parse_error error;
    if (kv_misfit_decode(body, &misfit, &error) != CDX_OK)
        return cli_bad_body(cli, &error, failure);
    enum cli_exit exit = find_place(cli, ops, misfit.index, answer, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    return cli_fail(failure, CLI_EXIT_REFUSED, "%s", cli_reason_text(misfit.reason));
}

enum cli_exit cli_ops_send(struct cli *cli, const struct cli_ops *ops,
                           struct cli_ops_answer *answer, struct cli_failure *failure)
{
    struct kv_response frame;
    struct kv_batched batched;
    struct cdx_parse_error error;
    *answer = (struct cli_ops_answer){0};
    enum cli_exit exit =
        cli_ask(cli, KV_CALL_BATCH, cdx_empty(), cli_buf_bytes(&ops->frames), &frame, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (frame.status == KV_STATUS_CONFLICT)
        return batch_conflict(cli, ops, frame.val, answer, failure);
    if (frame.status == KV_STATUS_REFUSED)
        return batch_refused(cli, ops, frame.val, answer, failure);
    if (kv_batched_decode(frame.val, &batched, &error) != CDX_OK)
        return cli_bad_body(cli, &error, failure);
    answer->revision = batched.revision;
    return CLI_EXIT_DONE;
}

const char *cli_ops_check(const struct cli_ops *ops)
{
    if (ops->places.len % sizeof(struct place) != 0)
        return "places are whole";
    if (request_count(ops) < ops->count)
        return "each write takes a request or two";
    if (ops->frames.len > KV_REQUESTS_NBYTES_MAX)
        return "the batch fits the protocol";
    return cli_buf_check(&ops->frames);
}
