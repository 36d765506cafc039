/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hiredis' reader in bench_parser: as it comes, with an object for each command and each argument,
 * and with callbacks of our own that make none and only look at the arguments.
 */
#include "parser_bench.h"

#include <hiredis/hiredis.h>

#define ARGUMENT_WORTH 16u

static uint64_t reply_sum(const redisReply *reply)
{
    uint64_t sum = ARGUMENT_WORTH * reply->elements;
    for (size_t i = 0; i < reply->elements; i++)
        sum += reply->element[i]->len;
    return sum;
}

/* Reads all, and gives the reader back. */
static struct parse_outcome run(redisReader *reader, const struct parse_input *in, size_t piece,
                                unsigned passes, struct parse_outcome *o, bool has_objects)
{
    for (unsigned pass = 0; pass < passes; pass++) {
        for (size_t at = 0; at < in->len; at += piece) {
            const size_t n = piece < in->len - at ? piece : in->len - at;
            void *reply = NULL;
            (void)redisReaderFeed(reader, (const char *)in->bytes + at, n);
            while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL) {
                o->messages++;
                if (has_objects) {
                    o->sum += reply_sum(reply);
                    freeReplyObject(reply);
                }
            }
        }
    }
    o->status = reader->err == 0 ? CDX_MORE : CDX_MALFORMED;
    redisReaderFree(reader);
    return *o;
}

struct parse_outcome parse_run_hiredis(const struct parse_input *in, size_t piece, unsigned passes)
{
    struct parse_outcome o = {0};
    return run(redisReaderCreate(), in, piece, passes, &o, true);
}

/* ---- callbacks ---- */

static void *see_string(const redisReadTask *task, char *text, size_t len)
{
    (void)text;
    struct parse_outcome *const o = task->privdata;
    o->sum += len;
    return o;
}

#if HIREDIS_MAJOR < 1
typedef int array_count;
#else
typedef size_t array_count;
#endif

static void *see_array(const redisReadTask *task, array_count count)
{
    struct parse_outcome *const o = task->privdata;
    o->sum += ARGUMENT_WORTH * (uint64_t)count;
    return o;
}

static void see_nothing(void *object)
{
    (void)object;
}

struct parse_outcome parse_run_hiredis_bare(const struct parse_input *in, size_t piece,
                                            unsigned passes)
{
    static redisReplyObjectFunctions callbacks = {
        .createString = see_string, .createArray = see_array, .freeObject = see_nothing};
    struct parse_outcome o = {0};
    redisReader *const reader = redisReaderCreateWithFunctions(&callbacks);
    reader->privdata = &o;
    return run(reader, in, piece, passes, &o, false);
}
