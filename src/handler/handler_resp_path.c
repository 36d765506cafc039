/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the `resp` handler that Redis does not have: keys as paths. */
#include "handler_resp.h"

void handler_resp_lpm(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct store_entry entry;
    (void)count;
    handler_section_read(&h->section);
    if (store_match(h->section.reader, args[1], h->probe, &entry) != STORE_OK) {
        handler_resp_null_array(h);
        return;
    }
    handler_resp_array(h, 2);
    handler_resp_bulk(h, entry.key);
    handler_resp_bulk(h, entry.value);
}

/* The rows' argument is kept from turn to turn, so it has the length of a key. */
static void rows_of(struct handler *h, enum handler_resp_rows rows, struct cdx_bytes key)
{
    if (key.len > STORE_KEY_NBYTES_MAX)
        handler_resp_error(h, RESP_ERROR_KEY_LENGTH);
    else
        handler_resp_rows(h, rows, key);
}

void handler_resp_lpmall(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)count;
    rows_of(h, RESP_ROWS_MATCHES, args[1]);
}

void handler_resp_children(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)count;
    rows_of(h, RESP_ROWS_CHILDREN, args[1]);
}

void handler_resp_drop(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    uint64_t keys, revision;
    (void)count;
    if (!handler_resp_room(h))
        return;
    handler_section_write(&h->section);
    enum store_status status = store_drop(h->section.store, args[1], &keys, &revision);
    if (status == STORE_OK)
        handler_resp_integer(h, (int64_t)keys);
    else
        handler_resp_write_failed(h, status);
}
