/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis commands in bench_parser: GET where there is no value, else SET. Every argument is looked
 * at.
 */
#include "parser_bench.h"

#include <caudex/resp.h>

static bool encode(struct cdx_out *out, const struct parse_item *item)
{
    uint8_t room[128 + PARSE_VALUE_NBYTES_MAX];
    struct cdx_out args = {room, room + sizeof room};
    const bool is_get = item->value.len == 0;
    const struct resp_argument words[] = {{.data = is_get ? CDX_STR("GET") : CDX_STR("SET")},
                                          {.data = item->key},
                                          {.data = item->value}};
    const uint32_t count = is_get ? 2 : 3;
    for (uint32_t i = 0; i < count; i++) {
        if (resp_argument_encode(&args, &words[i]) != CDX_OK)
            return false;
    }
    struct resp_command m = {.first = '*'};
    m.form.words.count = count;
    m.form.words.args.count = count;
    m.form.words.args.bytes = cdx_bytes_of(room, (size_t)(args.next - room));
    return resp_command_encode(out, &m) == CDX_OK;
}

static inline void look(struct parse_outcome *o, const struct resp_command *m)
{
    struct cdx_list args = m->form.words.args;
    struct resp_argument argument;
    while (resp_argument_next(&args, &argument) == CDX_OK)
        o->sum += argument.data.len;
    o->sum += 16 * m->form.words.args.count;
}

PARSE_RUN(run_generated, resp_command_parser, resp_command, resp_command_parser_init,
          resp_command_feed, resp_command_error, look)

const struct parse_format parse_resp = {
    "RESP command",
#ifdef BENCH_HIREDIS
    NULL,
#else
    "hiredis",
#endif
    NULL,
    {
        {"generated", encode, run_generated, false, 0},
#ifdef BENCH_HIREDIS
        {"hiredis", encode, parse_run_hiredis, false, 3},
        {"hiredis, own callbacks", encode, parse_run_hiredis_bare, false, 0},
#endif
    },
};
