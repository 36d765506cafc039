/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of the `resp` handler: one row each, found by a hash of the name.
 *
 *     "gEt" ── small letters, hash ──► slots │ 0 │ 7 │ 0 │ 31 │ …   number of the row + 1; 0: none
 */
#include "handler_resp.h"
#include "handler_resp_text.h"

#include <pthread.h>
#include <stdio.h>

/* The flags that often come together. */
#define READS (RESP_READONLY)
#define READS_FAST (RESP_READONLY | RESP_FAST)
#define WRITES (RESP_WRITE | RESP_DENYOOM)
#define WRITES_FAST (RESP_WRITE | RESP_DENYOOM | RESP_FAST)
#define REMOVES (RESP_WRITE)
#define REMOVES_FAST (RESP_WRITE | RESP_FAST)
#define ABOUT (RESP_LOADING | RESP_STALE)
#define ABOUT_CLIENT (RESP_NOSCRIPT | RESP_LOADING | RESP_STALE)
#define ABOUT_CONFIG (RESP_ADMIN | RESP_NOSCRIPT | RESP_LOADING | RESP_STALE)
#define GREETS (RESP_NOSCRIPT | RESP_LOADING | RESP_STALE | RESP_FAST | RESP_NO_AUTH)

/* X(name, arity, first, last, step, probe, flags, group, since, summary); the function has the
 * name. */
#define COMMANDS(X)                                                                                \
    X(append, 3, 1, 1, 1, KEY, WRITES_FAST, "string", "2.0.0", "Append a value to a key")          \
    X(auth, -2, 0, 0, 0, NONE, GREETS, "connection", "1.0.0", "Authenticate to the server")        \
    X(children, 2, 1, 1, 1, NONE, READS, "path", "0.1.0",                                          \
      "List the level below a path: each child's path, number of keys below, whether it is a key") \
    X(dbsize, 1, 0, 0, 0, NONE, READS_FAST, "server", "1.0.0", "Return the number of keys")        \
    X(decr, 2, 1, 1, 1, KEY, WRITES_FAST, "string", "1.0.0",                                       \
      "Decrement the integer value of a key by one")                                               \
    X(decrby, 3, 1, 1, 1, KEY, WRITES_FAST, "string", "1.0.0",                                     \
      "Decrement the integer value of a key by the given number")                                  \
    X(del, -2, 1, -1, 1, KEY, REMOVES, "generic", "1.0.0", "Delete a key")                         \
    X(drop, 2, 1, 1, 1, NONE, REMOVES, "path", "0.1.0",                                            \
      "Delete a key and all keys below it, and return their number")                               \
    X(echo, 2, 0, 0, 0, NONE, RESP_LOADING | RESP_STALE | RESP_FAST, "connection", "1.0.0",        \
      "Echo the given string")                                                                     \
    X(exists, -2, 1, -1, 1, KEY, READS_FAST, "generic", "1.0.0", "Determine if a key exists")      \
    X(expire, -3, 1, 1, 1, KEY, REMOVES_FAST, "generic", "1.0.0",                                  \
      "Set a key's time to live in seconds")                                                       \
    X(expireat, -3, 1, 1, 1, KEY, REMOVES_FAST, "generic", "1.2.0",                                \
      "Set the expiration for a key as a UNIX timestamp")                                          \
    X(expiretime, 2, 1, 1, 1, KEY, READS_FAST, "generic", "7.0.0",                                 \
      "Get the expiration Unix timestamp for a key")                                               \
    X(get, 2, 1, 1, 1, KEY, READS_FAST, "string", "1.0.0", "Get the value of a key")               \
    X(getdel, 2, 1, 1, 1, KEY, REMOVES_FAST, "string", "6.2.0",                                    \
      "Get the value of a key and delete the key")                                                 \
    X(getex, -2, 1, 1, 1, KEY, REMOVES_FAST, "string", "6.2.0",                                    \
      "Get the value of a key and optionally set its expiration")                                  \
    X(getset, 3, 1, 1, 1, KEY, WRITES_FAST, "string", "1.0.0",                                     \
      "Set the string value of a key and return its old value")                                    \
    X(hello, -1, 0, 0, 0, NONE, GREETS, "connection", "6.0.0", "Handshake with the server")        \
    X(incr, 2, 1, 1, 1, KEY, WRITES_FAST, "string", "1.0.0",                                       \
      "Increment the integer value of a key by one")                                               \
    X(incrby, 3, 1, 1, 1, KEY, WRITES_FAST, "string", "1.0.0",                                     \
      "Increment the integer value of a key by the given amount")                                  \
    X(info, -1, 0, 0, 0, NONE, ABOUT, "server", "1.0.0",                                           \
      "Get information and statistics about the server")                                           \
    X(keys, 2, 0, 0, 0, NONE, READS, "generic", "1.0.0",                                           \
      "Find all keys matching the given pattern")                                                  \
    X(lpm, 2, 1, 1, 1, MATCH, READS_FAST, "path", "0.1.0",                                         \
      "Get the longest key that is the path or above it, with its value")                          \
    X(lpmall, 2, 1, 1, 1, NONE, READS, "path", "0.1.0",                                            \
      "Get all keys that are the path or above it, shortest first, with their values")             \
    X(mget, -2, 1, -1, 1, NONE, READS_FAST, "string", "1.0.0",                                     \
      "Get the values of all the given keys")                                                      \
    X(mset, -3, 1, -1, 2, NONE, WRITES, "string", "1.0.1", "Set multiple keys to multiple values") \
    X(msetnx, -3, 1, -1, 2, NONE, WRITES, "string", "1.0.1",                                       \
      "Set multiple keys to multiple values, only if none of the keys exist")                      \
    X(persist, 2, 1, 1, 1, KEY, REMOVES_FAST, "generic", "2.2.0",                                  \
      "Remove the expiration from a key")                                                          \
    X(pexpire, -3, 1, 1, 1, KEY, REMOVES_FAST, "generic", "2.6.0",                                 \
      "Set a key's time to live in milliseconds")                                                  \
    X(pexpireat, -3, 1, 1, 1, KEY, REMOVES_FAST, "generic", "2.6.0",                               \
      "Set the expiration for a key as a UNIX timestamp specified in milliseconds")                \
    X(pexpiretime, 2, 1, 1, 1, KEY, READS_FAST, "generic", "7.0.0",                                \
      "Get the expiration Unix timestamp for a key in milliseconds")                               \
    X(ping, -1, 0, 0, 0, NONE, RESP_FAST, "connection", "1.0.0", "Ping the server")                \
    X(psetex, 4, 1, 1, 1, KEY, WRITES, "string", "2.6.0",                                          \
      "Set the value and expiration in milliseconds of a key")                                     \
    X(pttl, 2, 1, 1, 1, KEY, READS_FAST, "generic", "2.6.0",                                       \
      "Get the time to live for a key in milliseconds")                                            \
    X(quit, -1, 0, 0, 0, NONE, GREETS, "connection", "1.0.0", "Close the connection")              \
    X(randomkey, 1, 0, 0, 0, NONE, READS, "generic", "1.0.0", "Return a random key")               \
    X(reset, 1, 0, 0, 0, NONE, GREETS, "connection", "6.2.0", "Reset the connection")              \
    X(scan, -2, 0, 0, 0, NONE, READS, "generic", "2.8.0", "Incrementally iterate the keys space")  \
    X(select, 2, 0, 0, 0, NONE, RESP_LOADING | RESP_STALE | RESP_FAST, "connection", "1.0.0",      \
      "Change the selected database for the current connection")                                   \
    X(set, -3, 1, 1, 1, KEY, WRITES, "string", "1.0.0", "Set the string value of a key")           \
    X(setex, 4, 1, 1, 1, KEY, WRITES, "string", "2.0.0", "Set the value and expiration of a key")  \
    X(setnx, 3, 1, 1, 1, KEY, WRITES_FAST, "string", "1.0.0",                                      \
      "Set the value of a key, only if the key does not exist")                                    \
    X(strlen, 2, 1, 1, 1, KEY, READS_FAST, "string", "2.2.0",                                      \
      "Get the length of the value stored in a key")                                               \
    X(time, 1, 0, 0, 0, NONE, RESP_LOADING | RESP_STALE | RESP_FAST, "server", "2.6.0",            \
      "Return the current server time")                                                            \
    X(ttl, 2, 1, 1, 1, KEY, READS_FAST, "generic", "1.0.0",                                        \
      "Get the time to live for a key in seconds")                                                 \
    X(type, 2, 1, 1, 1, KEY, READS_FAST, "generic", "1.0.0", "Determine the type stored at key")

#define ROW(name_, arity_, first_, last_, step_, probe_, flags_, group_, since_, summary_)         \
    {.name = #name_,                                                                               \
     .summary = summary_,                                                                          \
     .since = since_,                                                                              \
     .group = group_,                                                                              \
     .run = handler_resp_##name_,                                                                  \
     .flags = flags_,                                                                              \
     .arity = arity_,                                                                              \
     .first = first_,                                                                              \
     .last = last_,                                                                                \
     .step = step_,                                                                                \
     .probe = RESP_PROBE_##probe_},

/* A command whose function has another name. */
#define ALIAS(name_, function_, arity_, first_, last_, step_, flags_, group_, since_, summary_)    \
    {.name = name_,                                                                                \
     .summary = summary_,                                                                          \
     .since = since_,                                                                              \
     .group = group_,                                                                              \
     .run = handler_resp_##function_,                                                              \
     .flags = flags_,                                                                              \
     .arity = arity_,                                                                              \
     .first = first_,                                                                              \
     .last = last_,                                                                                \
     .step = step_},

#define SUB(name_, function_, arity_, flags_, group_, since_, summary_)                            \
    ALIAS(name_, function_, arity_, 0, 0, 0, flags_, group_, since_, summary_)

#define SUBS_OF(subs_) .subs = (subs_), .sub_count = sizeof(subs_) / sizeof(subs_)[0]

static const struct handler_resp_command client_subs[] = {
    SUB("getname", client_getname, 2, ABOUT_CLIENT, "connection", "2.6.9",
        "Get the current connection name") SUB("help", help, 2, ABOUT, "connection", "5.0.0",
                                               "Show helpful text about the subcommands")
        SUB("id", client_id, 2, ABOUT_CLIENT, "connection", "5.0.0",
            "Returns the client ID for the current connection")
            SUB("info", client_info, 2, ABOUT_CLIENT, "connection", "6.2.0",
                "Returns information about the current client connection.")
                SUB("list", client_list, -2, ABOUT_CLIENT | RESP_ADMIN, "connection", "2.4.0",
                    "Get the list of client connections")
                    SUB("setinfo", client_setinfo, 4, ABOUT_CLIENT, "connection", "7.2.0",
                        "Set the name or version of the client's library")
                        SUB("setname", client_setname, 3, ABOUT_CLIENT, "connection", "2.6.9",
                            "Set the current connection name")};

static const struct handler_resp_command command_subs[] = {
    SUB("count", command_count_of, 2, ABOUT, "server", "2.8.13",
        "Get total number of commands") SUB("docs", command_docs, -2, ABOUT, "server", "7.0.0",
                                            "Get array of specific command documentation")
        SUB("help", help, 2, ABOUT, "server", "5.0.0", "Show helpful text about the subcommands")
            SUB("info", command_info, -2, ABOUT, "server", "2.8.13",
                "Get array of specific commands") SUB("list", command_list, -2, ABOUT, "server",
                                                      "7.0.0", "Get an array of command names")};

static const struct handler_resp_command config_subs[] = {
    SUB("get", config_get, -3, ABOUT_CONFIG, "server", "2.0.0",
        "Get the values of configuration parameters")
        SUB("help", help, 2, ABOUT, "server", "5.0.0", "Show helpful text about the subcommands")
            SUB("resetstat", config_resetstat, 2, ABOUT_CONFIG, "server", "2.0.0",
                "Reset the counts of calls")};

const struct handler_resp_command handler_resp_commands[] = {
    COMMANDS(ROW)
        ALIAS("flushall", flush, -1, 0, 0, 0, REMOVES, "server", "1.0.0", "Remove all keys")
            ALIAS("flushdb", flush, -1, 0, 0, 0, REMOVES, "server", "1.0.0", "Remove all keys")
                ALIAS("unlink", del, -2, 1, -1, 1, REMOVES_FAST, "generic", "4.0.0",
                      "Delete a key"){.name = "client",
                                      .summary = "A container for client connection commands",
                                      .since = "2.4.0",
                                      .group = "connection",
                                      .arity = -2,
                                      SUBS_OF(client_subs)},
    {.name = "command",
     .summary = "Get array of command details",
     .since = "2.8.13",
     .group = "server",
     .arity = -1,
     .flags = ABOUT,
     .run = handler_resp_command,
     SUBS_OF(command_subs)},
    {.name = "config",
     .summary = "A container for server configuration commands",
     .since = "2.0.0",
     .group = "server",
     .arity = -2,
     SUBS_OF(config_subs)},
};
const size_t handler_resp_command_count =
    sizeof handler_resp_commands / sizeof handler_resp_commands[0];

/* ---- finding ---- */

/* Bytes of the longest name. */
#define NAME_NBYTES_MAX 11u

/* A power of two, so much larger than the table that few names share a place. */
#define SLOTS 512u

static uint8_t slots[SLOTS];
static pthread_once_t slots_once = PTHREAD_ONCE_INIT;

static uint32_t slot_of(struct cdx_bytes name)
{
    uint32_t hash = (uint32_t)name.len;
    for (size_t i = 0; i < name.len; i++)
        hash = hash * 31 + (name.data[i] | 0x20u);
    return (hash ^ hash >> 9) % SLOTS;
}

static void fill_slots(void)
{
    for (size_t i = 0; i < handler_resp_command_count; i++) {
        uint32_t slot = slot_of(cdx_cstr(handler_resp_commands[i].name));
        while (slots[slot] != 0)
            slot = (slot + 1) % SLOTS;
        slots[slot] = (uint8_t)(i + 1);
    }
}

void handler_resp_table_init(void)
{
    pthread_once(&slots_once, fill_slots);
}

const struct handler_resp_command *handler_resp_find(struct cdx_bytes name)
{
    if (name.len > NAME_NBYTES_MAX)
        return NULL;
    for (uint32_t slot = slot_of(name); slots[slot] != 0; slot = (slot + 1) % SLOTS) {
        const struct handler_resp_command *command = &handler_resp_commands[slots[slot] - 1];
        if (handler_resp_text_is(name, command->name))
            return command;
    }
    return NULL;
}

const struct handler_resp_command *handler_resp_find_sub(const struct handler_resp_command *command,
                                                         struct cdx_bytes name)
{
    for (size_t i = 0; i < command->sub_count; i++) {
        if (handler_resp_text_is(name, command->subs[i].name))
            return &command->subs[i];
    }
    return NULL;
}

/* ---- running ---- */

/* Bytes of what a client sent that an error repeats at most. */
#define QUOTED_NBYTES_MAX 128u

static int quoted_length(struct cdx_bytes text, size_t most)
{
    size_t n = text.len < most ? text.len : most;
    return (int)strnlen((const char *)text.data, n);
}

static void unknown_command(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    char quoted[QUOTED_NBYTES_MAX + 8];
    size_t n = 0;
    quoted[0] = '\0';
    for (size_t i = 1; i < count && n < QUOTED_NBYTES_MAX; i++) {
        n += (size_t)snprintf(quoted + n, sizeof quoted - n, "'%.*s' ",
                              quoted_length(args[i], QUOTED_NBYTES_MAX - n),
                              (const char *)args[i].data);
    }
    handler_resp_error_of(h, "ERR unknown command '%.*s', with args beginning with: %s",
                          quoted_length(args[0], QUOTED_NBYTES_MAX), (const char *)args[0].data,
                          quoted);
}

static void arity_error(struct handler *h, const char *container, const char *name)
{
    handler_resp_error_of(h, "ERR wrong number of arguments for '%s%s%s' command", container,
                          *container != '\0' ? "|" : "", name);
}

void handler_resp_arity_error(struct handler *h)
{
    arity_error(h, "", h->command->name);
}

static bool arity_fits(const struct handler_resp_command *command, size_t count)
{
    return command->arity >= 0 ? count == (size_t)command->arity : count >= (size_t)-command->arity;
}

static void run_sub(struct handler *h, const struct handler_resp_command *container,
                    const struct cdx_bytes *args, size_t count)
{
    const struct handler_resp_command *command = handler_resp_find_sub(container, args[1]);
    if (command == NULL) {
        char upper[NAME_NBYTES_MAX + 1] = {0};
        for (size_t i = 0; i < NAME_NBYTES_MAX && container->name[i] != '\0'; i++)
            upper[i] = (char)(container->name[i] - ('a' - 'A'));
        handler_resp_error_of(h, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                              quoted_length(args[1], QUOTED_NBYTES_MAX), (const char *)args[1].data,
                              upper);
    } else if (!arity_fits(command, count)) {
        arity_error(h, container->name, command->name);
    } else {
        command->run(h, args, count);
    }
}

static void count_call(struct handler *h, const struct handler_resp_command *command)
{
    _Atomic uint64_t *calls = &h->calls[command - handler_resp_commands];
    atomic_store_explicit(calls, atomic_load_explicit(calls, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&h->session->client.last, command, memory_order_relaxed);
}

void handler_resp_run(struct handler *h, const struct handler_resp_command *command,
                      const struct cdx_bytes *args, size_t count)
{
    h->command = command;
    if (command == NULL) {
        unknown_command(h, args, count);
        return;
    }
    if (!arity_fits(command, count)) {
        arity_error(h, "", command->name);
        return;
    }
    count_call(h, command);
    if (command->sub_count != 0 && count > 1)
        run_sub(h, command, args, count);
    else
        command->run(h, args, count);
}
