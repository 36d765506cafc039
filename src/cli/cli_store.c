/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many puts under way. The happy path is: queue until the window is full,
 * then send all, wait for one read's worth of answers, take them all, go on.
 * A refused row is the caller's to judge; a connection that ends, or an
 * answer that does not fit, ends the storing.
 */
#include "cli_store.h"

#include <caudex/heap.h>

bool cli_store_init(struct cli_store *store, struct cli_link *link, uint32_t window,
                    size_t mark_nbytes, cli_stored_fn *stored, void *arg)
{
    *store = (struct cli_store){
        .link = link,
        .stored = stored,
        .arg = arg,
        .mark_nbytes = mark_nbytes,
        .ring = cdx_calloc(window, mark_nbytes),
        .window = window,
    };
    return store->ring != NULL;
}

void cli_store_free(struct cli_store *store)
{
    cdx_free(store->ring);
    store->ring = NULL;
}

/* RIDs go round from 1: 0 marks frames that answer no request. */
static uint32_t rid_of(uint64_t number)
{
    return (uint32_t)(number % INT32_MAX) + 1;
}

/* Takes one answer, which must be the oldest open put's. */
static enum cli_exit take_answer(struct cli_store *store, const struct kv_response *frame,
                                 struct cli_failure *failure)
{
    uint32_t rid = rid_of(store->number);
    bool refused = frame->status == KV_STATUS_NO_MEMORY ||
                   (frame->status == KV_STATUS_REFUSED && store->stage != 0);
    enum cli_exit outcome = CLI_EXIT_DONE;
    if (store->open == 0 || (frame->rid != rid && frame->rid != 0))
        return cli_fail(failure, CLI_EXIT_REFUSED,
                        "expected the answer to request %u, got one to %u", rid, frame->rid);
    if (frame->rid == 0 || (frame->status != KV_STATUS_OK && !refused))
        return cli_link_refused(frame, failure);
    if (refused)
        outcome = cli_link_refused(frame, failure);
    const uint8_t *mark = store->ring + store->first * store->mark_nbytes;
    store->first = store->first + 1 == store->window ? 0 : store->first + 1;
    store->open--;
    store->number++;
    return store->stored(store->arg, mark, outcome, failure);
}

/* Waits for an answer and takes it and all others that came with it. */
static enum cli_exit take_some(struct cli_store *store, struct cli_failure *failure)
{
    struct kv_response frame;
    enum cli_exit exit = cli_link_next(store->link, &frame, failure);
    if (exit == CLI_EXIT_DONE)
        exit = take_answer(store, &frame, failure);
    while (exit == CLI_EXIT_DONE && cli_link_take(store->link, &frame, &exit, failure))
        if (exit == CLI_EXIT_DONE)
            exit = take_answer(store, &frame, failure);
    return exit;
}

static bool has_room(const struct cli_store *store)
{
    return store->open < store->window &&
           (store->open == 0 || cli_link_unsent(store->link) < CLI_STORE_UNSENT_NBYTES_MAX);
}

/* Queues the request: a put, put_ttl or stage_put. CDX_OK, or what the encoder says. */
static enum cdx_status queue_put(struct cli_store *store, struct cdx_bytes key,
                                 struct cdx_bytes value)
{
    const struct kv_put_ttl_args put_ttl = {.ttl_ms = store->ttl_ms, .value = value};
    const struct kv_stage_put_args stage_put = {
        .stage = store->stage, .ttl_ms = store->ttl_ms, .value = value};
    uint32_t rid = rid_of(store->number + store->open);
    enum cdx_status status;
    size_t nbytes = store->stage != 0    ? kv_stage_put_request_size(key.len, &stage_put)
                    : store->ttl_ms != 0 ? kv_put_ttl_request_size(key.len, &put_ttl)
                                         : kv_put_request_size(key.len, value.len);
    struct cdx_out out = cli_link_room(store->link, nbytes);
    if (out.next == NULL)
        return CDX_NO_MEMORY;
    if (store->stage != 0)
        status = kv_stage_put_request_encode(&out, rid, key, &stage_put);
    else if (store->ttl_ms != 0)
        status = kv_put_ttl_request_encode(&out, rid, key, &put_ttl);
    else
        status = kv_put_request_encode(&out, rid, key, value);
    if (status == CDX_OK)
        cli_link_commit(store->link, &out);
    return status;
}

enum cli_exit cli_store_put(struct cli_store *store, struct cdx_bytes key, struct cdx_bytes value,
                            const void *mark, struct cli_failure *failure)
{
    while (!has_room(store)) {
        enum cli_exit exit = take_some(store, failure);
        if (exit != CLI_EXIT_DONE)
            return exit;
    }
    enum cdx_status status = queue_put(store, key, value);
    if (status == CDX_NO_MEMORY)
        return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory for the request");
    if (status != CDX_OK)
        return cli_fail(failure, CLI_EXIT_LOCAL, "the row cannot be sent: %s",
                        cdx_status_text(status));
    uint32_t slot = store->first + store->open;
    slot = slot < store->window ? slot : slot - store->window;
    memcpy(store->ring + slot * store->mark_nbytes, mark, store->mark_nbytes);
    store->open++;
    return CLI_EXIT_DONE;
}

enum cli_exit cli_store_finish(struct cli_store *store, struct cli_failure *failure)
{
    enum cli_exit exit = CLI_EXIT_DONE;
    while (exit == CLI_EXIT_DONE && store->open != 0)
        exit = take_some(store, failure);
    return exit;
}

const char *cli_store_check(const struct cli_store *store)
{
    if (store->open > store->window || store->first >= store->window)
        return "the open puts fit in the window";
    return cli_link_check(store->link);
}
