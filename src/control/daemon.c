/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report is one byte, the exit code, and text up to the pipe's end.
 *
 * Failure modes: fork or pipe fails (returned); the server dies before it has
 * reported, by a signal or an assertion (the pipe ends early: exit code 1).
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static size_t read_all(int fd, char *bytes, size_t size)
{
    size_t len = 0;
    ssize_t n = 1;

    while (n > 0 && len < size) {
        n = read(fd, bytes + len, size - len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            len += (size_t)n;
    }
    return len;
}

/* The command's part: waits for the report and exits as it says. */
_Noreturn static void wait_and_exit(int fd, pid_t child)
{
    static const char died[] = "\1caudexd: the server died before it was ready\n";
    char report[DAEMON_TEXT_NBYTES_MAX + 1];
    size_t len;

    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    len = read_all(fd, report, sizeof report);
    if (len == 0) {
        len = sizeof died - 1;
        memcpy(report, died, len);
    }
    write_all(STDERR_FILENO, report + 1, len - 1);
    _exit((unsigned char)report[0]); /* nothing of this process needs atexit */
}

enum cdx_status daemon_detach(int *report_fd)
{
    int ends[2];
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return CDX_SYSTEM;
    child = fork();
    if (child < 0) {
        close(ends[0]);
        close(ends[1]);
        return CDX_SYSTEM;
    }
    if (child > 0) {
        close(ends[1]);
        wait_and_exit(ends[0], child);
    }
    close(ends[0]);
    setsid();
    child = fork(); /* no session leader: it can never get a terminal again */
    if (child < 0)
        daemon_report_failure(ends[1], EXIT_FAILURE, "caudexd: cannot fork\n");
    if (child != 0)
        _exit(EXIT_SUCCESS);
    *report_fd = ends[1];
    return chdir("/") == 0 ? CDX_OK : CDX_SYSTEM; /* keeps no file system from being unmounted */
}

static void leave_terminal(void)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null_fd < 0)
        return;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        dup2(null_fd, fd);
    if (null_fd > STDERR_FILENO)
        close(null_fd);
}

void daemon_report_running(int report_fd)
{
    leave_terminal();
    write_all(report_fd, "\0", 1);
    close(report_fd);
}

void daemon_report_failure(int report_fd, int code, const char *text)
{
    char byte = (char)code;
    size_t len = strlen(text);

    if (write_all(report_fd, &byte, 1))
        write_all(report_fd, text, len < DAEMON_TEXT_NBYTES_MAX ? len : DAEMON_TEXT_NBYTES_MAX);
    close(report_fd);
}
