/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the `resp` handler about its commands: all from the table. */
#include "handler_resp.h"
#include "handler_resp_text.h"

#include <stdio.h>

/* Longest name of a command behind that of its container: "client|setinfo". */
#define NAME_NBYTES_MAX 64u

static const struct {
    uint32_t flag;
    const char *name;
} flags[] = {
    {RESP_WRITE, "write"}, {RESP_READONLY, "readonly"}, {RESP_DENYOOM, "denyoom"},
    {RESP_ADMIN, "admin"}, {RESP_NOSCRIPT, "noscript"}, {RESP_LOADING, "loading"},
    {RESP_STALE, "stale"}, {RESP_FAST, "fast"},         {RESP_NO_AUTH, "no_auth"},
};

/* A command, and the one that it belongs to, or NULL. */
struct named {
    const struct handler_resp_command *command;
    const struct handler_resp_command *container;
};

static void append_name(struct handler *h, struct named named)
{
    char name[NAME_NBYTES_MAX];
    const char *container = named.container != NULL ? named.container->name : "";
    snprintf(name, sizeof name, "%s%s%s", container, *container != '\0' ? "|" : "",
             named.command->name);
    handler_resp_bulk_text(h, name);
}

static void append_flags(struct handler *h, const struct handler_resp_command *command)
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        count += (command->flags & flags[i].flag) != 0;
    handler_resp_array(h, count);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if ((command->flags & flags[i].flag) != 0)
            handler_resp_status(h, flags[i].name);
    }
}

/* All but the commands within it: categories, tips and specifications of keys are left empty. */
static void append_entry(struct handler *h, struct named named)
{
    const struct handler_resp_command *command = named.command;
    handler_resp_array(h, 10);
    append_name(h, named);
    handler_resp_integer(h, command->arity);
    append_flags(h, command);
    handler_resp_integer(h, command->first);
    handler_resp_integer(h, command->last);
    handler_resp_integer(h, command->step);
    handler_resp_array(h, 0);
    handler_resp_array(h, 0);
    handler_resp_array(h, 0);
}

static void append_info(struct handler *h, struct named named)
{
    const struct handler_resp_command *command = named.command;
    append_entry(h, named);
    handler_resp_array(h, command->sub_count);
    for (size_t i = 0; i < command->sub_count; i++) {
        append_entry(h, (struct named){&command->subs[i], command});
        handler_resp_array(h, 0);
    }
}

static void append_docs(struct handler *h, struct named named)
{
    const struct handler_resp_command *command = named.command;
    append_name(h, named);
    handler_resp_array(h, command->sub_count != 0 ? 8 : 6);
    handler_resp_bulk_text(h, "summary");
    handler_resp_bulk_text(h, command->summary);
    handler_resp_bulk_text(h, "since");
    handler_resp_bulk_text(h, command->since);
    handler_resp_bulk_text(h, "group");
    handler_resp_bulk_text(h, command->group);
    if (command->sub_count == 0)
        return;
    handler_resp_bulk_text(h, "subcommands");
    handler_resp_array(h, (uint64_t)command->sub_count * 2);
    for (size_t i = 0; i < command->sub_count; i++) {
        append_name(h, (struct named){&command->subs[i], command});
        handler_resp_array(h, 6);
        handler_resp_bulk_text(h, "summary");
        handler_resp_bulk_text(h, command->subs[i].summary);
        handler_resp_bulk_text(h, "since");
        handler_resp_bulk_text(h, command->subs[i].since);
        handler_resp_bulk_text(h, "group");
        handler_resp_bulk_text(h, command->subs[i].group);
    }
}

/* The command of that name, which may be "container|command"; its command is NULL: there is none.
 */
static struct named find(struct cdx_bytes name)
{
    const uint8_t *bar = name.len != 0 ? memchr(name.data, '|', name.len) : NULL;
    if (bar == NULL)
        return (struct named){handler_resp_find(name), NULL};
    size_t n = (size_t)(bar - name.data);
    struct named named = {.container = handler_resp_find(cdx_bytes_of(name.data, n))};
    if (named.container != NULL)
        named.command =
            handler_resp_find_sub(named.container, cdx_bytes_of(bar + 1, name.len - n - 1));
    return named;
}

void handler_resp_command(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)args;
    (void)count;
    handler_resp_array(h, handler_resp_command_count);
    for (size_t i = 0; i < handler_resp_command_count; i++)
        append_info(h, (struct named){&handler_resp_commands[i], NULL});
}

void handler_resp_command_count_of(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)args;
    (void)count;
    handler_resp_integer(h, (int64_t)handler_resp_command_count);
}

/* False: an error was answered. */
static bool names_fit(struct handler *h, size_t count)
{
    if (count > HANDLER_RESP_SECTIONS_MAX)
        handler_resp_error(h, RESP_ERROR_SYNTAX);
    return count <= HANDLER_RESP_SECTIONS_MAX;
}

void handler_resp_command_info(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    if (count == 2) {
        handler_resp_command(h, args, count);
        return;
    }
    if (!names_fit(h, count))
        return;
    handler_resp_array(h, count - 2);
    for (size_t i = 2; i < count; i++) {
        struct named named = find(args[i]);
        if (named.command != NULL)
            append_info(h, named);
        else
            handler_resp_null(h);
    }
}

void handler_resp_command_docs(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    size_t known = 0;
    if (count == 2) {
        handler_resp_array(h, handler_resp_command_count * 2);
        for (size_t i = 0; i < handler_resp_command_count; i++)
            append_docs(h, (struct named){&handler_resp_commands[i], NULL});
        return;
    }
    if (!names_fit(h, count))
        return;
    for (size_t i = 2; i < count; i++)
        known += find(args[i]).command != NULL;
    handler_resp_array(h, known * 2);
    for (size_t i = 2; i < count; i++) {
        struct named named = find(args[i]);
        if (named.command != NULL)
            append_docs(h, named);
    }
}

static bool name_matches(const struct handler_resp_command *command, struct cdx_bytes pattern)
{
    uint64_t steps = 0;
    return pattern.data == NULL ||
           handler_resp_text_matches(pattern, cdx_cstr(command->name), &steps);
}

void handler_resp_command_list(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct cdx_bytes pattern = cdx_empty();
    size_t known = 0;
    if (count != 2) {
        if (count != 5 || !handler_resp_text_is(args[2], "filterby") ||
            !handler_resp_text_is(args[3], "pattern") ||
            args[4].len > HANDLER_RESP_PATTERN_NBYTES_MAX) {
            handler_resp_error(h, RESP_ERROR_SYNTAX);
            return;
        }
        pattern = args[4];
    }
    for (size_t i = 0; i < handler_resp_command_count; i++)
        known += name_matches(&handler_resp_commands[i], pattern);
    handler_resp_array(h, known);
    for (size_t i = 0; i < handler_resp_command_count; i++) {
        if (name_matches(&handler_resp_commands[i], pattern))
            handler_resp_bulk_text(h, handler_resp_commands[i].name);
    }
}

void handler_resp_help(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    const struct handler_resp_command *container = handler_resp_find(args[0]);
    (void)count;
    handler_resp_array(h, 1 + (uint64_t)container->sub_count * 2);
    handler_resp_status_of(
        h, "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", container->name);
    for (size_t i = 0; i < container->sub_count; i++) {
        handler_resp_status_of(h, "%s", container->subs[i].name);
        handler_resp_status_of(h, "    %s", container->subs[i].summary);
    }
}
