/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The load generator: a plan (which requests, encoded once), a run (threads
 * that send them and check the answers) and a report.
 *
 *     plan    tape | request 0 | request 1 | … | request n-1 |   RID = index on the tape
 *                    ^ offsets[0]
 *     run     each connection goes round the tape from a place of its own:
 *
 *             answered … | sent, open … | queued, unsent … |
 *                        ^ answer       ^ sent_at          ^ queued
 *
 * Answers come in order, so a connection knows from its place on the tape
 * which request the next frame must answer; nothing is looked up.
 */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "cli_buf.h"
#include "cli_failure.h"
#include "cli_histogram.h"
#include <caudex/kv.h>
#include <signal.h>

/* ---- limits ---- */

/** Bytes of encoded requests, at most: more would only push the keys out of the caches. */
#define CLI_BENCH_TAPE_NBYTES_MAX (128u << 20)
/** Requests on the tape, at least, whatever their size: order must not repeat too soon. */
#define CLI_BENCH_TAPE_REQUESTS_MIN 64u
/** Requests on the tape, at most. */
#define CLI_BENCH_TAPE_REQUESTS_MAX (4u << 20)
/** Keys of a keys file, in bytes: what one 32-bit offset reaches. */
#define CLI_BENCH_KEYS_NBYTES_MAX (1u << 31)
/** Statuses are counted by their number; the description's largest is below. */
#define CLI_BENCH_STATUS_MAX 64u

/* ---- types: the plan ---- */

/** One call of --ratio. */
struct cli_bench_call {
    uint8_t call; /* enum kv_call */
    uint32_t weight;
};

/** Keys, one behind the other. */
struct cli_bench_keys {
    struct cli_buf bytes;
    uint32_t *ends;
    size_t count;
    size_t cap;
};

struct cli_bench_plan {
    struct cli_bench_call calls[KV_CALLS_COUNT];
    size_t call_count;
    uint64_t weight_sum;
    struct cli_bench_keys keys;
    uint8_t *tape;
    uint32_t *offsets; /* count + 1 of them */
    uint8_t *kinds;    /* index in calls of each request */
    size_t count;
};

/* ---- types: the run ---- */

struct cli_bench_setup {
    const char *server;
    uint64_t timeout_ns;
    uint32_t connections;
    uint32_t pipeline;
    uint32_t threads;
    uint64_t duration_ns; /* 0: until `requests` are answered */
    uint64_t requests;    /* 0: until `duration_ns` has passed */
    uint64_t rate;        /* requests a second of all threads; 0: as fast as answers come */
    int progress_fd;      /* a terminal, or -1 */
};

/** What was measured of one kind of call. */
struct cli_bench_kind {
    struct cli_histogram latency;
    uint64_t statuses[CLI_BENCH_STATUS_MAX];
    uint64_t rows;
};

struct cli_bench_result {
    struct cli_bench_kind kinds[KV_CALLS_COUNT]; /* as in the plan's calls */
    uint64_t answers;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t elapsed_ns;
    bool interrupted;
};

/* ---- operations: the plan ---- */

/**
 * Reads --ratio: "get=80,match=15". CLI_EXIT_DONE, or CLI_EXIT_USAGE with the message.
 */
CDX_MUST_CHECK enum cli_exit cli_bench_ratio(struct cli_bench_plan *plan, const char *text,
                                             struct cli_failure *failure);

/** Appends a key (copied). False when there is no memory or no room. */
CDX_MUST_CHECK bool cli_bench_key_add(struct cli_bench_keys *keys, struct cdx_bytes key);

/** The key of that index. */
struct cdx_bytes cli_bench_key(const struct cli_bench_keys *keys, size_t index);

/** Generates `count` different keys below /bench/, the same for the same count. */
CDX_MUST_CHECK bool cli_bench_keys_generate(struct cli_bench_keys *keys, uint64_t count);

/**
 * Encodes the tape: calls by their weights, keys at random, values of
 * `value` bytes. CLI_EXIT_DONE, or CLI_EXIT_LOCAL with the message.
 */
CDX_MUST_CHECK enum cli_exit cli_bench_tape(struct cli_bench_plan *plan, struct cdx_bytes value,
                                            uint64_t seed, struct cli_failure *failure);

void cli_bench_plan_free(struct cli_bench_plan *plan);

/** The invariant: NULL, or a static text that names the broken part. */
const char *cli_bench_plan_check(const struct cli_bench_plan *plan);

/* ---- operations: run and report ---- */

/**
 * Runs the plan. CLI_EXIT_DONE with `*result` (also when Ctrl-C ended it
 * early); otherwise the message says which answer, or what else, ended it.
 */
CDX_MUST_CHECK enum cli_exit cli_bench_run(const struct cli_bench_plan *plan,
                                           const struct cli_bench_setup *setup,
                                           struct cli_bench_result *result,
                                           struct cli_failure *failure);

/** Appends the report for people, or one JSON object with its line feed. */
void cli_bench_report(struct cli_buf *out, const struct cli_bench_plan *plan,
                      const struct cli_bench_setup *setup, const struct cli_bench_result *result);
void cli_bench_report_json(struct cli_buf *out, const struct cli_bench_plan *plan,
                           const struct cli_bench_setup *setup,
                           const struct cli_bench_result *result);

#endif
