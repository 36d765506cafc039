/* SPDX-License-Identifier: Apache-2.0 */
/* Asks a server through libhiredis; prints "ok", or what was answered otherwise. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMANDS = 1000 };

static void fail(const char *what, const redisReply *reply)
{
    fprintf(stderr, "%s: %s\n", what, reply != NULL && reply->str != NULL ? reply->str : "?");
    exit(1);
}

/* A reply of that type whose text is `text` (NULL: any). */
static void expect(redisReply *reply, int type, const char *text, const char *what)
{
    if (reply == NULL || reply->type != type || (text != NULL && strcmp(reply->str, text) != 0))
        fail(what, reply);
    freeReplyObject(reply);
}

static void ask(redisContext *c)
{
    expect(redisCommand(c, "SET %s %b", "hiredis", "a\0b", (size_t)3), REDIS_REPLY_STATUS, "OK",
           "SET");
    redisReply *reply = redisCommand(c, "GET hiredis");
    if (reply == NULL || reply->len != 3 || memcmp(reply->str, "a\0b", 3) != 0)
        fail("GET", reply);
    freeReplyObject(reply);
    expect(redisCommand(c, "GET none"), REDIS_REPLY_NIL, NULL, "GET of nothing");
    expect(redisCommand(c, "INCR hiredis"), REDIS_REPLY_ERROR,
           "ERR value is not an integer or out of range", "INCR");
    reply = redisCommand(c, "LPM hiredis/below");
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        strcmp(reply->element[0]->str, "hiredis") != 0)
        fail("LPM", reply);
    freeReplyObject(reply);
}

static void pipeline(redisContext *c)
{
    for (int i = 0; i < COMMANDS; i++)
        redisAppendCommand(c, "INCR hiredis:counter");
    for (int i = 1; i <= COMMANDS; i++) {
        void *reply = NULL;
        if (redisGetReply(c, &reply) != REDIS_OK || ((redisReply *)reply)->integer != i)
            fail("pipelined INCR", reply);
        freeReplyObject(reply);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    redisContext *c =
        argv[1][0] == '/' ? redisConnectUnix(argv[1]) : redisConnect("127.0.0.1", atoi(argv[1]));
    if (c == NULL || c->err != 0) {
        fprintf(stderr, "connect: %s\n", c != NULL ? c->errstr : "no memory");
        return 1;
    }
    ask(c);
    pipeline(c);
    redisFree(c);
    puts("ok");
    return 0;
}
