/* SPDX-License-Identifier: Apache-2.0 */
/* Splits a line into words, with quotes and escapes. */
#include "cli_words.h"

#include "cli_text.h"

void cli_words_init(struct cli_words *words)
{
    words->count = 0;
    words->last_start = 0;
    words->last_quote = 0;
    cli_buf_init(&words->bytes);
}

void cli_words_free(struct cli_words *words)
{
    cli_buf_free(&words->bytes);
    cli_words_init(words);
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* A byte that a backslash makes ordinary, beside the escapes of the escape form. */
static bool is_special(uint8_t byte, char quote)
{
    return quote != 0 ? byte == (uint8_t)quote : is_blank(byte) || strchr("'\"#", byte) != NULL;
}

/* Takes the escape at `next`, a backslash, into the word. */
static enum cdx_status take_escape(struct cli_words *words, char quote, const uint8_t **next,
                                   const uint8_t *end)
{
    const uint8_t *from = *next;
    size_t n = end - from > 3 && from[1] == 'x' ? 4 : 2;
    size_t at;
    if (end - from < 2)
        return CDX_MORE;
    if (from[1] != 0 && is_special(from[1], quote))
        cli_buf_byte(&words->bytes, from[1]);
    else if (cli_unescape(&words->bytes, cdx_bytes_of(from, n), &at) != CDX_OK)
        return CDX_INVALID;
    *next = from + n;
    return CDX_OK;
}

/* Takes one word's bytes, up to a blank outside quotes. */
static enum cdx_status take_word(struct cli_words *words, const uint8_t **next, const uint8_t *end)
{
    char quote = 0;
    while (*next != end) {
        uint8_t byte = **next;
        if (quote == 0 && is_blank(byte))
            return CDX_OK;
        if (byte == '\\' && quote != '\'') {
            enum cdx_status status = take_escape(words, quote, next, end);
            if (status != CDX_OK)
                return status;
            continue;
        }
        ++*next;
        if (quote == 0 && (byte == '\'' || byte == '"'))
            quote = (char)byte;
        else if (quote != 0 && byte == (uint8_t)quote)
            quote = 0;
        else
            cli_buf_byte(&words->bytes, byte);
    }
    words->last_quote = quote;
    return quote != 0 ? CDX_MORE : CDX_OK;
}

/* The items were lengths behind one another while the buffer could still move. */
static void place_items(struct cli_words *words)
{
    const uint8_t *next = words->bytes.data;
    for (size_t i = 0; i < words->count; i++) {
        words->items[i].data = next;
        next += words->items[i].len + 1;
    }
}

enum cdx_status cli_words_split(struct cli_words *words, struct cdx_bytes line, size_t *at)
{
    const uint8_t *next = line.data;
    const uint8_t *end = line.len != 0 ? line.data + line.len : line.data;
    enum cdx_status status = CDX_OK;
    words->count = 0;
    words->last_start = line.len;
    words->last_quote = 0;
    cli_buf_clear(&words->bytes);
    while (status == CDX_OK) {
        while (next != end && is_blank(*next))
            next++;
        if (next == end || *next == '#')
            break;
        if (words->count == CLI_WORDS_MAX)
            return CDX_TOO_LONG;
        words->last_start = (size_t)(next - line.data);
        size_t before = words->bytes.len;
        status = take_word(words, &next, end);
        words->items[words->count++].len = words->bytes.len - before;
        cli_buf_byte(&words->bytes, 0);
    }
    if (words->bytes.failed)
        return CDX_NO_MEMORY;
    place_items(words);
    *at = (size_t)(next - line.data);
    return status;
}

static bool is_ordinary(uint8_t byte)
{
    return byte > 0x20 && byte < 0x7F && strchr("'\"#\\", byte) == NULL;
}

void cli_words_quote(struct cli_buf *out, struct cdx_bytes word)
{
    bool ordinary = word.len != 0;
    for (size_t i = 0; i < word.len && ordinary; i++)
        ordinary = is_ordinary(word.data[i]);
    if (ordinary) {
        cli_buf_add(out, word.data, word.len);
        return;
    }
    cli_buf_byte(out, '"');
    for (size_t done = 0; done < word.len; done++) {
        const uint8_t *from = word.data + done;
        const uint8_t *quote = memchr(from, '"', word.len - done);
        size_t n = quote != NULL ? (size_t)(quote - from) : word.len - done;
        cli_escape(out, cdx_bytes_of(from, n));
        if (quote != NULL)
            cli_buf_text(out, "\\\"");
        done += n;
    }
    cli_buf_byte(out, '"');
}
