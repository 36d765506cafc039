/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a file descriptor. The happy path is: the buffer holds a line feed
 * behind `next`, and the line is handed out where it lies. Otherwise the
 * incomplete line moves to the buffer's front and more is read behind it. It
 * can fail because read fails, the line outgrows the limit, or memory ends.
 */
#include "cli_lines.h"

#include "cli_interrupt.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

void cli_lines_init(struct cli_lines *lines, int fd, uint64_t line, uint64_t offset)
{
    *lines = (struct cli_lines){
        .fd = fd, .line_max = CLI_LINE_NBYTES_MAX, .line = line, .offset = offset};
}

void cli_lines_free(struct cli_lines *lines)
{
    cli_buf_free(&lines->buf);
}

/* Reads once behind the bytes held. CDX_OK, also at the end. */
static enum cdx_status read_more(struct cli_lines *lines)
{
    cli_buf_shift(&lines->buf, lines->next);
    lines->next = 0;
    uint8_t *room = cli_buf_reserve(&lines->buf, CLI_LINES_READ_NBYTES);
    if (room == NULL)
        return CDX_NO_MEMORY;
    ssize_t n;
    do
        n = read(lines->fd, room, CLI_LINES_READ_NBYTES);
    while (n < 0 && errno == EINTR && !cli_interrupted());
    if (n < 0) {
        lines->error = errno;
        return CDX_SYSTEM;
    }
    lines->buf.len += (size_t)n;
    lines->ended = n == 0;
    return CDX_OK;
}

/* Finds the line at `next`; `*feed` is 1 when a line feed ends it. */
static enum cdx_status find_line(struct cli_lines *lines, struct cdx_bytes *line, size_t *feed)
{
    size_t searched = 0;
    for (;;) {
        size_t held = lines->buf.len - lines->next;
        const uint8_t *start = held != 0 ? lines->buf.data + lines->next : NULL;
        const uint8_t *end =
            held > searched ? memchr(start + searched, '\n', held - searched) : NULL;
        size_t n = end != NULL ? (size_t)(end - start) : held;
        if (n > lines->line_max)
            return CDX_TOO_LONG;
        if (end != NULL || (lines->ended && held != 0)) {
            *line = cdx_bytes_of(start, n);
            *feed = end != NULL;
            return CDX_OK;
        }
        if (lines->ended)
            return CDX_CLOSED;
        searched = held;
        enum cdx_status status = read_more(lines);
        if (status != CDX_OK)
            return status;
    }
}

enum cdx_status cli_lines_peek(struct cli_lines *lines, struct cdx_bytes *line)
{
    size_t feed;
    return find_line(lines, line, &feed);
}

enum cdx_status cli_lines_next(struct cli_lines *lines, struct cdx_bytes *line)
{
    size_t feed = 0;
    enum cdx_status status = find_line(lines, line, &feed);
    if (status == CDX_OK || status == CDX_TOO_LONG)
        lines->line++;
    if (status == CDX_OK) {
        lines->next += line->len + feed;
        lines->offset += line->len + feed;
    }
    return status;
}

bool cli_lines_ready(const struct cli_lines *lines)
{
    struct pollfd look = {.fd = lines->fd, .events = POLLIN};
    size_t held = lines->buf.len - lines->next;
    if (held != 0 && memchr(lines->buf.data + lines->next, '\n', held) != NULL)
        return true;
    return lines->ended || poll(&look, 1, 0) != 0;
}

enum cli_exit cli_lines_failed(const struct cli_lines *lines, enum cdx_status status,
                               const char *name, struct cli_failure *failure)
{
    struct cli_shown shown;
    cli_show(&shown, cdx_cstr(name));
    if (status == CDX_SYSTEM && cli_interrupted())
        return cli_fail(failure, CLI_EXIT_INTERRUPTED, "interrupted");
    if (status == CDX_SYSTEM)
        return cli_fail(failure, CLI_EXIT_LOCAL, "%s: cannot read: %s", shown.text,
                        strerror(lines->error));
    if (status == CDX_NO_MEMORY)
        return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    return cli_fail(failure, CLI_EXIT_LOCAL, "%s:%" PRIu64 ": the line is %s (%zu bytes)",
                    shown.text, lines->line, cdx_status_text(status), lines->line_max);
}

const char *cli_lines_check(const struct cli_lines *lines)
{
    if (lines->next > lines->buf.len)
        return "next is at most what is held";
    if (lines->offset < lines->line)
        return "each line takes at least one byte, its line feed";
    return cli_buf_check(&lines->buf);
}
