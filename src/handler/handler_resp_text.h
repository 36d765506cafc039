/* SPDX-License-Identifier: Apache-2.0 */
/** Numbers, words and patterns in the bytes of Redis commands. Knows neither store nor handler. */
#ifndef HANDLER_HANDLER_RESP_TEXT_H
#define HANDLER_HANDLER_RESP_TEXT_H

#include <caudex/bytes.h>

/** Bytes of the longest number in decimal, with its sign. */
#define RESP_NUMBER_NBYTES_MAX 20u

/**
 * The number that `text` is, as Redis takes it: decimal, no blanks, no '+', no leading zeros.
 * False: it is none, or does not fit; `*number` is untouched.
 */
bool handler_resp_text_number(struct cdx_bytes text, int64_t *number);

/** Writes `number` in decimal, without an end, and returns its length. */
size_t handler_resp_text_digits(int64_t number, char digits[RESP_NUMBER_NBYTES_MAX]);

/** Whether `text` is `word` (in small letters) in any case. */
bool handler_resp_text_is(struct cdx_bytes text, const char *word);

/**
 * Whether `text` matches the pattern: `*`, `?`, `[a-z]`, `[^a]`, `\` before a byte that means
 * itself. Adds the steps that it took to `*steps`: at most about the product of both lengths.
 */
bool handler_resp_text_matches(struct cdx_bytes pattern, struct cdx_bytes text, uint64_t *steps);

/** How many bytes of `pattern` at its beginning stand for themselves. */
size_t handler_resp_text_literal(struct cdx_bytes pattern);

/**
 * Splits an inline command into words as Redis does: at blanks, but for what is in '…' or "…",
 * where \n \r \t \b \a \xHH and any quoted byte stand for one byte. The bytes go to `room`, which
 * has line.len bytes, the views of them to `words`, which has line.len / 2 + 1. `*count` is
 * their number. False: quotes are not balanced.
 */
bool handler_resp_text_split(struct cdx_bytes line, uint8_t *room, struct cdx_bytes *words,
                             size_t *count);

#endif
