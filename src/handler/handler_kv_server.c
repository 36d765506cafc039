/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the `kv` handler that are about the server itself. */
#include "handler_kv.h"

#include <inttypes.h>
#include <stdio.h>

#define AGENT "caudexd " CAUDEX_VERSION

void handler_kv_hello(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct cdx_out cursor;
    const struct kv_hello_info info = {
        .major = KV_VERSION_MAJOR,
        .minor = KV_VERSION_MINOR,
        .key_max = KV_PATH_NBYTES_MAX,
        .value_max = KV_VALUE_NBYTES_MAX,
        .agent = CDX_STR(AGENT),
    };
    bool known = request->body.hello.major == KV_VERSION_MAJOR;
    if (!handler_kv_reserve(h, kv_hello_ok_size(&info), &cursor))
        return;
    handler_kv_commit(h, &cursor,
                      known ? kv_hello_ok_encode(&cursor, request->rid, &info)
                            : kv_hello_unsupported_encode(&cursor, request->rid, &info));
}

void handler_kv_ping(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct cdx_out cursor;
    if (handler_kv_reserve(h, kv_ping_ok_size(), &cursor))
        handler_kv_commit(h, &cursor, kv_ping_ok_encode(&cursor, request->rid));
}

void handler_kv_echo(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct cdx_out cursor;
    if (handler_kv_reserve(h, kv_echo_ok_size(request->val.len), &cursor))
        handler_kv_commit(h, &cursor, kv_echo_ok_encode(&cursor, request->rid, request->val));
}

/* A stats answer while it is written. */
struct stats_answer {
    struct handler *h;
    uint32_t rid;
    struct kv_rows_end end;
};

static void stats_row(void *arg, const char *name, uint64_t value)
{
    struct stats_answer *answer = arg;
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, value);
    struct cdx_bytes key = cdx_cstr(name);
    struct cdx_bytes text = cdx_bytes_of(digits, (size_t)n);
    struct cdx_out cursor;
    if (!handler_kv_reserve(answer->h, kv_stats_row_size(key.len, text.len), &cursor))
        return;
    handler_kv_commit(answer->h, &cursor, kv_stats_row_encode(&cursor, answer->rid, key, text));
    answer->end.rows++;
}

static void add_calls(void *arg, const struct handler *h)
{
    uint64_t *sums = arg;
    for (size_t i = 0; i < KV_CALLS_COUNT; i++)
        sums[i] += atomic_load_explicit(&h->calls[kv_calls[i]], memory_order_relaxed);
}

static void stats_calls(struct stats_answer *answer)
{
    uint64_t sums[KV_CALLS_COUNT] = {0};
    char name[64];
    handler_kv_each(add_calls, sums);
    for (size_t i = 0; i < KV_CALLS_COUNT; i++) {
        snprintf(name, sizeof name, "calls.%s", kv_call_name(kv_calls[i]));
        stats_row(answer, name, sums[i]);
    }
}

void handler_kv_stats(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct stats_answer answer = {.h = h, .rid = request->rid};
    struct store_stats stats;
    struct cdx_out cursor;
    handler_section_read(&h->section);
    store_read_stats(h->section.reader, &stats);
    stats_row(&answer, "store.keys", stats.keys);
    stats_row(&answer, "store.nodes", stats.nodes);
    stats_row(&answer, "store.revision", stats.revision);
    stats_row(&answer, "store.key_bytes", stats.key_nbytes);
    stats_row(&answer, "store.value_bytes", stats.value_nbytes);
    stats_row(&answer, "store.memory_bytes", stats.memory_nbytes);
    stats_row(&answer, "store.used_bytes", stats.used_nbytes);
    stats_row(&answer, "store.memory_max_bytes", stats.memory_max_nbytes);
    stats_row(&answer, "store.pending", stats.pending);
    stats_row(&answer, "store.snapshots", stats.snapshots);
    stats_row(&answer, "store.expiring", stats.expiring);
    stats_row(&answer, "store.expired", stats.expired);
    stats_row(&answer, "store.evicted", stats.evicted);
    stats_calls(&answer);
    if (h->env->stats != NULL)
        h->env->stats(h->env->stats_arg, stats_row, &answer);
    if (handler_kv_reserve(h, kv_stats_ok_size(&answer.end), &cursor))
        handler_kv_commit(h, &cursor, kv_stats_ok_encode(&cursor, request->rid, &answer.end));
}
