/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Writes JSON that is valid UTF-8 whatever the bytes are: a member that holds
 * bytes is named NAME with a JSON string when they are UTF-8, and NAME_base64
 * with their base64 form (RFC 4648 §4) when they are not.
 *
 *     struct cli_json json = cli_json_begin(&buf);
 *     cli_json_bytes(&json, "key", key);
 *     cli_json_u64(&json, "revision", 42);
 *     cli_json_end(&json);                       {"key":"/img","revision":42}
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "cli_buf.h"

/** Objects and arrays that may be open at once. */
#define CLI_JSON_DEPTH_MAX 8u

/* One object under construction; closers[0..depth) is what has yet to be closed. */
struct cli_json {
    struct cli_buf *out;
    char closers[CLI_JSON_DEPTH_MAX];
    unsigned depth;
    bool comma; /* the next member needs one before it */
};

/** Opens an object at the end of `out`. */
struct cli_json cli_json_begin(struct cli_buf *out);

/** Closes what was opened last; after the outermost object comes nothing: no line feed. */
void cli_json_end(struct cli_json *json);

/* Members. `name` is NULL inside an array. Names and strings given as char * must be UTF-8. */
void cli_json_bytes(struct cli_json *json, const char *name, struct cdx_bytes bytes);
void cli_json_text(struct cli_json *json, const char *name, const char *text);
void cli_json_u64(struct cli_json *json, const char *name, uint64_t number);
void cli_json_real(struct cli_json *json, const char *name, double number);
void cli_json_bool(struct cli_json *json, const char *name, bool value);
void cli_json_object(struct cli_json *json, const char *name);
void cli_json_array(struct cli_json *json, const char *name);

/** Appends `text`, which must be UTF-8, as a quoted JSON string. */
void cli_json_quote(struct cli_buf *out, struct cdx_bytes text);

#endif
