/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Splits a line of the prompt or of a command file into words, by rules that
 * a shell user knows:
 *
 *     word  'as it is'  "with \t \n \r \\ \" and \xNN"  one\ word   # the rest is a comment
 *
 * Words may hold any byte; the same escapes count outside quotes, where a
 * backslash also makes the next blank, quote or `#` ordinary.
 */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include "cli_buf.h"
#include <caudex/status.h>

/** Words of one line: a command with all its options has fewer. */
#define CLI_WORDS_MAX 64u

/*
 * The words' bytes lie one behind the other in `bytes`; items point into it.
 *
 *     bytes | g e t NUL / i m g NUL |
 *             ^ items[0]
 *                       ^ items[1]
 *
 * A NUL, not counted in the item, follows each, so that a word without a NUL of
 * its own may be read as a C string.
 */
struct cli_words {
    struct cdx_bytes items[CLI_WORDS_MAX];
    size_t count;
    size_t last_start; /* offset in the line where the last word begins */
    char last_quote;   /* the quote that the line's end found open: ' or ", else 0 */
    struct cli_buf bytes;
};

void cli_words_init(struct cli_words *words);
void cli_words_free(struct cli_words *words);

/**
 * Splits `line` (without its line feed); forgets the words before. The items
 * are valid until the next split. CDX_OK; CDX_MORE: the line ends inside
 * quotes or after a backslash, the words so far are there; CDX_INVALID: an unknown escape at
 * `*at`; CDX_TOO_LONG: more than CLI_WORDS_MAX words; CDX_NO_MEMORY.
 */
CDX_MUST_CHECK enum cdx_status cli_words_split(struct cli_words *words, struct cdx_bytes line,
                                               size_t *at);

/** Appends `word` so that cli_words_split() reads it back as one word. */
void cli_words_quote(struct cli_buf *out, struct cdx_bytes word);

#endif
