/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Escaping. A value is taken apart into characters: valid UTF-8 sequences, or
 * single bytes that are none. Each is written whole or not at all.
 */
#include "log_line.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What a cut line ends with, beside the quote that closes the value. */
static const char text_cut_mark[] = " cut=true\n";
static const char json_cut_mark[] = ",\"cut\":true}\n";

/** Room kept for the longest end: a closing quote and the mark. */
#define END_NBYTES (sizeof json_cut_mark)
/** Longest escape of a character, in bytes with its NUL: \ufffd, or \xNN four times. */
#define ESCAPE_NBYTES 20u

/** A character of a value: its bytes, and its code point or -1 when it is no valid UTF-8. */
struct character {
    const uint8_t *bytes;
    size_t len;
    int32_t code;
};

/* ---- UTF-8 ---- */

static size_t sequence_len(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if ((first & 0xf0) == 0xe0)
        return 3;
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/*
 * The code point of `len` bytes, or -1: overlong forms, surrogates and values above U+10FFFF
 * are none.
 */
static int32_t decode(const uint8_t *p, size_t len)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int32_t code = len == 1 ? p[0] : p[0] & (0xff >> (len + 1));

    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return -1;
        code = (code << 6) | (p[i] & 0x3f);
    }
    if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return -1;
    return code;
}

/* The next character of a text that is not empty. */
static struct character next_character(struct cdx_bytes text)
{
    struct character c = {.bytes = text.data, .len = sequence_len(text.data[0]), .code = -1};

    if (c.len != 0 && c.len <= text.len)
        c.code = decode(text.data, c.len);
    if (c.code < 0)
        c.len = 1;
    return c;
}

/* Control characters (C0, DEL, C1) could drive the terminal that shows the log. */
static bool is_control(int32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

/* ---- appending ---- */

/* All of it or, when there is no room, nothing. */
static bool append(struct log_line *line, const void *bytes, size_t len)
{
    if (len > line->end - line->len) {
        line->cut = true;
        return false;
    }
    memcpy(line->text + line->len, bytes, len);
    line->len += len;
    return true;
}

static bool append_text(struct log_line *line, const char *text)
{
    return append(line, text, strlen(text));
}

/* The letter of a short escape (\n, \t, \r, \", \\), or 0. */
static char short_escape(int32_t code)
{
    switch (code) {
    case '\n':
        return 'n';
    case '\t':
        return 't';
    case '\r':
        return 'r';
    case '"':
    case '\\':
        return (char)code;
    default:
        return 0;
    }
}

static void escape_hex(const struct character *c, char out[ESCAPE_NBYTES])
{
    for (size_t i = 0; i < c->len; i++)
        snprintf(out + 4 * i, 5, "\\x%02x", c->bytes[i]);
}

static bool append_character(struct log_line *line, const struct character *c)
{
    char letter = short_escape(c->code);
    char escape[ESCAPE_NBYTES];

    if (letter != 0)
        snprintf(escape, sizeof escape, "\\%c", letter);
    else if (c->code >= 0 && !is_control(c->code))
        return append(line, c->bytes, c->len);
    else if (line->format == LOG_FORMAT_TEXT)
        escape_hex(c, escape);
    else
        snprintf(escape, sizeof escape, "\\u%04x", c->code < 0 ? 0xfffd : (unsigned)c->code);
    return append_text(line, escape);
}

static void append_quoted(struct log_line *line, struct cdx_bytes text)
{
    if (!append_text(line, "\""))
        return;
    line->end--; /* kept for the closing quote */
    while (text.len > 0) {
        struct character c = next_character(text);

        if (!append_character(line, &c))
            break;
        text = cdx_bytes_of(text.data + c.len, text.len - c.len);
    }
    line->end++;
    line->text[line->len++] = '"';
}

/* logfmt needs no quotes around letters, digits and harmless signs. */
static bool is_plain(struct cdx_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f || strchr("\"\\=", text.data[i]) != NULL)
            return false;
    }
    return text.len > 0;
}

static void append_value(struct log_line *line, const struct log_field *field)
{
    char number[24];

    if (field->is_number) {
        snprintf(number, sizeof number, "%" PRIu64, field->number);
        append_text(line, number);
    } else if (line->format == LOG_FORMAT_TEXT && is_plain(field->text) &&
               field->text.len <= line->end - line->len) {
        append(line, field->text.data, field->text.len);
    } else {
        append_quoted(line, field->text);
    }
}

/* ---- the line ---- */

void log_line_begin(struct log_line *line, enum log_format format)
{
    line->format = format;
    line->cut = false;
    line->len = 0;
    line->end = sizeof line->text - END_NBYTES;
    if (format == LOG_FORMAT_JSON)
        append_text(line, "{");
}

/** The shortest value: a number of 20 digits, or quotes around nothing. */
#define VALUE_NBYTES_MIN 20u

void log_line_add(struct log_line *line, const struct log_field *field)
{
    bool json = line->format == LOG_FORMAT_JSON;
    bool first = line->len == (json ? 1 : 0);
    size_t key_len = strlen(field->key) + sizeof ",\"\":";

    if (line->cut || key_len + VALUE_NBYTES_MIN > line->end - line->len) {
        line->cut = true; /* nothing is written behind a cut value */
        return;
    }
    append_text(line, first ? "" : json ? "," : " ");
    append_text(line, json ? "\"" : "");
    append_text(line, field->key);
    append_text(line, json ? "\":" : "=");
    append_value(line, field);
}

void log_line_end(struct log_line *line)
{
    bool json = line->format == LOG_FORMAT_JSON;
    const char *mark = json ? "}\n" : "\n";

    if (line->cut)
        mark = json ? json_cut_mark : text_cut_mark;
    line->end = sizeof line->text;
    append_text(line, mark);
    assert(log_line_check(line) == NULL);
}

const char *log_line_check(const struct log_line *line)
{
    if (line->end > sizeof line->text)
        return "the room ends outside the buffer";
    if (line->len > line->end)
        return "the line is longer than its room";
    if (line->end == sizeof line->text && (line->len == 0 || line->text[line->len - 1] != '\n'))
        return "an ended line has no newline";
    return NULL;
}
