/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the `kv` handler that read the store. */
#include "handler_kv.h"

void handler_kv_get(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct store_entry entry;
    struct cdx_out cursor;
    handler_section_read(&h->section);
    if (store_get(h->section.reader, request->key, h->probe, &entry) == STORE_OK) {
        if (handler_kv_reserve(h, kv_get_ok_size(entry.value.len), &cursor))
            handler_kv_commit(h, &cursor, kv_get_ok_encode(&cursor, request->rid, entry.value));
    } else if (handler_kv_reserve(h, kv_get_not_found_size(), &cursor)) {
        handler_kv_commit(h, &cursor, kv_get_not_found_encode(&cursor, request->rid));
    }
}

void handler_kv_gets(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct store_entry entry;
    struct cdx_out cursor;
    handler_section_read(&h->section);
    if (store_get(h->section.reader, request->key, h->probe, &entry) == STORE_OK) {
        const struct kv_revised revised = {.revision = entry.revision, .value = entry.value};
        if (handler_kv_reserve(h, kv_gets_ok_size(&revised), &cursor))
            handler_kv_commit(h, &cursor, kv_gets_ok_encode(&cursor, request->rid, &revised));
    } else if (handler_kv_reserve(h, kv_gets_not_found_size(), &cursor)) {
        handler_kv_commit(h, &cursor, kv_gets_not_found_encode(&cursor, request->rid));
    }
}

void handler_kv_ttl(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct store_entry entry;
    struct cdx_out cursor;
    handler_section_read(&h->section);
    if (store_get(h->section.reader, request->key, h->probe, &entry) == STORE_OK) {
        struct kv_lifetime lifetime = {.remaining_ms = 0};
        uint64_t now = store_now(h->section.store);
        if (entry.expires_ms != 0) /* 0 means never: a clock that moved on meanwhile is not that */
            lifetime.remaining_ms = entry.expires_ms > now ? entry.expires_ms - now : 1;
        if (handler_kv_reserve(h, kv_ttl_ok_size(&lifetime), &cursor))
            handler_kv_commit(h, &cursor, kv_ttl_ok_encode(&cursor, request->rid, &lifetime));
    } else if (handler_kv_reserve(h, kv_ttl_not_found_size(), &cursor)) {
        handler_kv_commit(h, &cursor, kv_ttl_not_found_encode(&cursor, request->rid));
    }
}

void handler_kv_match(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct store_entry entry;
    struct cdx_out cursor;
    handler_section_read(&h->section);
    if (store_match(h->section.reader, request->key, h->probe, &entry) == STORE_OK) {
        if (handler_kv_reserve(h, kv_match_ok_size(entry.key.len, entry.value.len), &cursor))
            handler_kv_commit(h, &cursor,
                              kv_match_ok_encode(&cursor, request->rid, entry.key, entry.value));
    } else if (handler_kv_reserve(h, kv_match_not_found_size(), &cursor)) {
        handler_kv_commit(h, &cursor, kv_match_not_found_encode(&cursor, request->rid));
    }
}

void handler_kv_match_bytes(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct store_entry entry;
    struct cdx_out cursor;
    handler_section_read(&h->section);
    if (store_match_bytes(h->section.reader, request->key, &entry) == STORE_OK) {
        if (handler_kv_reserve(h, kv_match_bytes_ok_size(entry.key.len, entry.value.len), &cursor))
            handler_kv_commit(
                h, &cursor,
                kv_match_bytes_ok_encode(&cursor, request->rid, entry.key, entry.value));
    } else if (handler_kv_reserve(h, kv_match_bytes_not_found_size(), &cursor)) {
        handler_kv_commit(h, &cursor, kv_match_bytes_not_found_encode(&cursor, request->rid));
    }
}

void handler_kv_match_all(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct store_cursor walk;
    struct store_entry entry;
    struct cdx_out cursor;
    struct kv_rows_end end = {.rows = 0};
    handler_section_read(&h->section);
    store_match_all(h->section.reader, request->key, &walk);
    while (store_next(&walk, &entry) == STORE_OK) {
        if (!handler_kv_reserve(h, kv_match_all_row_size(entry.key.len, entry.value.len), &cursor))
            return;
        handler_kv_commit(h, &cursor,
                          kv_match_all_row_encode(&cursor, request->rid, entry.key, entry.value));
        end.rows++;
    }
    if (handler_kv_reserve(h, kv_match_all_ok_size(&end), &cursor))
        handler_kv_commit(h, &cursor, kv_match_all_ok_encode(&cursor, request->rid, &end));
}

/* The bounds of a page: rows that the client may have, and bytes after which it ends. */
struct page {
    uint32_t rows_max;
    size_t nbytes_end; /* length of the output after which the page is full */
    bool at_empty_key; /* the last row's key cannot be a cursor: empty means the beginning */
    struct kv_page_end end;
};

static struct page page_begin(const struct handler *h, uint32_t limit)
{
    bool own = limit == 0 || limit > HANDLER_PAGE_ROWS_MAX;
    return (struct page){
        .rows_max = own ? HANDLER_PAGE_ROWS_MAX : limit,
        .nbytes_end = h->out->len + HANDLER_PAGE_NBYTES_MAX,
        .end = {.rows = 0, .remainder = KV_REMAINDER_NONE},
    };
}

/* Called with a row at hand: true when it must wait for the next page. */
static bool page_is_full(const struct handler *h, struct page *page)
{
    bool full = page->end.rows >= page->rows_max ||
                (page->end.rows != 0 && h->out->len >= page->nbytes_end);
    full = full && !page->at_empty_key;
    if (full)
        page->end.remainder = KV_REMAINDER_MORE;
    return full;
}

void handler_kv_list(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    const struct kv_list_args *args = &request->body.list;
    struct page page = page_begin(h, args->limit);
    struct store_cursor walk;
    struct store_entry entry;
    struct cdx_out cursor;
    handler_section_read(&h->section);
    store_list(h->section.reader, request->key, args->after, &walk);
    while (store_next(&walk, &entry) == STORE_OK && !page_is_full(h, &page)) {
        if (args->content == KV_CONTENT_KEYS)
            entry.value = cdx_empty();
        if (!handler_kv_reserve(h, kv_list_row_size(entry.key.len, entry.value.len), &cursor))
            return;
        handler_kv_commit(h, &cursor,
                          kv_list_row_encode(&cursor, request->rid, entry.key, entry.value));
        page.end.rows++;
        page.at_empty_key = entry.key.len == 0;
    }
    if (handler_kv_reserve(h, kv_list_ok_size(&page.end), &cursor))
        handler_kv_commit(h, &cursor, kv_list_ok_encode(&cursor, request->rid, &page.end));
}

void handler_kv_children(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    const struct kv_children_args *args = &request->body.children;
    struct page page = page_begin(h, args->limit);
    struct store_cursor walk;
    struct store_child child;
    struct cdx_out cursor;
    handler_section_read(&h->section);
    store_children(h->section.reader, request->key, args->after, &walk);
    while (store_next_child(&walk, &child) == STORE_OK && !page_is_full(h, &page)) {
        const struct kv_child row = {
            .keys = child.keys,
            .stored = child.stored ? KV_STORED_YES : KV_STORED_NO,
        };
        if (!handler_kv_reserve(h, kv_children_row_size(child.key.len, &row), &cursor))
            return;
        handler_kv_commit(h, &cursor,
                          kv_children_row_encode(&cursor, request->rid, child.key, &row));
        page.end.rows++;
    }
    if (handler_kv_reserve(h, kv_children_ok_size(&page.end), &cursor))
        handler_kv_commit(h, &cursor, kv_children_ok_encode(&cursor, request->rid, &page.end));
}

void handler_kv_count(void *context, const struct kv_request *request)
{
    struct handler *h = context;
    struct cdx_out cursor;
    handler_section_read(&h->section);
    const struct kv_total total = {.keys = store_count(h->section.reader, request->key)};
    if (handler_kv_reserve(h, kv_count_ok_size(&total), &cursor))
        handler_kv_commit(h, &cursor, kv_count_ok_encode(&cursor, request->rid, &total));
}
