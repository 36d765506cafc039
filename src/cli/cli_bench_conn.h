/* SPDX-License-Identifier: Apache-2.0 */
/** One connection of a bench: its place on the tape, its socket, its parser. */
#ifndef CLI_BENCH_CONN_H
#define CLI_BENCH_CONN_H

#include "cli_bench.h"

/* ---- limits ---- */

/** Bytes asked of the system at once; one buffer serves all connections of a thread. */
#define CLI_BENCH_READ_NBYTES (256u << 10)

/* ---- types ---- */

/*
 * Indexes run round the tape. `open` requests are queued and not answered;
 * `unsent` bytes of them, from `sent_at` on, are not with the system yet.
 * times[] is a ring: that of the request with the i-th answer to come is at
 * (first + i) modulo the pipeline.
 */
struct cli_bench_conn {
    int fd;
    bool wants_write; /* epoll watches for room */
    uint32_t answer;  /* tape index of the request that the next frame answers */
    uint32_t queued;  /* tape index of the request to queue next */
    uint32_t open;
    uint32_t first;
    uint32_t pipeline;
    size_t sent_at;
    size_t unsent;
    uint64_t *times; /* when each open request was sent, or due */
    struct kv_response_parser parser;
    struct cdx_spill spill;
};

/** What a thread's connections share. */
struct cli_bench_share {
    const struct cli_bench_plan *plan;
    struct cli_bench_result *result; /* this thread's */
    uint8_t *input;                  /* CLI_BENCH_READ_NBYTES */
    struct cli_failure *failure;
};

/* ---- operations ---- */

/**
 * Puts a connection on `fd` (taken), which is non-blocking, at tape index
 * `start`. False when there is no memory; `fd` is closed then.
 */
CDX_MUST_CHECK bool cli_bench_conn_init(struct cli_bench_conn *conn, int fd, uint32_t start,
                                        uint32_t pipeline, const struct cli_bench_plan *plan);
void cli_bench_conn_free(struct cli_bench_conn *conn);

/** Queues one request, counted from `time_ns`. There must be room: open < pipeline. */
void cli_bench_conn_queue(struct cli_bench_conn *conn, const struct cli_bench_plan *plan,
                          uint64_t time_ns);

/** Sends what the system takes. CLI_EXIT_DONE, or the message. */
CDX_MUST_CHECK enum cli_exit cli_bench_conn_send(struct cli_bench_conn *conn,
                                                 struct cli_bench_share *share);

/**
 * Reads once and takes the answers: `*answered` requests are no longer open.
 * CLI_EXIT_DONE, or the message of an answer that does not fit.
 */
CDX_MUST_CHECK enum cli_exit cli_bench_conn_receive(struct cli_bench_conn *conn,
                                                    struct cli_bench_share *share,
                                                    uint32_t *answered);

/** The invariant: NULL, or a static text that names the broken part. */
const char *cli_bench_conn_check(const struct cli_bench_conn *conn,
                                 const struct cli_bench_plan *plan);

#endif
