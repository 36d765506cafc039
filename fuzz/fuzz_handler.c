/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a client into the handler FUZZED, in pieces, with an output that is full
 * early or late:
 *
 *     size of the pieces │ bound of the output │ bytes …
 *
 * Whatever they are, every invariant holds, and what was consumed was there.
 */
#include "handler.h"
#include "handler_requests.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Turns that bytes may take: an answer goes on over many, but not for ever. */
#define TURNS_MAX 100000u

struct world {
    struct store *store;
    struct handler *handler;
    struct handler_env env;
    void *session;
    enum handler_verdict verdict;
};

static void must(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static void open_world(struct world *w)
{
    const struct store_config config = {.hash_seed = 42, .now_ms = 1000};
    must(store_open(&config, &w->store) == STORE_OK, "no store");
    w->env.store = w->store;
    must(FUZZED.open(&w->env, &w->handler) == CDX_OK, "no handler");
    w->session = aligned_alloc(16, (FUZZED.session_nbytes + 15) / 16 * 16);
    must(w->session != NULL, "no session");
}

/* As when the world was opened. */
static void renew(struct world *w, size_t output_high)
{
    uint64_t keys, revision;
    store_write_begin(w->store);
    must(store_drop(w->store, cdx_empty(), &keys, &revision) == STORE_OK, "drop");
    store_write_end(w->store);
    w->env.output_high_nbytes = output_high;
    w->verdict = HANDLER_CONTINUE;
}

static size_t turn(struct world *w, struct cdx_bytes input)
{
    struct handler_output out = {0};
    size_t consumed = 0;
    FUZZED.turn_begin(w->handler);
    must(FUZZED.accept(w->handler, w->session, input), "an empty queue is full");
    FUZZED.prefetch(w->handler);
    w->verdict = FUZZED.answer(w->handler, w->session, &out, &consumed);
    FUZZED.turn_end(w->handler);
    handler_output_free(&out);
    must(w->verdict == HANDLER_CLOSE || consumed <= input.len, "more was consumed than there is");
    return consumed;
}

/* Offers a copy of the bytes, so that one that is kept too long is seen. */
static void feed(struct world *w, const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n);
    must(copy != NULL, "no memory");
    memcpy(copy, bytes, n);
    size_t at = 0;
    for (unsigned turns = 0; at < n && w->verdict == HANDLER_CONTINUE; turns++) {
        must(turns < TURNS_MAX, "an answer does not end");
        at += turn(w, cdx_bytes_of(copy + at, n - at));
        if (w->verdict == HANDLER_CONTINUE) {
            const char *broken = handler_stream_check(w->session); /* begins with its stream */
            must(broken == NULL, broken != NULL ? broken : "");
        }
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    if (w.store == NULL)
        open_world(&w);
    size_t piece = size > 0 && data[0] != 0 ? data[0] : size;
    renew(&w, size > 1 && data[1] != 0 ? data[1] : 1u << 20);
    FUZZED.session_start(w.handler, w.session);
    for (size_t at = 2; at < size && w.verdict == HANDLER_CONTINUE; at += piece)
        feed(&w, data + at, piece < size - at ? piece : size - at);
    FUZZED.session_end(w.handler, w.session);
    const char *broken = store_check(w.store);
    must(broken == NULL, broken != NULL ? broken : "");
    return 0;
}
