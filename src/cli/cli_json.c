/* SPDX-License-Identifier: Apache-2.0 */
/* Writes JSON objects member by member. */
#include "cli_json.h"

#include "cli_text.h"
#include <assert.h>

static void open_with(struct cli_json *json, char opener, char closer)
{
    assert(json->depth < CLI_JSON_DEPTH_MAX);
    cli_buf_byte(json->out, (uint8_t)opener);
    json->closers[json->depth++] = closer;
    json->comma = false;
}

struct cli_json cli_json_begin(struct cli_buf *out)
{
    struct cli_json json = {.out = out};
    open_with(&json, '{', '}');
    return json;
}

void cli_json_end(struct cli_json *json)
{
    assert(json->depth > 0);
    cli_buf_byte(json->out, (uint8_t)json->closers[--json->depth]);
    json->comma = true;
}

static bool needs_escape(uint8_t byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7F;
}

static void quote_char(struct cli_buf *out, uint8_t byte)
{
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    char letter = byte < sizeof letters ? letters[byte] : 0;
    if (letter != 0) {
        cli_buf_byte(out, '\\');
        cli_buf_byte(out, (uint8_t)letter);
    } else {
        cli_buf_printf(out, "\\u%04X", byte);
    }
}

/* What stands between the quotes. */
static void quote_inside(struct cli_buf *out, struct cdx_bytes text)
{
    size_t done = 0;
    while (done < text.len) {
        size_t plain = done;
        while (plain < text.len && !needs_escape(text.data[plain]))
            plain++;
        cli_buf_add(out, text.data + done, plain - done);
        done = plain;
        if (done < text.len)
            quote_char(out, text.data[done++]);
    }
}

void cli_json_quote(struct cli_buf *out, struct cdx_bytes text)
{
    cli_buf_byte(out, '"');
    quote_inside(out, text);
    cli_buf_byte(out, '"');
}

/* Comma and name before a member's value; `suffix` is appended to the name. */
static void member(struct cli_json *json, const char *name, const char *suffix)
{
    if (json->comma)
        cli_buf_byte(json->out, ',');
    json->comma = true;
    if (name == NULL)
        return;
    cli_buf_byte(json->out, '"');
    quote_inside(json->out, cdx_cstr(name));
    cli_buf_text(json->out, suffix);
    cli_buf_text(json->out, "\":");
}

void cli_json_bytes(struct cli_json *json, const char *name, struct cdx_bytes bytes)
{
    if (cli_utf8_valid(bytes)) {
        member(json, name, "");
        cli_json_quote(json->out, bytes);
        return;
    }
    member(json, name, "_base64");
    cli_buf_byte(json->out, '"');
    cli_base64_encode(json->out, bytes);
    cli_buf_byte(json->out, '"');
}

void cli_json_text(struct cli_json *json, const char *name, const char *text)
{
    member(json, name, "");
    cli_json_quote(json->out, cdx_cstr(text));
}

void cli_json_u64(struct cli_json *json, const char *name, uint64_t number)
{
    member(json, name, "");
    cli_buf_u64(json->out, number);
}

void cli_json_real(struct cli_json *json, const char *name, double number)
{
    member(json, name, "");
    cli_buf_printf(json->out, "%.3f", number);
}

void cli_json_bool(struct cli_json *json, const char *name, bool value)
{
    member(json, name, "");
    cli_buf_text(json->out, value ? "true" : "false");
}

void cli_json_object(struct cli_json *json, const char *name)
{
    member(json, name, "");
    open_with(json, '{', '}');
}

void cli_json_array(struct cli_json *json, const char *name)
{
    member(json, name, "");
    open_with(json, '[', ']');
}
