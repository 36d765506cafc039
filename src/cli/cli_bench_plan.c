/* SPDX-License-Identifier: Apache-2.0 */
/* What a bench sends: calls by weight, keys, and the tape of encoded requests. */
#include "cli_bench.h"

#include "cli_text.h"
#include <caudex/heap.h>
#include <stdio.h>

/* ---- calls ---- */

/* Calls that a bench may send: each can be answered on any store, and none removes a subtree. */
static const uint8_t allowed[] = {
    KV_CALL_PING,        KV_CALL_ECHO,      KV_CALL_GET,    KV_CALL_GETS,     KV_CALL_MATCH,
    KV_CALL_MATCH_BYTES, KV_CALL_MATCH_ALL, KV_CALL_LIST,   KV_CALL_CHILDREN, KV_CALL_COUNT,
    KV_CALL_PUT,         KV_CALL_PUT_IF,    KV_CALL_DELETE, KV_CALL_PUT_TTL,  KV_CALL_TOUCH,
    KV_CALL_TTL,         KV_CALL_SCAN,
};

/* Weights above this would say nothing that a quotient below it does not. */
#define WEIGHT_MAX 1000000u

static bool call_named(struct cdx_bytes name, uint8_t *call)
{
    for (size_t i = 0; i < sizeof allowed; i++) {
        if (cdx_bytes_equal(name, cdx_cstr(kv_call_name(allowed[i])))) {
            *call = allowed[i];
            return true;
        }
    }
    return false;
}

/* One CALL=WEIGHT. */
static enum cli_exit ratio_item(struct cli_bench_plan *plan, struct cdx_bytes item,
                                struct cli_failure *failure)
{
    struct cli_shown shown;
    char number[16] = "";
    uint64_t weight = 0;
    uint8_t call = 0;
    const uint8_t *equals = item.len != 0 ? memchr(item.data, '=', item.len) : NULL;
    size_t name_len = equals != NULL ? (size_t)(equals - item.data) : item.len;
    if (equals != NULL && item.len - name_len - 1 < sizeof number)
        memcpy(number, equals + 1, item.len - name_len - 1);
    if (!call_named(cdx_bytes_of(item.data, name_len), &call))
        return cli_fail(failure, CLI_EXIT_USAGE,
                        "--ratio: expected CALL=WEIGHT with a call that 'caudex help bench' lists, "
                        "got %s",
                        cli_show(&shown, item));
    if (cli_number(number, &weight) != CDX_OK || weight > WEIGHT_MAX)
        return cli_fail(failure, CLI_EXIT_USAGE,
                        "--ratio: expected a weight from 0 to %u in CALL=WEIGHT, got %s",
                        WEIGHT_MAX, cli_show(&shown, item));
    for (size_t i = 0; i < plan->call_count; i++)
        if (plan->calls[i].call == call)
            return cli_fail(failure, CLI_EXIT_USAGE,
                            "--ratio: expected each call once, got %s "
                            "twice",
                            kv_call_name(call));
    if (weight == 0)
        return CLI_EXIT_DONE;
    plan->calls[plan->call_count++] =
        (struct cli_bench_call){.call = call, .weight = (uint32_t)weight};
    plan->weight_sum += weight;
    return CLI_EXIT_DONE;
}

enum cli_exit cli_bench_ratio(struct cli_bench_plan *plan, const char *text,
                              struct cli_failure *failure)
{
    for (const char *next = text;; next++) {
        size_t n = strcspn(next, ",");
        enum cli_exit exit = ratio_item(plan, cdx_bytes_of(next, n), failure);
        if (exit != CLI_EXIT_DONE)
            return exit;
        next += n;
        if (*next == 0)
            break;
    }
    if (plan->weight_sum == 0)
        return cli_fail(failure, CLI_EXIT_USAGE, "--ratio: expected a weight above 0");
    return CLI_EXIT_DONE;
}

/* ---- keys ---- */

bool cli_bench_key_add(struct cli_bench_keys *keys, struct cdx_bytes key)
{
    if (keys->bytes.len + key.len > CLI_BENCH_KEYS_NBYTES_MAX)
        return false;
    if (keys->count == keys->cap) {
        size_t cap = keys->cap != 0 ? keys->cap * 2 : 1024;
        uint32_t *ends = cdx_realloc(keys->ends, cap * sizeof *ends);
        if (ends == NULL)
            return false;
        keys->ends = ends;
        keys->cap = cap;
    }
    cli_buf_add(&keys->bytes, key.data, key.len);
    if (keys->bytes.failed)
        return false;
    keys->ends[keys->count++] = (uint32_t)keys->bytes.len;
    return true;
}

struct cdx_bytes cli_bench_key(const struct cli_bench_keys *keys, size_t index)
{
    size_t start = index != 0 ? keys->ends[index - 1] : 0;
    return cdx_bytes_of(keys->bytes.data + start, keys->ends[index] - start);
}

/* A permutation of 32-bit numbers, so that neighbours do not share their paths. */
static uint32_t scramble(uint32_t n)
{
    n *= 0x9E3779B1u;
    n ^= n >> 15;
    n *= 0x85EBCA77u;
    return n ^ n >> 13;
}

bool cli_bench_keys_generate(struct cli_bench_keys *keys, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        char key[64];
        uint32_t n = scramble((uint32_t)i);
        int len =
            snprintf(key, sizeof key, "/bench/%02x/%02x/item-%08x", n >> 24, n >> 16 & 255, n);
        if (!cli_bench_key_add(keys, cdx_bytes_of(key, (size_t)len)))
            return false;
    }
    return true;
}

/* ---- the tape ---- */

/* A generator of random numbers (xorshift64*), seeded anew for each plan. */
static uint64_t draw(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545F4914F6CDD1Dull;
}

/* A number below `bound`, by the upper half of the product. */
static uint64_t draw_below(uint64_t *state, uint64_t bound)
{
    return (draw(state) >> 32) * bound >> 32;
}

static uint8_t draw_kind(const struct cli_bench_plan *plan, uint64_t *state)
{
    uint64_t at = draw_below(state, plan->weight_sum);
    uint8_t kind = 0;
    while (at >= plan->calls[kind].weight)
        at -= plan->calls[kind++].weight;
    return kind;
}

/* Rows that a page of list or children is asked for: a screenful. */
#define PAGE_ROWS 20u
/* Milliseconds that put_ttl and touch give a key: longer than most runs. */
#define TTL_MS 60000u
/* What match asks below a key, so that the answer is found on the way up. */
#define BELOW "/1.jpg"

static bool is_match(uint8_t call)
{
    return call == KV_CALL_MATCH || call == KV_CALL_MATCH_BYTES || call == KV_CALL_MATCH_ALL;
}

static enum cdx_status encode(struct cdx_out *out, uint8_t call, uint32_t rid, struct cdx_bytes key,
                              struct cdx_bytes value)
{
    uint8_t path[KV_PATH_NBYTES_MAX];
    const struct kv_list_args list = {.limit = PAGE_ROWS};
    const struct kv_children_args children = {.limit = PAGE_ROWS};
    const struct kv_scan_args scan = {.content = KV_CONTENT_ENTRIES};
    const struct kv_put_if_args put_if = {.value = value};
    const struct kv_put_ttl_args put_ttl = {.ttl_ms = TTL_MS, .value = value};
    const struct kv_touch_args touch = {.ttl_ms = TTL_MS};
    if (is_match(call) && key.len + sizeof BELOW - 1 <= sizeof path) {
        memcpy(path, key.data, key.len);
        memcpy(path + key.len, BELOW, sizeof BELOW - 1);
        key = cdx_bytes_of(path, key.len + sizeof BELOW - 1);
    }
    switch (call) {
    case KV_CALL_PING:
        return kv_ping_request_encode(out, rid);
    case KV_CALL_ECHO:
        return kv_echo_request_encode(out, rid, value);
    case KV_CALL_LIST:
        return kv_list_request_encode(out, rid, key, &list);
    case KV_CALL_CHILDREN:
        return kv_children_request_encode(out, rid, key, &children);
    case KV_CALL_SCAN:
        return kv_scan_request_encode(out, rid, key, &scan);
    case KV_CALL_PUT_TTL:
        return kv_put_ttl_request_encode(out, rid, key, &put_ttl);
    case KV_CALL_TOUCH:
        return kv_touch_request_encode(out, rid, key, &touch);
    case KV_CALL_PUT:
        return kv_put_request_encode(out, rid, key, value);
    case KV_CALL_PUT_IF:
        return kv_put_if_request_encode(out, rid, key, &put_if);
    default:
        return kv_request_encode(out, call, rid, key, cdx_empty());
    }
}

/* Bytes that one request may need at most. */
static size_t request_room(struct cdx_bytes key, struct cdx_bytes value)
{
    return KV_REQUEST_HEAD_NBYTES + key.len + sizeof BELOW + value.len + 64;
}

/* Requests that are worth encoding: several per key, within the tape's bounds. */
static size_t tape_requests(const struct cli_bench_plan *plan, struct cdx_bytes value)
{
    size_t mean = plan->keys.bytes.len / plan->keys.count;
    size_t count =
        CLI_BENCH_TAPE_NBYTES_MAX / (KV_REQUEST_HEAD_NBYTES + mean + sizeof BELOW + value.len + 64);
    size_t wanted = plan->keys.count > CLI_BENCH_TAPE_REQUESTS_MAX / 4 ? CLI_BENCH_TAPE_REQUESTS_MAX
                                                                       : plan->keys.count * 4;
    if (wanted < 65536) /* so that the calls' ratio shows also with few keys */
        wanted = 65536;
    count = count < wanted ? count : wanted;
    return count > CLI_BENCH_TAPE_REQUESTS_MIN ? count : CLI_BENCH_TAPE_REQUESTS_MIN;
}

/* Encodes requests one behind the other into `buf`. */
static bool record(struct cli_bench_plan *plan, struct cli_buf *buf, struct cdx_bytes value,
                   uint64_t seed)
{
    uint64_t state = seed * 0x9E3779B97F4A7C15ull | 1;
    for (size_t i = 0; i < plan->count; i++) {
        struct cdx_bytes key = cli_bench_key(&plan->keys, draw_below(&state, plan->keys.count));
        uint8_t kind = draw_kind(plan, &state);
        size_t room = request_room(key, value);
        uint8_t *at = cli_buf_reserve(buf, room);
        if (at == NULL)
            return false;
        struct cdx_out out = {.next = at, .end = at + room};
        if (encode(&out, plan->calls[kind].call, (uint32_t)i, key, value) != CDX_OK)
            return false;
        plan->kinds[i] = kind;
        plan->offsets[i] = (uint32_t)buf->len;
        buf->len += (size_t)(out.next - at);
    }
    plan->offsets[plan->count] = (uint32_t)buf->len;
    return true;
}

enum cli_exit cli_bench_tape(struct cli_bench_plan *plan, struct cdx_bytes value, uint64_t seed,
                             struct cli_failure *failure)
{
    struct cli_buf buf;
    cli_buf_init(&buf);
    plan->count = tape_requests(plan, value);
    plan->offsets = cdx_malloc((plan->count + 1) * sizeof *plan->offsets);
    plan->kinds = cdx_malloc(plan->count);
    if (plan->offsets == NULL || plan->kinds == NULL || !record(plan, &buf, value, seed)) {
        cli_buf_free(&buf);
        return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory for the requests");
    }
    plan->tape = buf.data;
    return CLI_EXIT_DONE;
}

void cli_bench_plan_free(struct cli_bench_plan *plan)
{
    cli_buf_free(&plan->keys.bytes);
    cdx_free(plan->keys.ends);
    cdx_free(plan->tape);
    cdx_free(plan->offsets);
    cdx_free(plan->kinds);
    *plan = (struct cli_bench_plan){0};
}

const char *cli_bench_plan_check(const struct cli_bench_plan *plan)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < plan->call_count; i++)
        sum += plan->calls[i].weight;
    if (sum != plan->weight_sum)
        return "weight_sum is the sum of the weights";
    if (plan->keys.count > plan->keys.cap)
        return "count of keys is at most their cap";
    if (plan->keys.count != 0 && plan->keys.ends[plan->keys.count - 1] != plan->keys.bytes.len)
        return "the last key ends where the bytes end";
    for (size_t i = 0; plan->tape != NULL && i < plan->count; i++)
        if (plan->offsets[i] >= plan->offsets[i + 1] || plan->kinds[i] >= plan->call_count)
            return "each request has bytes and a kind";
    return NULL;
}
