/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, words and patterns. */
#include "handler_resp_text.h"

/* ---- numbers ---- */

bool handler_resp_text_number(struct cdx_bytes text, int64_t *number)
{
    const uint8_t *at = text.data;
    const uint8_t *end = at + text.len;
    if (text.len == 0 || text.len > RESP_NUMBER_NBYTES_MAX)
        return false;
    bool negative = *at == '-';
    at += negative;
    if (at == end || *at < '0' || *at > '9' || (*at == '0' && text.len != 1))
        return false;
    uint64_t sum = 0;
    for (; at != end; at++) {
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(sum, UINT64_C(10), &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*at - '0'), &sum))
            return false;
    }
    if (sum > (uint64_t)INT64_MAX + negative)
        return false;
    *number = negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

size_t handler_resp_text_digits(int64_t number, char digits[RESP_NUMBER_NBYTES_MAX])
{
    char back[RESP_NUMBER_NBYTES_MAX];
    size_t n = 0, len = 0;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        back[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0)
        digits[len++] = '-';
    while (n != 0)
        digits[len++] = back[--n];
    return len;
}

/* ---- words ---- */

static uint8_t small(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool handler_resp_text_is(struct cdx_bytes text, const char *word)
{
    for (size_t i = 0; i < text.len; i++) {
        if (word[i] == '\0' || small(text.data[i]) != (uint8_t)word[i])
            return false;
    }
    return word[text.len] == '\0';
}

/* ---- patterns ---- */

/* Whether `c` is in the set behind a '[' at `*next`, which moves behind the set. */
static bool in_set(const uint8_t **next, const uint8_t *end, uint8_t c)
{
    const uint8_t *p = *next;
    bool negated = p != end && *p == '^';
    bool found = false;
    p += negated;
    for (; p != end && *p != ']'; p++) {
        if (*p == '\\' && end - p >= 2) {
            p++;
            found |= *p == c;
        } else if (end - p >= 3 && p[1] == '-') {
            uint8_t low = p[0] < p[2] ? p[0] : p[2];
            uint8_t high = p[0] < p[2] ? p[2] : p[0];
            found |= c >= low && c <= high;
            p += 2;
        } else {
            found |= *p == c;
        }
    }
    *next = p != end ? p + 1 : end;
    return found != negated;
}

/* Whether the pattern's next element, no '*', takes the byte `c`; moves behind the element. */
static bool takes(const uint8_t **next, const uint8_t *end, uint8_t c)
{
    uint8_t first = *(*next)++;
    if (first == '?')
        return true;
    if (first == '[')
        return in_set(next, end, c);
    if (first == '\\' && *next != end)
        first = *(*next)++;
    return first == c;
}

/*
 * When an element does not fit, the last '*' takes a byte more: none before it
 * has to, since whatever it left for the last one can be taken by that.
 */
bool handler_resp_text_matches(struct cdx_bytes pattern, struct cdx_bytes text, uint64_t *steps)
{
    const uint8_t *p = pattern.data, *p_end = p + pattern.len;
    const uint8_t *t = text.data, *t_end = t + text.len;
    const uint8_t *star = NULL,
                  *star_took = NULL; /* behind the last '*', and behind what it takes */
    while (t != t_end) {
        const uint8_t *before = p;
        if (p != p_end && *p == '*') {
            star = ++p;
            star_took = t;
            *steps += 1;
            if (star == p_end)
                return true;
            continue;
        }
        bool fits = p != p_end && takes(&p, p_end, *t);
        *steps += 1 + (size_t)(p - before);
        if (fits) {
            t++;
        } else if (star != NULL) {
            p = star;
            t = ++star_took;
        } else {
            return false;
        }
    }
    while (p != p_end && *p == '*')
        p++;
    return p == p_end;
}

size_t handler_resp_text_literal(struct cdx_bytes pattern)
{
    size_t n = 0;
    while (n < pattern.len && strchr("*?[\\", pattern.data[n]) == NULL)
        n++;
    return n;
}

/* ---- inline commands ---- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_digit(uint8_t c)
{
    c = small(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the escape behind a backslash at `p` stands for; moves behind it. */
static uint8_t unescape(const uint8_t **next, const uint8_t *end)
{
    static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
    const uint8_t *p = *next;
    if (*p == 'x' && end - p >= 3 && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
        *next = p + 3;
        return (uint8_t)(hex_digit(p[1]) * 16 + hex_digit(p[2]));
    }
    *next = p + 1;
    const char *known = *p != '\0' ? strchr(from, *p) : NULL;
    return known != NULL ? (uint8_t)to[known - from] : *p;
}

/* Copies what is in quotes, from behind the first to behind the second; false: there is none. */
static bool copy_quoted(const uint8_t **next, const uint8_t *end, uint8_t quote, uint8_t **room)
{
    const uint8_t *p = *next;
    while (p != end && *p != quote) {
        bool escaped = *p == '\\' && end - p >= 2 && (quote == '"' || p[1] == '\'');
        if (escaped) {
            p++;
            *(*room)++ = quote == '"' ? unescape(&p, end) : *p++;
        } else {
            *(*room)++ = *p++;
        }
    }
    if (p == end || (end - p >= 2 && !is_blank(p[1])))
        return false; /* never closed, or something right behind it */
    *next = p + 1;
    return true;
}

bool handler_resp_text_split(struct cdx_bytes line, uint8_t *room, struct cdx_bytes *words,
                             size_t *count)
{
    const uint8_t *p = line.data;
    const uint8_t *end = line.len != 0 ? memchr(p, '\0', line.len) : NULL;
    if (end == NULL)
        end = cdx_bytes_end(line);
    *count = 0;
    for (;;) {
        while (p != end && is_blank(*p))
            p++;
        if (p == end)
            return true;
        const uint8_t *begin = room;
        while (p != end && !is_blank(*p)) {
            uint8_t c = *p++;
            if (c != '"' && c != '\'')
                *room++ = c;
            else if (!copy_quoted(&p, end, c, &room))
                return false;
        }
        words[(*count)++] = cdx_bytes_of(begin, (size_t)(room - begin));
    }
}
