/* SPDX-License-Identifier: Apache-2.0 */
/* The spill buffer: bytes of a message whose input buffers are gone. */
#include <caudex/heap.h>
#include <caudex/wire.h>

void cdx_spill_init(struct cdx_spill *spill)
{
    *spill = (struct cdx_spill){0};
}

void cdx_spill_free(struct cdx_spill *spill)
{
    cdx_free(spill->data);
    cdx_spill_init(spill);
}

enum cdx_status cdx_spill_append(struct cdx_spill *spill, const uint8_t *bytes, size_t n)
{
    if (n == 0)
        return CDX_OK;
    if (n > spill->cap - spill->len) {
        size_t need;
        if (__builtin_add_overflow(spill->len, n, &need))
            return CDX_NO_MEMORY;
        size_t cap = spill->cap < CDX_SPILL_NBYTES_MIN ? CDX_SPILL_NBYTES_MIN : spill->cap;
        while (cap < need && !__builtin_mul_overflow(cap, (size_t)2, &cap)) {
        }
        if (cap < need)
            return CDX_NO_MEMORY;
        uint8_t *data = (uint8_t *)cdx_realloc(spill->data, cap);
        if (data == NULL)
            return CDX_NO_MEMORY;
        spill->data = data;
        spill->cap = cap;
    }
    memcpy(spill->data + spill->len, bytes, n);
    spill->len += n;
    return CDX_OK;
}

void cdx_spill_clear(struct cdx_spill *spill, size_t keep_nbytes)
{
    spill->len = 0;
    if (spill->cap > keep_nbytes)
        cdx_spill_free(spill);
}
