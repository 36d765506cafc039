/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history file of the prompt. It may hold values that are nobody else's
 * business, so it and the folders made for it are the owner's alone. What
 * cannot be read or written is done without: a prompt without history is
 * better than none.
 */
#include "cli_history.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool cli_history_path(struct cli_buf *out)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    /* The XDG specification: a path that is not absolute is to be ignored. */
    if (state != NULL && state[0] == '/') {
        cli_buf_text(out, state);
    } else if (home != NULL && home[0] == '/') {
        cli_buf_text(out, home);
        cli_buf_text(out, "/.local/state");
    } else {
        return false;
    }
    cli_buf_text(out, "/caudex/history");
    cli_buf_byte(out, 0);
    return !out->failed;
}

/* Makes the folders above the file. */
static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdir(path, 0700);
        *slash = '/';
    }
}

void cli_history_load(History *history_of)
{
    struct cli_buf path = {0};
    HistEvent event;
    if (cli_history_path(&path))
        (void)history(history_of, &event, H_LOAD, (const char *)path.data);
    cli_buf_free(&path);
}

void cli_history_save(History *history_of)
{
    struct cli_buf path = {0};
    HistEvent event;
    if (cli_history_path(&path)) {
        make_folders((char *)path.data);
        /* Created by us first, so that nobody else can read it at any moment. */
        int fd = open((const char *)path.data, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0) {
            close(fd);
            (void)history(history_of, &event, H_SAVE, (const char *)path.data);
        }
    }
    cli_buf_free(&path);
}
