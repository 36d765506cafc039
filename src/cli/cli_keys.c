/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion of keys. Of `/img/ca` the last whole level is `/img`; its
 * children that begin with `/img/ca` are the candidates. A child may be a
 * stored key, or have keys below it, or both; it is offered as it is when it is stored,
 * and with a slash when more lies below, so that completion can go on there.
 */
#include "cli_keys.h"

#include "cli_walk.h"

struct search {
    struct cli *cli;
    struct cdx_bytes start;
    cli_key_fn *found;
    void *arg;
    size_t count;
};

static bool begins_with(struct cdx_bytes key, struct cdx_bytes start)
{
    return key.len >= start.len && (start.len == 0 || memcmp(key.data, start.data, start.len) == 0);
}

/* Passes `key` on, with a slash behind it if asked for. */
static enum cli_exit pass_on(struct search *search, struct cdx_bytes key, bool slash,
                             struct cli_failure *failure)
{
    struct cli_buf candidate = {0};
    cli_buf_add(&candidate, key.data, key.len);
    if (slash)
        cli_buf_byte(&candidate, '/');
    enum cli_exit exit = CLI_EXIT_DONE;
    if (!candidate.failed && !cdx_bytes_equal(cli_buf_bytes(&candidate), search->start)) {
        search->count++;
        exit = search->found(search->arg, cli_buf_bytes(&candidate), failure);
    }
    cli_buf_free(&candidate);
    return exit;
}

static enum cli_exit on_child(void *arg, const struct kv_response *row, struct cli_failure *failure)
{
    struct search *search = arg;
    struct kv_child child;
    struct cdx_parse_error error;
    enum cli_exit exit = CLI_EXIT_DONE;
    if (kv_child_decode(row->val, &child, &error) != CDX_OK)
        return cli_bad_body(search->cli, &error, failure);
    if (!begins_with(row->key, search->start) || search->count >= CLI_KEYS_MAX)
        return CLI_EXIT_DONE;
    bool stored = child.stored == KV_STORED_YES;
    bool ends_in_slash = row->key.len != 0 && row->key.data[row->key.len - 1] == '/';
    if (stored || ends_in_slash)
        exit = pass_on(search, row->key, false, failure);
    if (exit == CLI_EXIT_DONE && child.keys > stored && !ends_in_slash)
        exit = pass_on(search, row->key, true, failure);
    return exit;
}

/* The first `n` bytes of the beginning are the level to look below. */
static enum cli_exit look_below(struct search *search, size_t n, struct cli_failure *failure)
{
    struct cli_walk walk = {
        .call = KV_CALL_CHILDREN,
        .key = cdx_bytes_of(search->start.data, n),
        .limit = CLI_KEYS_MAX,
        .row = on_child,
        .arg = search,
    };
    return cli_walk(search->cli, &walk, failure);
}

enum cli_exit cli_keys_complete(struct cli *cli, struct cdx_bytes start, cli_key_fn *found,
                                void *arg, struct cli_failure *failure)
{
    struct search search = {.cli = cli, .start = start, .found = found, .arg = arg};
    if (start.len > KV_PATH_NBYTES_MAX)
        return CLI_EXIT_DONE;
    size_t level = start.len;
    while (level != 0 && start.data[level - 1] != '/')
        level--;
    /* The slash belongs to the level's name only when it is all of it: the level `/`. */
    return look_below(&search, level > 1 ? level - 1 : level, failure);
}
