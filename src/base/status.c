/* SPDX-License-Identifier: Apache-2.0 */
/* Names and texts of the outcomes, from the one list in status.h. */
#include <caudex/status.h>

#include <stddef.h>

static const struct {
    const char *name;
    const char *text;
} status_table[] = {
#define ROW(name, text) {#name, text},
    CDX_STATUS_MAP(ROW)
#undef ROW
};

const char *cdx_status_text(enum cdx_status status)
{
    return (size_t)status < CDX_STATUS_COUNT ? status_table[status].text : "unknown outcome";
}

const char *cdx_status_name(enum cdx_status status)
{
    return (size_t)status < CDX_STATUS_COUNT ? status_table[status].name : "UNKNOWN";
}
