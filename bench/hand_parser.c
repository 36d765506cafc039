/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hand-written parser of kv requests. The happy path: the whole message
 * lies in the input and is read by wide loads. A message that the input's end
 * cuts is read on phase by phase; its bytes go to the spill when the input ends.
 */
#include "hand_parser.h"

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
/* TYPE, RID and KEYLEN; VALLEN. */
#define HEAD_NBYTES 7u
#define VAL_LEN_NBYTES 4u

enum kind { UNKNOWN, PLAIN, TYPED };

struct limits {
    uint32_t val_min, val_span;
    uint16_t key_span;
    uint8_t kind;
};

#define KEY KV_PATH_NBYTES_MAX
static const struct limits limits[256] = {
    [KV_CALL_HELLO] = {4, KV_TEXT_NBYTES_MAX, 0, TYPED},
    [KV_CALL_PING] = {0, 0, 0, PLAIN},
    [KV_CALL_ECHO] = {0, KV_VALUE_NBYTES_MAX, 0, PLAIN},
    [KV_CALL_GET] = {0, 0, KEY, PLAIN},
    [KV_CALL_MATCH] = {0, 0, KEY, PLAIN},
    [KV_CALL_MATCH_BYTES] = {0, 0, KEY, PLAIN},
    [KV_CALL_MATCH_ALL] = {0, 0, KEY, PLAIN},
    [KV_CALL_GETS] = {0, 0, KEY, PLAIN},
    [KV_CALL_TTL] = {0, 0, KEY, PLAIN},
    [KV_CALL_LIST] = {5, KV_PATH_REST_NBYTES_MAX, KEY, TYPED},
    [KV_CALL_CHILDREN] = {4, KV_PATH_REST_NBYTES_MAX, KEY, TYPED},
    [KV_CALL_COUNT] = {0, 0, KEY, PLAIN},
    [KV_CALL_SCAN] = {1, KV_PATH_REST_NBYTES_MAX, KEY, TYPED},
    [KV_CALL_PUT] = {0, KV_VALUE_NBYTES_MAX, KEY, PLAIN},
    [KV_CALL_PUT_IF] = {8, KV_VALUE_NBYTES_MAX, KEY, TYPED},
    [KV_CALL_DELETE] = {0, 0, KEY, PLAIN},
    [KV_CALL_DROP] = {0, 0, KEY, PLAIN},
    [KV_CALL_PUT_TTL] = {8, KV_VALUE_NBYTES_MAX, KEY, TYPED},
    [KV_CALL_TOUCH] = {8, 0, KEY, TYPED},
    [KV_CALL_BATCH] = {0, KV_REQUESTS_NBYTES_MAX, 0, PLAIN},
    [KV_CALL_STAGE] = {0, 0, KEY, PLAIN},
    [KV_CALL_STAGE_PUT] = {12, KV_VALUE_NBYTES_MAX, KEY, TYPED},
    [KV_CALL_SWAP] = {4, 0, 0, TYPED},
    [KV_CALL_UNSTAGE] = {4, 0, 0, TYPED},
    [KV_CALL_STATS] = {0, 0, 0, PLAIN},
};

/* What this input holds of KEY and VAL: all, or a part. */
struct pieces {
    struct cdx_bytes key, val;
};

static enum cdx_status fail(struct hand_parser *s, const char *field, enum cdx_reason reason,
                            uint64_t at)
{
    s->phase = HAND_FAILED;
    s->field = field;
    s->reason = reason;
    s->error_at = at;
    return reason == CDX_REASON_MEMORY ? CDX_NO_MEMORY : CDX_MALFORMED;
}

static void begin(struct hand_parser *s)
{
    s->phase = HAND_HEAD;
    s->left = HEAD_NBYTES;
}

void hand_parser_init(struct hand_parser *s)
{
    memset(s, 0, sizeof *s);
    begin(s);
}

void hand_error(const struct hand_parser *s, struct cdx_parse_error *error)
{
    error->offset = s->error_at;
    error->field = s->field;
    error->reason = s->reason != CDX_REASON_NONE ? cdx_reason_text(s->reason) : NULL;
}

/* ---- a message that lies whole in the input ---- */

/* Its length, and `*message` is set; 0 when it is not whole, not in order, or typed. */
static inline size_t read_whole(const uint8_t *p, const uint8_t *end, struct kv_request *message)
{
    if (end - p < (ptrdiff_t)(HEAD_NBYTES + VAL_LEN_NBYTES))
        return 0;
    const struct limits *const limit = &limits[*p];
    const uint32_t key_len = cdx_load_be16(p + 5);
    if (limit->kind != PLAIN || key_len > limit->key_span)
        return 0;
    if ((size_t)(end - p) < HEAD_NBYTES + VAL_LEN_NBYTES + (size_t)key_len)
        return 0;
    const uint8_t *q = p + HEAD_NBYTES + key_len;
    const uint32_t val_len = cdx_load_be32(q);
    q += VAL_LEN_NBYTES;
    message->val = cdx_bytes_of(q, val_len);
    /* 0 has its own branch: predicted, the next message's place does not wait for this load. */
    if (val_len != 0) {
        if (val_len > limit->val_span || (size_t)(end - q) < val_len)
            return 0;
        q += val_len;
    }
    message->type = *p;
    message->rid = cdx_load_be32(p + 1);
    message->key = cdx_bytes_of(p + HEAD_NBYTES, key_len);
    return (size_t)(q - p);
}

/* ---- a message that is cut ---- */

static enum cdx_status judge_key_len(struct hand_parser *s, uint16_t key_len)
{
    s->key_len = key_len;
    const enum cdx_reason reason = cdx_check_length(key_len, 0, limits[s->type].key_span);
    if (reason != CDX_REASON_NONE)
        return fail(s, "key", reason, s->begin + 5);
    s->phase = HAND_KEY;
    s->left = key_len;
    return CDX_OK;
}

static enum cdx_status judge_val_len(struct hand_parser *s, uint32_t val_len)
{
    const struct limits *const limit = &limits[s->type];
    s->val_len = val_len;
    const enum cdx_reason reason = cdx_check_length(val_len, limit->val_min, limit->val_span);
    if (reason != CDX_REASON_NONE)
        return fail(s, "val", reason, s->begin + HEAD_NBYTES + s->key_len);
    s->phase = HAND_VAL;
    s->left = val_len;
    return CDX_OK;
}

/* CDX_OK: the phase is over. */
static enum cdx_status read_head(struct hand_parser *s, const uint8_t **next, const uint8_t *end)
{
    const uint8_t *p = *next;
    if (s->left == HEAD_NBYTES && end - p >= (ptrdiff_t)HEAD_NBYTES && limits[*p].kind != UNKNOWN) {
        s->type = *p;
        s->rid = cdx_load_be32(p + 1);
        *next = p + HEAD_NBYTES;
        return judge_key_len(s, cdx_load_be16(p + 5));
    }
    while (p != end) {
        const uint8_t byte = *p++;
        *next = p;
        switch (HEAD_NBYTES - s->left--) {
        case 0:
            s->type = byte;
            if (limits[byte].kind == UNKNOWN)
                return fail(s, "type", CDX_REASON_UNKNOWN, s->begin);
            s->acc = 0;
            break;
        case 4:
            s->rid = s->acc << 8 | byte;
            s->acc = 0;
            break;
        case 6:
            return judge_key_len(s, (uint16_t)(s->acc << 8 | byte));
        default:
            s->acc = s->acc << 8 | byte;
            break;
        }
    }
    return CDX_MORE;
}

static enum cdx_status read_val_len(struct hand_parser *s, const uint8_t **next, const uint8_t *end)
{
    const uint8_t *p = *next;
    if (s->left == VAL_LEN_NBYTES && end - p >= (ptrdiff_t)VAL_LEN_NBYTES) {
        *next = p + VAL_LEN_NBYTES;
        return judge_val_len(s, cdx_load_be32(p));
    }
    while (p != end) {
        s->acc = s->acc << 8 | *p++;
        if (--s->left == 0) {
            *next = p;
            return judge_val_len(s, s->acc);
        }
    }
    *next = p;
    return CDX_MORE;
}

static inline enum cdx_status take(struct hand_parser *s, const uint8_t **next, const uint8_t *end,
                                   struct cdx_bytes *piece)
{
    const size_t room = (size_t)(end - *next);
    const size_t n = room < s->left ? room : s->left;
    *piece = cdx_bytes_of(*next, n);
    *next += n;
    s->left -= (uint32_t)n;
    return s->left == 0 ? CDX_OK : CDX_MORE;
}

static enum cdx_status read_phases(struct hand_parser *s, const uint8_t **next, const uint8_t *end,
                                   struct pieces *pieces)
{
    enum cdx_status status = CDX_OK;
    if (s->phase == HAND_HEAD)
        status = read_head(s, next, end);
    if (status == CDX_OK && s->phase == HAND_KEY) {
        status = take(s, next, end, &pieces->key);
        if (status == CDX_OK) {
            s->phase = HAND_VAL_LEN;
            s->left = VAL_LEN_NBYTES;
            s->acc = 0;
        }
    }
    if (status == CDX_OK && s->phase == HAND_VAL_LEN)
        status = read_val_len(s, next, end);
    if (status == CDX_OK && s->phase == HAND_VAL)
        status = take(s, next, end, &pieces->val);
    return status;
}

/* ---- the input's end and the message's end ---- */

static bool read_body(struct kv_request *m, struct cdx_parse_error *error)
{
    switch (m->type) {
    case KV_CALL_HELLO:
        return kv_hello_args_decode(m->val, &m->body.hello, error) == CDX_OK;
    case KV_CALL_LIST:
        return kv_list_args_decode(m->val, &m->body.list, error) == CDX_OK;
    case KV_CALL_CHILDREN:
        return kv_children_args_decode(m->val, &m->body.children, error) == CDX_OK;
    case KV_CALL_SCAN:
        return kv_scan_args_decode(m->val, &m->body.scan, error) == CDX_OK;
    case KV_CALL_PUT_IF:
        return kv_put_if_args_decode(m->val, &m->body.put_if, error) == CDX_OK;
    case KV_CALL_PUT_TTL:
        return kv_put_ttl_args_decode(m->val, &m->body.put_ttl, error) == CDX_OK;
    case KV_CALL_TOUCH:
        return kv_touch_args_decode(m->val, &m->body.touch, error) == CDX_OK;
    case KV_CALL_STAGE_PUT:
        return kv_stage_put_args_decode(m->val, &m->body.stage_put, error) == CDX_OK;
    case KV_CALL_SWAP:
        return kv_staged_decode(m->val, &m->body.swap, error) == CDX_OK;
    case KV_CALL_UNSTAGE:
        return kv_staged_decode(m->val, &m->body.unstage, error) == CDX_OK;
    default:
        return true;
    }
}

static struct cdx_bytes view(const struct cdx_spill *spill, struct cdx_bytes piece, size_t len,
                             size_t at)
{
    return piece.len == len ? piece : cdx_bytes_of(spill->data + at, len);
}

static enum cdx_status finish(struct hand_parser *s, struct cdx_spill *spill,
                              const struct pieces *pieces, struct kv_request *message)
{
    if ((pieces->key.len != s->key_len && !cdx_spill_add(spill, pieces->key)) ||
        (pieces->val.len != s->val_len && !cdx_spill_add(spill, pieces->val)))
        return fail(s, "val", CDX_REASON_MEMORY, s->offset);
    struct kv_request m;
    struct cdx_parse_error error;
    m.type = s->type;
    m.rid = s->rid;
    m.key = view(spill, pieces->key, s->key_len, 0);
    m.val = view(spill, pieces->val, s->val_len, s->key_len);
    if (limits[s->type].kind == TYPED && !read_body(&m, &error)) {
        const uint64_t val_at = s->begin + HEAD_NBYTES + s->key_len + VAL_LEN_NBYTES;
        return fail(s, error.field, CDX_REASON_UNKNOWN, val_at + error.offset);
    }
    *message = m;
    begin(s);
    return CDX_OK;
}

static enum cdx_status keep(struct hand_parser *s, struct cdx_spill *spill,
                            const struct pieces *pieces)
{
    if (cdx_spill_add(spill, pieces->key) && cdx_spill_add(spill, pieces->val))
        return CDX_MORE;
    return fail(s, "val", CDX_REASON_MEMORY, s->offset);
}

/* Reads on in a message that is cut, or whose first byte only comes now. */
__attribute__((noinline)) static enum cdx_status read_on(struct hand_parser *s,
                                                         struct cdx_spill *spill,
                                                         const uint8_t **next, const uint8_t *end,
                                                         struct kv_request *message)
{
    struct pieces pieces = {{NULL, 0}, {NULL, 0}};
    const uint8_t *const start = *next;
    const enum cdx_status status = read_phases(s, next, end, &pieces);
    s->offset += (uint64_t)(*next - start);
    if (status == CDX_OK)
        return finish(s, spill, &pieces, message);
    return status == CDX_MORE ? keep(s, spill, &pieces) : status;
}

enum cdx_status hand_feed(struct hand_parser *s, struct cdx_spill *spill, const uint8_t **next,
                          const uint8_t *end, struct kv_request *message)
{
    const uint8_t *const p = *next;
    if (LIKELY(s->phase == HAND_HEAD && s->left == HEAD_NBYTES)) {
        if (p == end)
            return CDX_MORE;
        const size_t nbytes = spill->len == 0 ? read_whole(p, end, message) : 0;
        if (LIKELY(nbytes != 0)) {
            s->offset += nbytes;
            *next = p + nbytes;
            return CDX_OK;
        }
        s->begin = s->offset;
        s->rid = 0;
        s->key_len = 0;
        s->val_len = 0;
        if (spill->len != 0)
            cdx_spill_clear(spill, CDX_SPILL_NBYTES_KEPT);
    } else if (s->phase == HAND_FAILED) {
        return s->reason == CDX_REASON_MEMORY ? CDX_NO_MEMORY : CDX_MALFORMED;
    }
    return read_on(s, spill, next, end, message);
}
