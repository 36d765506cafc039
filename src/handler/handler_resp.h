/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the files of the `resp` handler share: Redis's commands on the store.
 *
 *     handler_resp.c             the turn
 *     handler_resp_wire.{c,h}    commands, and mistakes, out of a stream of bytes
 *     handler_resp_table.c       one row per command, found by its name
 *     handler_resp_{string,number,key,space,path,connection,client,server,about}.c   the commands
 *     handler_resp_more.c        answers that go on over several turns
 *     handler_resp_reply.c       how an answer is appended
 *     handler_resp_text.{c,h}    numbers, patterns, inline commands: bytes only
 *
 * Texts of errors are those of Redis 7.0. All commands, and what differs from Redis, are listed in
 * resp.md.
 */
#ifndef HANDLER_HANDLER_RESP_H
#define HANDLER_HANDLER_RESP_H

#include "handler_parked.h"
#include "handler_probes.h"
#include "handler_resp_wire.h"
#include "handler_section.h"

#include <stdatomic.h>

/* ---- limits ---- */

/**
 * Most keys that one command may write, all or none of them, or ask after without an answer to
 * each: they are done within one turn, some milliseconds.
 */
#define HANDLER_RESP_KEYS_MAX STORE_BATCH_OPS_MAX

/** Keys of `MGET`, and rows of any answer, per turn: the connections in between wait no longer. */
#define HANDLER_RESP_ROWS_MAX 1000u

/** Steps of comparing keys with a pattern per turn: about a millisecond. */
#define HANDLER_RESP_STEPS_MAX (1u << 20)

/** Longest pattern, in bytes: with the longest key, no comparison takes more than four times those.
 */
#define HANDLER_RESP_PATTERN_NBYTES_MAX 1024u

/** Keys that one `SCAN` visits at most, whatever its COUNT, and bytes after which it ends. */
#define HANDLER_RESP_SCAN_KEYS_MAX 1000u
#define HANDLER_RESP_SCAN_NBYTES_MAX (1u << 20)

/** Places of the store that `RANDOMKEY` looks at before it takes the first key there is. */
#define HANDLER_RESP_RANDOM_STEPS_MAX 10000u

/** Longest name that a client gives itself or its library, in bytes. */
#define HANDLER_RESP_NAME_NBYTES_MAX 256u

/** Names of sections, parameters, commands and clients in one question: bounds its answer. */
#define HANDLER_RESP_SECTIONS_MAX 1000u
#define HANDLER_RESP_CLIENT_IDS_MAX 100u

/** Memory that a handler keeps from one turn to the next for arguments and for values it builds. */
#define HANDLER_RESP_KEEP_NBYTES 65536u

/** Keys of one command whose memory accesses overlap; more gain nothing. */
#define HANDLER_RESP_GROUP 16u

/** Keys of one command whose memory is asked for before the first of them is written: it stays in
 * the cache. */
#define HANDLER_RESP_FETCH_MAX 256u

/** The longest reply of a fixed form, in bytes: a number, a status. */
#define HANDLER_RESP_SHORT_NBYTES_MAX 64u

/* ---- errors that several commands give ---- */

#define RESP_ERROR_SYNTAX "ERR syntax error"
#define RESP_ERROR_NUMBER "ERR value is not an integer or out of range"
#define RESP_ERROR_MEMORY "OOM command not allowed when used memory > 'maxmemory'."
#define RESP_ERROR_KEY_LENGTH "ERR key is longer than 4096 bytes"
#define RESP_ERROR_VALUE_LENGTH "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
#define RESP_ERROR_REPLY_LENGTH "ERR answer is longer than 16777216 bytes"
#define RESP_ERROR_KEYS "ERR more than 65536 keys in one command"
#define RESP_ERROR_PATTERN "ERR pattern is longer than 1024 bytes"
#define RESP_ERROR_BUSY "BUSY too many long answers at a time"

/* ---- types ---- */

/** Carries out a command: `args[0]` is its name; the views are borrowed for the call. */
typedef void handler_resp_function(struct handler *h, const struct cdx_bytes *args, size_t count);

enum handler_resp_flag {
    RESP_WRITE = 1u << 0,
    RESP_READONLY = 1u << 1,
    RESP_DENYOOM = 1u << 2,
    RESP_ADMIN = 1u << 3,
    RESP_NOSCRIPT = 1u << 4,
    RESP_LOADING = 1u << 5,
    RESP_STALE = 1u << 6,
    RESP_FAST = 1u << 7,
    RESP_NO_AUTH = 1u << 8,
};

/** What is looked up of a command's first key ahead of it. */
enum handler_resp_probe { RESP_PROBE_NONE, RESP_PROBE_KEY, RESP_PROBE_MATCH };

/** One command. */
struct handler_resp_command {
    const char *name; /* in small letters */
    const char *summary;
    const char *since; /* the version of Redis that had it first, or ours */
    const char *group;
    handler_resp_function *run; /* NULL: one of `subs` is named by the next argument */
    const struct handler_resp_command *subs;
    uint32_t flags; /* enum handler_resp_flag */
    uint8_t sub_count;
    int8_t arity; /* arguments with the name; negative: at least so many */
    int8_t first; /* where the keys are, as in Redis's COMMAND; 0: there are none */
    int8_t last;
    int8_t step;
    uint8_t probe; /* enum handler_resp_probe */
};

/** An answer that goes on over several turns; see handler_resp_more.c. */
struct handler_resp_more;

/** What others may see of a connection; all but the atomics under the list's lock. */
struct handler_resp_client {
    uint64_t id;
    uint64_t begun_ms; /* on the store's clock, as the next */
    _Atomic uint64_t active_ms;
    _Atomic(const struct handler_resp_command *) last;
    char *name; /* NULL: none */
    char *library;
    char *library_version;
    struct handler_resp_client *next;
    struct handler_resp_client **link;
};

/** One connection. */
struct handler_session {
    struct handler_resp_stream stream;
    struct handler_resp_client client;
    struct handler_resp_more *more; /* the answer that goes on; NULL: none */
};

/** One loop's resp handler. */
struct handler {
    struct handler_requests requests;
    struct handler_section section;
    struct handler_probes probes;
    const struct handler_env *env;

    /* whose command is carried out, and where it puts its answer */
    struct handler_session *session;
    struct handler_output *out;
    const struct handler_resp_command *command;
    const struct store_probe *probe; /* of its first key */
    size_t answer_begun;             /* length of the output before the answer */
    bool no_room;                    /* an answer could not be appended whole */
    bool closing;                    /* the answer was the connection's last */

    struct handler_output scratch; /* a value, or rows, while they are put together */
    struct cdx_bytes *args;        /* of the present command, and bytes of theirs */
    size_t args_nbytes;
    struct store_op *ops; /* of the present command; room for `ops_cap` */
    size_t ops_cap;
    struct store_probe group_probes[HANDLER_RESP_GROUP];

    /* Written by this loop only, read by any. */
    _Atomic uint64_t *calls; /* by row of the table */
    struct handler *next_open;
};

/* ---- replies: each is appended whole, or `no_room` is set ---- */

/** `+text` */
void handler_resp_status(struct handler *h, const char *text);
void handler_resp_ok(struct handler *h);
/** Like handler_resp_status(), as printf has it; at most 512 bytes. */
__attribute__((format(printf, 2, 3))) void handler_resp_status_of(struct handler *h,
                                                                  const char *format, ...);
/** `-text`, whose first word is its kind: "ERR …". */
void handler_resp_error(struct handler *h, const char *text);
/** Like handler_resp_error(), as printf has it; at most 512 bytes, without line ends at its end;
 * others are blanks. */
__attribute__((format(printf, 2, 3))) void handler_resp_error_of(struct handler *h,
                                                                 const char *format, ...);
/** `:number` */
void handler_resp_integer(struct handler *h, int64_t number);
/** An error instead where the bytes are more than a bulk string may have. */
void handler_resp_bulk(struct handler *h, struct cdx_bytes bytes);
void handler_resp_bulk_text(struct handler *h, const char *text);
void handler_resp_bulk_integer(struct handler *h, int64_t number);
/** The bulk string that is not there. */
void handler_resp_null(struct handler *h);
/** The head of an array; its elements follow. */
void handler_resp_array(struct handler *h, uint64_t count);
void handler_resp_null_array(struct handler *h);
/** Replies that were put together elsewhere. */
void handler_resp_raw(struct handler *h, struct cdx_bytes replies);

/** Takes room for a short reply before a write, which must not happen when it cannot be answered.
 */
bool handler_resp_room(struct handler *h);

/** The error of a write that did not happen. */
void handler_resp_write_failed(struct handler *h, enum store_status status);

/** "ERR wrong number of arguments for '…' command", of the present command. */
void handler_resp_arity_error(struct handler *h);

/** A number in decimal; otherwise false, and the error is answered. */
bool handler_resp_number_arg(struct handler *h, struct cdx_bytes text, int64_t *number);

/* ---- time ---- */

/** Milliseconds since 1970. */
int64_t handler_resp_unix_ms(void);

/** When a value ends, as the store has it, that ends after `ms`, or at `unix_ms`; what is past is
 * past there too. */
uint64_t handler_resp_expires_in(const struct handler *h, int64_t ms);
uint64_t handler_resp_expires_at(const struct handler *h, int64_t unix_ms);

/** Gives a key that is there this end (0: none), which removes it when that is past. Inside a write
 * section. */
enum store_status handler_resp_end(struct handler *h, struct cdx_bytes key, uint64_t expires_ms);

/* ---- the table ---- */

extern const struct handler_resp_command handler_resp_commands[];
extern const size_t handler_resp_command_count;

/** Before any other function of the table. */
void handler_resp_table_init(void);

/** The row of that name, whatever its case, or NULL. */
const struct handler_resp_command *handler_resp_find(struct cdx_bytes name);
const struct handler_resp_command *handler_resp_find_sub(const struct handler_resp_command *command,
                                                         struct cdx_bytes name);

/** Carries out a command that was found as `command` (NULL: there is none of its name). */
void handler_resp_run(struct handler *h, const struct handler_resp_command *command,
                      const struct cdx_bytes *args, size_t count);

/* ---- many keys ---- */

/** Room for `count` operations at `h->ops`; false: no memory, which was answered. */
bool handler_resp_ops(struct handler *h, size_t count);

/** Inside a write section: carries out `count` operations of `h->ops`, all or none; otherwise
 * false, and the error is answered. */
bool handler_resp_batch(struct handler *h, size_t count, uint64_t *revision);

/** False: no further one. */
typedef bool handler_resp_visit(struct handler *h, void *arg, const struct store_entry *entry);

/**
 * Visits the entry of each key, or NULL, in the keys' order, and returns how many it
 * visited; their memory accesses overlap. Inside a read section.
 */
size_t handler_resp_each(struct handler *h, const struct cdx_bytes *keys, size_t count,
                         handler_resp_visit *visit, void *arg);

/* ---- answers that go on ---- */

/** The rows of `KEYS pattern`, `LPMALL key` or `CHILDREN key`. */
enum handler_resp_rows { RESP_ROWS_KEYS, RESP_ROWS_MATCHES, RESP_ROWS_CHILDREN };
void handler_resp_rows(struct handler *h, enum handler_resp_rows rows, struct cdx_bytes argument);

/** The values of the keys, or null. */
void handler_resp_values(struct handler *h, const struct cdx_bytes *keys, size_t count);

/** Goes on with the session's answer; `session->more` is NULL afterwards when it is through. */
void handler_resp_go_on(struct handler *h);

/** Ends the session's answer, if any, without a word. */
void handler_resp_more_drop(struct handler_session *session);

/* ---- clients and handlers of the process ---- */

void handler_resp_client_begin(struct handler *h, struct handler_resp_client *client);
void handler_resp_client_end(struct handler_resp_client *client);

/** Gives the session's client a name, none if it is empty; false: an error was answered. */
bool handler_resp_client_name(struct handler *h, struct cdx_bytes name);

/** Forgets the name: as when the connection began. */
void handler_resp_client_reset(struct handler_resp_client *client);

void handler_resp_opened(struct handler *h);
void handler_resp_closed(struct handler *h);

/* ---- the commands ---- */

#define RESP_FUNCTION(name)                                                                        \
    void handler_resp_##name(struct handler *, const struct cdx_bytes *, size_t)
RESP_FUNCTION(get);
RESP_FUNCTION(set);
RESP_FUNCTION(setex);
RESP_FUNCTION(psetex);
RESP_FUNCTION(setnx);
RESP_FUNCTION(getset);
RESP_FUNCTION(getdel);
RESP_FUNCTION(getex);
RESP_FUNCTION(append);
RESP_FUNCTION(strlen);
RESP_FUNCTION(incr);
RESP_FUNCTION(decr);
RESP_FUNCTION(incrby);
RESP_FUNCTION(decrby);
RESP_FUNCTION(mget);
RESP_FUNCTION(mset);
RESP_FUNCTION(msetnx);

RESP_FUNCTION(del);
RESP_FUNCTION(exists);
RESP_FUNCTION(type);
RESP_FUNCTION(expire);
RESP_FUNCTION(pexpire);
RESP_FUNCTION(expireat);
RESP_FUNCTION(pexpireat);
RESP_FUNCTION(ttl);
RESP_FUNCTION(pttl);
RESP_FUNCTION(expiretime);
RESP_FUNCTION(pexpiretime);
RESP_FUNCTION(persist);

RESP_FUNCTION(scan);
RESP_FUNCTION(keys);
RESP_FUNCTION(dbsize);
RESP_FUNCTION(randomkey);
RESP_FUNCTION(flush);

RESP_FUNCTION(lpm);
RESP_FUNCTION(lpmall);
RESP_FUNCTION(children);
RESP_FUNCTION(drop);

RESP_FUNCTION(ping);
RESP_FUNCTION(echo);
RESP_FUNCTION(select);
RESP_FUNCTION(hello);
RESP_FUNCTION(auth);
RESP_FUNCTION(quit);
RESP_FUNCTION(reset);
RESP_FUNCTION(client_id);
RESP_FUNCTION(client_setname);
RESP_FUNCTION(client_getname);
RESP_FUNCTION(client_setinfo);
RESP_FUNCTION(client_list);
RESP_FUNCTION(client_info);

RESP_FUNCTION(info);
RESP_FUNCTION(time);
RESP_FUNCTION(config_get);
RESP_FUNCTION(config_resetstat);

RESP_FUNCTION(command);
RESP_FUNCTION(command_count_of);
RESP_FUNCTION(command_docs);
RESP_FUNCTION(command_info);
RESP_FUNCTION(command_list);
RESP_FUNCTION(help);
#undef RESP_FUNCTION

#endif
