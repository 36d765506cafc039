/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of load and dump files. */
#include "cli_rows.h"

#include "cli_json.h"
#include "cli_text.h"
#include <caudex/heap.h>
#include <caudex/kv.h>
#include <jansson.h>

/* Whether an allocation has failed in jansson, which then blames the text. One thread reads rows.
 */
static bool json_no_memory;

static void *json_allocate(size_t nbytes)
{
    void *memory = cdx_malloc(nbytes);
    json_no_memory |= memory == NULL;
    return memory;
}

void cli_rows_init(struct cli_rows *rows, enum cli_format format, struct cdx_bytes value)
{
    *rows = (struct cli_rows){.format = format, .value = value};
    json_set_alloc_funcs(json_allocate, cdx_free);
}

void cli_rows_free(struct cli_rows *rows)
{
    cli_buf_free(&rows->key_buf);
    cli_buf_free(&rows->value_buf);
}

/* Both parts, judged against the protocol's limits. */
static enum cdx_status judge(struct cdx_bytes key, struct cdx_bytes value,
                             struct cli_failure *failure)
{
    if (key.len > KV_PATH_NBYTES_MAX) {
        cli_fail(failure, CLI_EXIT_LOCAL, "the key has %zu bytes, the limit is %u", key.len,
                 KV_PATH_NBYTES_MAX);
        return CDX_INVALID;
    }
    if (value.len > KV_VALUE_NBYTES_MAX) {
        cli_fail(failure, CLI_EXIT_LOCAL, "the value has %zu bytes, the limit is %u", value.len,
                 KV_VALUE_NBYTES_MAX);
        return CDX_INVALID;
    }
    return CDX_OK;
}

/* ---- TSV ---- */

/* The field itself, or in `buf` what its escapes stand for. */
static enum cdx_status field_read(struct cdx_bytes field, struct cli_buf *buf, const char *name,
                                  struct cdx_bytes *bytes, struct cli_failure *failure)
{
    size_t at = 0;
    struct cli_shown shown;
    *bytes = field;
    if (field.len == 0 || memchr(field.data, '\\', field.len) == NULL)
        return CDX_OK;
    cli_buf_clear(buf);
    enum cdx_status status = cli_unescape(buf, field, &at);
    if (status == CDX_INVALID)
        cli_fail(failure, CLI_EXIT_LOCAL, "the %s has a wrong escape %s at its byte %zu: %s", name,
                 cli_show(&shown,
                          cdx_bytes_of(field.data + at, field.len - at < 4 ? field.len - at : 4)),
                 at + 1, CLI_ESCAPES_KNOWN);
    *bytes = cli_buf_bytes(buf);
    return status;
}

static enum cdx_status tsv_read(struct cli_rows *rows, struct cdx_bytes line, struct cdx_bytes *key,
                                struct cdx_bytes *value, struct cli_failure *failure)
{
    const uint8_t *tab = memchr(line.data, '\t', line.len);
    struct cli_shown shown;
    if (tab == NULL) {
        cli_fail(failure, CLI_EXIT_LOCAL,
                 "expected KEY, a tab, VALUE; found no tab in %s (plain keys: --keys)",
                 cli_show(&shown, line));
        return CDX_INVALID;
    }
    struct cdx_bytes left = cdx_bytes_of(line.data, (size_t)(tab - line.data));
    struct cdx_bytes right = cdx_bytes_of(tab + 1, line.len - left.len - 1);
    if (right.len != 0 && memchr(right.data, '\t', right.len) != NULL) {
        cli_fail(failure, CLI_EXIT_LOCAL,
                 "expected one tab, found a second (a tab in a value is written \\t)");
        return CDX_INVALID;
    }
    enum cdx_status status = field_read(left, &rows->key_buf, "key", key, failure);
    if (status == CDX_OK)
        status = field_read(right, &rows->value_buf, "value", value, failure);
    return status;
}

/* ---- JSON ---- */

/* The member `name` or `name`_base64 of the object, copied into `buf`. */
static enum cdx_status member_read(const json_t *object, const char *name, const char *base64_name,
                                   struct cli_buf *buf, struct cli_failure *failure)
{
    const json_t *text = json_object_get(object, name);
    const json_t *base64 = json_object_get(object, base64_name);
    const char *given = text != NULL ? name : base64_name;
    const json_t *member = text != NULL ? text : base64;
    cli_buf_clear(buf);
    if (member == NULL || (text != NULL && base64 != NULL)) {
        cli_fail(failure, CLI_EXIT_LOCAL, "expected one member \"%s\" or \"%s\", found %s", name,
                 base64_name, member == NULL ? "neither" : "both");
        return CDX_INVALID;
    }
    if (!json_is_string(member)) {
        cli_fail(failure, CLI_EXIT_LOCAL, "\"%s\": expected a string", given);
        return CDX_INVALID;
    }
    struct cdx_bytes bytes = cdx_bytes_of(json_string_value(member), json_string_length(member));
    if (text != NULL) {
        cli_buf_add(buf, bytes.data, bytes.len);
    } else if (cli_base64_decode(buf, bytes) == CDX_INVALID) {
        cli_fail(failure, CLI_EXIT_LOCAL, "\"%s\": expected base64 (RFC 4648, with padding)",
                 given);
        return CDX_INVALID;
    }
    return buf->failed ? CDX_NO_MEMORY : CDX_OK;
}

static enum cdx_status json_read(struct cli_rows *rows, struct cdx_bytes line,
                                 struct cdx_bytes *key, struct cdx_bytes *value,
                                 struct cli_failure *failure)
{
    json_error_t error;
    json_no_memory = false;
    json_t *object = json_loadb((const char *)line.data, line.len,
                                JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (object == NULL) {
        if (json_no_memory)
            return CDX_NO_MEMORY;
        cli_fail(failure, CLI_EXIT_LOCAL, "not JSON, at byte %d: %s", error.position, error.text);
        return CDX_INVALID;
    }
    enum cdx_status status = CDX_INVALID;
    if (!json_is_object(object))
        cli_fail(failure, CLI_EXIT_LOCAL, "expected a JSON object");
    else
        status = member_read(object, "key", "key_base64", &rows->key_buf, failure);
    if (status == CDX_OK)
        status = member_read(object, "value", "value_base64", &rows->value_buf, failure);
    json_decref(object);
    *key = cli_buf_bytes(&rows->key_buf);
    *value = cli_buf_bytes(&rows->value_buf);
    return status;
}

/* ---- rows ---- */

enum cdx_status cli_rows_read(struct cli_rows *rows, struct cdx_bytes line, struct cdx_bytes *key,
                              struct cdx_bytes *value, struct cli_failure *failure)
{
    struct cdx_bytes k = line;
    struct cdx_bytes v = rows->value;
    enum cdx_status status = CDX_OK;
    if (rows->format == CLI_FORMAT_TSV)
        status = tsv_read(rows, line, &k, &v, failure);
    else if (rows->format == CLI_FORMAT_JSON)
        status = json_read(rows, line, &k, &v, failure);
    if (status == CDX_OK)
        status = judge(k, v, failure);
    if (status != CDX_OK)
        return status;
    *key = k;
    *value = v;
    return CDX_OK;
}

void cli_rows_write(struct cli_buf *out, enum cli_format format, struct cdx_bytes key,
                    struct cdx_bytes value)
{
    if (format == CLI_FORMAT_KEYS) {
        cli_buf_add(out, key.data, key.len);
    } else if (format == CLI_FORMAT_TSV) {
        cli_escape(out, key);
        cli_buf_byte(out, '\t');
        cli_escape(out, value);
    } else {
        struct cli_json json = cli_json_begin(out);
        cli_json_bytes(&json, "key", key);
        cli_json_bytes(&json, "value", value);
        cli_json_end(&json);
    }
    cli_buf_byte(out, '\n');
}

bool cli_format_of_name(const char *name, enum cli_format *format)
{
    static const struct {
        const char *ending;
        enum cli_format format;
    } endings[] = {
        {".tsv", CLI_FORMAT_TSV},
        {".json", CLI_FORMAT_JSON},
        {".jsonl", CLI_FORMAT_JSON},
        {".ndjson", CLI_FORMAT_JSON},
    };
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t m = strlen(endings[i].ending);
        if (n > m && strcmp(name + n - m, endings[i].ending) == 0) {
            *format = endings[i].format;
            return true;
        }
    }
    return false;
}
