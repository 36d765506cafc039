/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people type and load, as bytes: the first byte chooses the reader, the
 * rest is its text.
 *
 *     0  a line of the prompt     its words, quoted, are read back as the same words
 *     1  a command line           words into arguments, by the command table
 *     2  a TSV row                what is read, written and read again is the same
 *     3  a JSON row               likewise
 *     4  any bytes                escaped, and as base64, they come back
 */
#include "cli_args.h"
#include "cli_rows.h"
#include "cli_socket.h"
#include "cli_text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void fuzz_words(struct cdx_bytes line)
{
    struct cli_words words;
    struct cli_words again;
    struct cli_buf quoted = {0};
    size_t at = 0;
    cli_words_init(&words);
    cli_words_init(&again);
    if (cli_words_split(&words, line, &at) == CDX_OK) {
        for (size_t i = 0; i < words.count; i++) {
            cli_words_quote(&quoted, words.items[i]);
            cli_buf_byte(&quoted, ' ');
        }
        must(cli_words_split(&again, cli_buf_bytes(&quoted), &at) == CDX_OK);
        must(again.count == words.count);
        for (size_t i = 0; i < words.count; i++)
            must(cdx_bytes_equal(again.items[i], words.items[i]));
    }
    cli_buf_free(&quoted);
    cli_words_free(&words);
    cli_words_free(&again);
}

static void fuzz_args(struct cdx_bytes line)
{
    struct cli_words words;
    struct cli_args args;
    struct cli_failure failure;
    struct cli_address address;
    size_t at = 0;
    cli_words_init(&words);
    if (cli_words_split(&words, line, &at) == CDX_OK) {
        enum cli_exit exit = cli_args_parse(words.items, words.count, &args, &failure);
        must(exit == CLI_EXIT_DONE || exit == CLI_EXIT_USAGE);
        must(exit == CLI_EXIT_DONE || cli_utf8_valid(cdx_cstr(failure.text)));
        if (exit == CLI_EXIT_DONE)
            (void)!cli_address_parse(cli_opt_text(&args, CLI_OPT_SERVER), &address, &failure);
    }
    cli_words_free(&words);
}

static void fuzz_row(enum cli_format format, struct cdx_bytes line)
{
    struct cli_rows rows;
    struct cli_rows again;
    struct cli_failure failure;
    struct cli_buf written = {0};
    struct cdx_bytes key[2];
    struct cdx_bytes value[2];
    cli_rows_init(&rows, format, cdx_empty());
    cli_rows_init(&again, format, cdx_empty());
    if (cli_rows_read(&rows, line, &key[0], &value[0], &failure) == CDX_OK) {
        cli_rows_write(&written, format, key[0], value[0]);
        must(cli_utf8_valid(cli_buf_bytes(&written)));
        must(cli_rows_read(&again, cdx_bytes_of(written.data, written.len - 1), &key[1], &value[1],
                           &failure) == CDX_OK);
        must(cdx_bytes_equal(key[0], key[1]) && cdx_bytes_equal(value[0], value[1]));
    } else {
        must(cli_utf8_valid(cdx_cstr(failure.text)));
    }
    cli_buf_free(&written);
    cli_rows_free(&rows);
    cli_rows_free(&again);
}

static void fuzz_bytes(struct cdx_bytes bytes)
{
    struct cli_buf text = {0};
    struct cli_buf back = {0};
    size_t at = 0;
    cli_escape(&text, bytes);
    must(cli_utf8_valid(cli_buf_bytes(&text)));
    must(cli_unescape(&back, cli_buf_bytes(&text), &at) == CDX_OK);
    must(cdx_bytes_equal(cli_buf_bytes(&back), bytes));
    cli_buf_clear(&text);
    cli_buf_clear(&back);
    cli_base64_encode(&text, bytes);
    must(cli_base64_decode(&back, cli_buf_bytes(&text)) == CDX_OK);
    must(cdx_bytes_equal(cli_buf_bytes(&back), bytes));
    cli_buf_clear(&back);
    if (cli_base64_decode(&back, bytes) == CDX_OK) {
        cli_buf_clear(&text);
        cli_base64_encode(&text, cli_buf_bytes(&back));
        must(cdx_bytes_equal(cli_buf_bytes(&text), bytes)); /* one text per value */
    }
    cli_buf_free(&text);
    cli_buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct cdx_bytes text = cdx_bytes_of(data + 1, size - 1);
    switch (data[0] % 5) {
    case 0:
        fuzz_words(text);
        break;
    case 1:
        fuzz_args(text);
        break;
    case 2:
        fuzz_row(CLI_FORMAT_TSV, text);
        break;
    case 3:
        fuzz_row(CLI_FORMAT_JSON, text);
        break;
    default:
        fuzz_bytes(text);
        break;
    }
    return 0;
}
