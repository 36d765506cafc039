/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line is made on the caller's stack and written under the mutex, which only
 * guards target and counters.
 *
 * Failure modes: the target cannot be opened (the caller hears why, the old
 * target stays); a line cannot be written, because the disk is full, the pipe
 * is closed or would block (counted, reported once writing works again).
 */
#include "log.h"

#include "log_line.h"

#include <assert.h>
#include <caudex/heap.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

const char *const log_level_names[] = {"debug", "info", "warn", "error", NULL};
const char *const log_format_names[] = {"text", "json", NULL};

/** Owner writes, group reads: logs may hold keys of customers. */
#define LOG_FILE_MODE 0640
/** "2026-01-02T03:04:05.678Z" with its NUL, and room for years that gcc thinks of. */
#define TIME_NBYTES 64u
/** What syslog knows us by. */
#define SYSLOG_NAME "caudexd"

/** Where lines go. */
struct target {
    int fd;    /* owned, unless it is STDERR_FILENO; -1: syslog */
    bool torn; /* the last line was written in part: the next one begins with a newline */
};

struct log {
    pthread_mutex_t mutex; /* guards all below */
    enum log_level level;
    enum log_format format;
    struct target target;
    uint64_t lost;       /* lines, since the log was opened */
    uint64_t lost_since; /* lines, since the last one that was written */
};

/* ---- targets ---- */

static bool is_syslog(const struct target *target)
{
    return target->fd < 0;
}

/* syslog(3) reports nothing, so try whether somebody listens. */
static bool syslog_answers(void)
{
    static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
    bool answers = false;

    for (size_t i = 0; i < sizeof types / sizeof types[0] && !answers; i++) {
        int fd = socket(AF_UNIX, types[i] | SOCK_CLOEXEC, 0);

        if (fd < 0)
            return false;
        answers = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
        close(fd);
    }
    return answers;
}

static bool target_open(const char *name, struct target *target)
{
    target->torn = false;
    if (strcmp(name, "stderr") == 0) {
        target->fd = STDERR_FILENO;
    } else if (strcmp(name, "syslog") == 0) {
        if (!syslog_answers())
            return false;
        openlog(SYSLOG_NAME, LOG_PID | LOG_NDELAY, LOG_DAEMON);
        target->fd = -1;
    } else {
        target->fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                          LOG_FILE_MODE);
        return target->fd >= 0;
    }
    return true;
}

static void target_close(struct target *target)
{
    if (is_syslog(target))
        closelog();
    else if (target->fd != STDERR_FILENO)
        close(target->fd);
}

static void open_error(const char *name, char error[LOG_ERROR_NBYTES])
{
    snprintf(error, LOG_ERROR_NBYTES, "cannot open the log %.150s: %s",
             strcmp(name, "syslog") == 0 ? "syslog (/dev/log)" : name, strerror(errno));
}

/* ---- lifecycle ---- */

enum cdx_status log_open(const struct log_config *config, struct log **log,
                         char error[LOG_ERROR_NBYTES])
{
    struct log *opened = cdx_calloc(1, sizeof *opened);

    if (opened == NULL) {
        snprintf(error, LOG_ERROR_NBYTES, "no memory for the log");
        return CDX_NO_MEMORY;
    }
    if (!target_open(config->target, &opened->target)) {
        open_error(config->target, error);
        cdx_free(opened);
        return CDX_SYSTEM;
    }
    pthread_mutex_init(&opened->mutex, NULL);
    opened->level = config->level;
    opened->format = config->format;
    *log = opened;
    return CDX_OK;
}

void log_close(struct log *log)
{
    if (log == NULL)
        return;
    target_close(&log->target);
    pthread_mutex_destroy(&log->mutex);
    cdx_free(log);
}

enum cdx_status log_reconfigure(struct log *log, const struct log_config *config,
                                char error[LOG_ERROR_NBYTES])
{
    struct target target;
    bool both_syslog;

    if (!target_open(config->target, &target)) {
        open_error(config->target, error);
        return CDX_SYSTEM;
    }
    pthread_mutex_lock(&log->mutex);
    both_syslog = is_syslog(&target) && is_syslog(&log->target);
    if (!both_syslog) /* openlog has just opened what closelog would close */
        target_close(&log->target);
    log->target = target;
    log->level = config->level;
    log->format = config->format;
    pthread_mutex_unlock(&log->mutex);
    return CDX_OK;
}

/* ---- writing ---- */

static void time_text(char text[TIME_NBYTES])
{
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    snprintf(text, TIME_NBYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", utc.tm_year + 1900,
             utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
             now.tv_nsec / 1000000);
}

static void make_line(struct log_line *line, bool with_time, enum log_level level,
                      const char *message, const struct log_field *fields, size_t count)
{
    char time[TIME_NBYTES];

    if (with_time) {
        time_text(time);
        log_line_add(line, &(struct log_field)LOG_TEXT("time", time));
    }
    log_line_add(line, &(struct log_field)LOG_TEXT("level", log_level_names[level]));
    log_line_add(line, &(struct log_field)LOG_TEXT("msg", message));
    for (size_t i = 0; i < count; i++)
        log_line_add(line, &fields[i]);
    log_line_end(line);
}

static ssize_t write_once(int fd, const char *bytes, size_t len)
{
    ssize_t n;

    do
        n = write(fd, bytes, len);
    while (n < 0 && errno == EINTR);
    return n;
}

static bool write_line(struct target *target, const struct log_line *line)
{
    ssize_t n;

    if (target->torn && write_once(target->fd, "\n", 1) != 1)
        return false;
    n = write_once(target->fd, line->text, line->len);
    target->torn = n > 0 && n < (ssize_t)line->len;
    return n == (ssize_t)line->len;
}

static void send_to_syslog(enum log_level level, const struct log_line *line)
{
    static const int priorities[] = {
        [LOG_LEVEL_DEBUG] = LOG_DEBUG,
        [LOG_LEVEL_INFO] = LOG_INFO,
        [LOG_LEVEL_WARN] = LOG_WARNING,
        [LOG_LEVEL_ERROR] = LOG_ERR,
    };

    syslog(priorities[level], "%.*s", (int)line->len - 1, line->text); /* without the newline */
}

/* With the mutex held. */
static bool emit(struct log *log, enum log_level level, const char *message,
                 const struct log_field *fields, size_t count)
{
    struct log_line line;

    log_line_begin(&line, log->format);
    make_line(&line, !is_syslog(&log->target), level, message, fields, count);
    if (!is_syslog(&log->target))
        return write_line(&log->target, &line);
    send_to_syslog(level, &line);
    return true;
}

static void report_lost(struct log *log)
{
    const struct log_field field = LOG_NUMBER("lines", log->lost_since);

    if (emit(log, LOG_LEVEL_WARN, "log lines were lost", &field, 1))
        log->lost_since = 0;
}

void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields, size_t count)
{
    if (log == NULL)
        return;
    pthread_mutex_lock(&log->mutex);
    if (level >= log->level) {
        if (log->lost_since > 0)
            report_lost(log);
        if (!emit(log, level, message, fields, count)) {
            log->lost++;
            log->lost_since++;
        }
    }
    pthread_mutex_unlock(&log->mutex);
}

uint64_t log_lost(const struct log *log)
{
    struct log *locked = (struct log *)log; /* the mutex is no part of what const promises */
    uint64_t lost;

    pthread_mutex_lock(&locked->mutex);
    lost = log->lost;
    pthread_mutex_unlock(&locked->mutex);
    return lost;
}
