/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the `resp` handler that change a value that is there. */
#include "handler_resp.h"
#include "handler_resp_text.h"

/* What stays as it was when a value is changed in place. */
static struct store_put_options keeping(const struct store_entry *entry)
{
    return (struct store_put_options){.keep_expiry = true, .mark = entry->mark};
}

void handler_resp_append(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct store_entry entry;
    uint64_t revision;
    (void)count;
    if (!handler_resp_room(h))
        return;
    handler_section_write(&h->section);
    if (store_peek(h->section.store, args[1], &entry) != STORE_OK)
        entry = (struct store_entry){.value = cdx_empty()};
    size_t len = entry.value.len + args[2].len;
    if (len > STORE_VALUE_NBYTES_MAX) {
        handler_resp_error(h, RESP_ERROR_VALUE_LENGTH);
        return;
    }
    h->scratch.len = 0;
    uint8_t *value = handler_output_reserve(&h->scratch, len);
    if (value == NULL && len != 0) {
        handler_resp_error(h, RESP_ERROR_MEMORY);
        return;
    }
    if (entry.value.len != 0)
        memcpy(value, entry.value.data, entry.value.len);
    if (args[2].len != 0)
        memcpy(value + entry.value.len, args[2].data, args[2].len);
    const struct store_put_options options = keeping(&entry);
    enum store_status status =
        store_put_with(h->section.store, args[1], cdx_bytes_of(value, len), &options, &revision);
    if (status == STORE_OK)
        handler_resp_integer(h, (int64_t)len);
    else
        handler_resp_write_failed(h, status);
}

static void add(struct handler *h, struct cdx_bytes key, int64_t increment)
{
    struct store_entry entry;
    char digits[RESP_NUMBER_NBYTES_MAX];
    int64_t number;
    uint64_t revision;
    if (!handler_resp_room(h))
        return;
    handler_section_write(&h->section);
    if (store_peek(h->section.store, key, &entry) != STORE_OK)
        entry = (struct store_entry){.value = CDX_STR("0")};
    if (!handler_resp_number_arg(h, entry.value, &number))
        return;
    if (__builtin_add_overflow(number, increment, &number)) {
        handler_resp_error(h, "ERR increment or decrement would overflow");
        return;
    }
    struct cdx_bytes value = cdx_bytes_of(digits, handler_resp_text_digits(number, digits));
    const struct store_put_options options = keeping(&entry);
    enum store_status status = store_put_with(h->section.store, key, value, &options, &revision);
    if (status == STORE_OK)
        handler_resp_integer(h, number);
    else
        handler_resp_write_failed(h, status);
}

void handler_resp_incr(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)count;
    add(h, args[1], 1);
}

void handler_resp_decr(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)count;
    add(h, args[1], -1);
}

void handler_resp_incrby(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    int64_t increment;
    (void)count;
    if (handler_resp_number_arg(h, args[2], &increment))
        add(h, args[1], increment);
}

void handler_resp_decrby(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    int64_t decrement;
    (void)count;
    if (!handler_resp_number_arg(h, args[2], &decrement))
        return;
    if (decrement == INT64_MIN)
        handler_resp_error(h, "ERR decrement would overflow");
    else
        add(h, args[1], -decrement);
}
