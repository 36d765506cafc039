/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text and back: escapes, UTF-8, base64, numbers. */
#include "cli_text.h"

#include <math.h>

/* ---- UTF-8 ---- */

/* The well-formed sequences (Unicode, table 3-7): first byte, range of the second, length. */
static const struct {
    uint8_t first_min, first_max, second_min, second_max, length;
} utf8_rows[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

static size_t utf8_sequence(struct cdx_bytes text, size_t row)
{
    size_t length = utf8_rows[row].length;
    if (text.len < length || text.data[1] < utf8_rows[row].second_min ||
        text.data[1] > utf8_rows[row].second_max)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((text.data[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

size_t cli_utf8_char(struct cdx_bytes text)
{
    if (text.len == 0)
        return 0;
    uint8_t first = text.data[0];
    if (first < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof utf8_rows / sizeof utf8_rows[0]; i++)
        if (first >= utf8_rows[i].first_min && first <= utf8_rows[i].first_max)
            return utf8_sequence(text, i);
    return 0;
}

bool cli_utf8_valid(struct cdx_bytes text)
{
    while (text.len != 0) {
        size_t n = cli_utf8_char(text);
        if (n == 0)
            return false;
        text = cdx_bytes_of(text.data + n, text.len - n);
    }
    return true;
}

/* ---- escape form ---- */

/* The byte may stand in a row as it is: printable ASCII but the backslash. */
static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7F && byte != '\\';
}

/* U+0080 to U+009F: control characters that terminals act on. */
static bool is_c1_control(struct cdx_bytes text)
{
    return text.data[0] == 0xC2 && text.len > 1 && text.data[1] < 0xA0;
}

static char short_escape(uint8_t byte)
{
    switch (byte) {
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\\':
        return '\\';
    default:
        return 0;
    }
}

/* Appends the first character of `text`, which is not plain; returns its length in bytes. */
static size_t escape_char(struct cli_buf *out, struct cdx_bytes text)
{
    static const char hex[16] = "0123456789ABCDEF";
    size_t n = cli_utf8_char(text);
    if (n > 1 && !is_c1_control(text)) {
        cli_buf_add(out, text.data, n);
        return n;
    }
    uint8_t byte = text.data[0];
    char letter = short_escape(byte);
    char escape[4] = {'\\', letter != 0 ? letter : 'x', hex[byte >> 4], hex[byte & 15]};
    cli_buf_add(out, escape, letter != 0 ? 2 : 4);
    return 1;
}

void cli_escape(struct cli_buf *out, struct cdx_bytes bytes)
{
    size_t done = 0;
    while (done < bytes.len) {
        size_t plain = done;
        while (plain < bytes.len && is_plain(bytes.data[plain]))
            plain++;
        cli_buf_add(out, bytes.data + done, plain - done);
        done = plain;
        if (done < bytes.len)
            done += escape_char(out, cdx_bytes_of(bytes.data + done, bytes.len - done));
    }
}

void cli_escape_short(struct cli_buf *out, struct cdx_bytes bytes, size_t shown_max)
{
    if (bytes.len <= shown_max) {
        cli_escape(out, bytes);
        return;
    }
    size_t shown = 0;
    while (shown < shown_max) {
        size_t n = cli_utf8_char(cdx_bytes_of(bytes.data + shown, bytes.len - shown));
        shown += n != 0 ? n : 1;
    }
    cli_escape(out, cdx_bytes_of(bytes.data, shown));
    cli_buf_text(out, "…");
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* Reads the escape at `text`, a backslash; returns its length, 0 when it is none. */
static size_t unescape_one(struct cdx_bytes text, uint8_t *byte)
{
    static const char letters[] = "tnr\\";
    static const uint8_t bytes[] = {'\t', '\n', '\r', '\\'};
    if (text.len < 2)
        return 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (text.data[1] == (uint8_t)letters[i]) {
            *byte = bytes[i];
            return 2;
        }
    }
    if (text.data[1] != 'x' || text.len < 4)
        return 0;
    int high = hex_digit(text.data[2]);
    int low = hex_digit(text.data[3]);
    if (high < 0 || low < 0)
        return 0;
    *byte = (uint8_t)(high << 4 | low);
    return 4;
}

enum cdx_status cli_unescape(struct cli_buf *out, struct cdx_bytes text, size_t *at)
{
    size_t before = out->len;
    size_t done = 0;
    while (done < text.len) {
        const uint8_t *from = text.data + done;
        const uint8_t *slash = memchr(from, '\\', text.len - done);
        size_t plain = slash != NULL ? (size_t)(slash - from) : text.len - done;
        cli_buf_add(out, from, plain);
        done += plain;
        if (slash == NULL)
            break;
        uint8_t byte = 0;
        size_t n = unescape_one(cdx_bytes_of(slash, text.len - done), &byte);
        if (n == 0) {
            out->len = before;
            *at = done;
            return CDX_INVALID;
        }
        cli_buf_byte(out, byte);
        done += n;
    }
    return out->failed ? CDX_NO_MEMORY : CDX_OK;
}

/* ---- base64 ---- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void cli_base64_encode(struct cli_buf *out, struct cdx_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t bits = (uint32_t)bytes.data[i] << 16;
        bits |= n > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        bits |= n > 2 ? bytes.data[i + 2] : 0;
        char quad[4] = {
            base64_digits[bits >> 18],
            base64_digits[bits >> 12 & 63],
            n > 1 ? base64_digits[bits >> 6 & 63] : '=',
            n > 2 ? base64_digits[bits & 63] : '=',
        };
        cli_buf_add(out, quad, sizeof quad);
    }
}

static int base64_value(uint8_t digit)
{
    const char *at = digit != 0 ? strchr(base64_digits, digit) : NULL;
    return at != NULL ? (int)(at - base64_digits) : -1;
}

/* Appends the bytes of one group of four, of which the last `pad` are `=`. */
static bool base64_quad(struct cli_buf *out, const uint8_t *quad, size_t pad)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < 4 - pad ? base64_value(quad[i]) : 0;
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
    }
    uint8_t bytes[3] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
    /* Bits that no byte holds must be zero: one text per value. */
    if ((pad >= 1 && bytes[2] != 0) || (pad == 2 && bytes[1] != 0))
        return false;
    cli_buf_add(out, bytes, 3 - pad);
    return true;
}

enum cdx_status cli_base64_decode(struct cli_buf *out, struct cdx_bytes text)
{
    size_t before = out->len;
    if (text.len % 4 != 0)
        return CDX_INVALID;
    for (size_t i = 0; i < text.len; i += 4) {
        const uint8_t *quad = text.data + i;
        size_t pad = 0;
        if (i + 4 == text.len && quad[3] == '=')
            pad = quad[2] == '=' ? 2 : 1;
        if (!base64_quad(out, quad, pad)) {
            out->len = before;
            return CDX_INVALID;
        }
    }
    return out->failed ? CDX_NO_MEMORY : CDX_OK;
}

/* ---- numbers ---- */

/* Reads the digits at the front; returns where they end, `text` itself when there are none or too
 * many. */
static const char *digits_end(const char *text, uint64_t *number)
{
    const char *next = text;
    uint64_t sum = 0;
    for (; *next >= '0' && *next <= '9'; next++)
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*next - '0'), &sum))
            return text;
    *number = sum;
    return next;
}

enum cdx_status cli_number(const char *text, uint64_t *number)
{
    static const struct {
        const char *suffix;
        uint64_t factor;
    } suffixes[] = {{"", 1}, {"k", 1000}, {"M", 1000000}, {"G", 1000000000}};
    uint64_t value = 0;
    const char *suffix = digits_end(text, &value);
    if (suffix == text)
        return CDX_INVALID;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (strcmp(suffix, suffixes[i].suffix) == 0) {
            if (__builtin_mul_overflow(value, suffixes[i].factor, &value))
                return CDX_INVALID;
            *number = value;
            return CDX_OK;
        }
    }
    return CDX_INVALID;
}

/* Digits that a time may have behind its point: nanoseconds of a second. */
#define FRACTION_DIGITS_MAX 9u

enum cdx_status cli_duration(const char *text, uint64_t *ns)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"", 1e9}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    uint64_t whole = 0;
    uint64_t part = 0;
    const char *next = digits_end(text, &whole);
    double value = (double)whole;
    if (next == text)
        return CDX_INVALID;
    if (*next == '.') {
        const char *from = next + 1;
        next = digits_end(from, &part);
        if (next == from || next - from > (ptrdiff_t)FRACTION_DIGITS_MAX)
            return CDX_INVALID;
        value += (double)part / pow(10, (double)(next - from));
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(next, units[i].unit) == 0) {
            double total = value * units[i].ns;
            if (total > 3600e15)
                return CDX_INVALID;
            *ns = (uint64_t)(total + 0.5);
            return CDX_OK;
        }
    }
    return CDX_INVALID;
}

/* Longest text that can be a time, in bytes. */
#define TIME_NBYTES_MAX 63u
#define MS_NS 1000000u

enum cdx_status cli_ttl_read(struct cdx_bytes text, uint64_t *ttl_ms)
{
    char time[TIME_NBYTES_MAX + 1];
    uint64_t ns = 0;
    if (cdx_bytes_equal(text, CDX_STR("never"))) {
        *ttl_ms = 0;
        return CDX_OK;
    }
    if (text.len == 0 || text.len > TIME_NBYTES_MAX || memchr(text.data, 0, text.len) != NULL)
        return CDX_INVALID;
    memcpy(time, text.data, text.len);
    time[text.len] = 0;
    if (cli_duration(time, &ns) != CDX_OK || ns < MS_NS)
        return CDX_INVALID;
    *ttl_ms = (ns + MS_NS - 1) / MS_NS;
    return CDX_OK;
}

void cli_ttl_text(struct cli_buf *out, uint64_t ttl_ms)
{
    if (ttl_ms == 0)
        cli_buf_text(out, "never");
    else
        cli_buf_printf(out, "%llu.%03llus", (unsigned long long)(ttl_ms / 1000),
                       (unsigned long long)(ttl_ms % 1000));
}

void cli_scaled(struct cli_buf *out, double number)
{
    static const char *const suffixes[] = {"", "k", "M", "G", "T"};
    size_t i = 0;
    while (number >= 999.5 && i + 1 < sizeof suffixes / sizeof suffixes[0]) {
        number /= 1000;
        i++;
    }
    int digits = i == 0 || number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2;
    cli_buf_printf(out, "%.*f%s", digits, number, suffixes[i]);
}

void cli_time_text(struct cli_buf *out, uint64_t ns)
{
    double value = (double)ns / 1e3;
    const char *unit = "µs";
    if (value >= 999.5) {
        value /= 1e3;
        unit = "ms";
        if (value >= 999.5) {
            value /= 1e3;
            unit = "s";
        }
    }
    cli_buf_printf(out, "%.*f %s", value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2, value, unit);
}
