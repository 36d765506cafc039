/* SPDX-License-Identifier: Apache-2.0 */
/* Why a parser refuses bytes: the texts, and the check of a length. */
#include <caudex/wire.h>

#define CDX_REASON_TEXT(name, text) text,
static const char *const texts[] = {CDX_REASON_MAP(CDX_REASON_TEXT)};
#undef CDX_REASON_TEXT

const char *cdx_reason_text(enum cdx_reason reason)
{
    return (unsigned)reason < CDX_REASON_COUNT ? texts[reason] : "unknown reason";
}

enum cdx_reason cdx_check_length(uint64_t len, uint64_t min, uint64_t span)
{
    if (len < min)
        return CDX_REASON_SHORT;
    if (len - min <= span)
        return CDX_REASON_NONE;
    return min + span == 0 ? CDX_REASON_UNUSED : CDX_REASON_LONG;
}
