/* SPDX-License-Identifier: Apache-2.0 */
/* The log: levels, targets, rotation, lost lines, threads. */
#include "log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "heap_fail.h"

static char directory[] = "/tmp/test_log.XXXXXX";
static char file[64], other[64];
static char error[LOG_ERROR_NBYTES];

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(file, sizeof file, "%s/log", directory);
    snprintf(other, sizeof other, "%s/other", directory);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(file);
    unlink(other);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

/* The whole file; the next call forgets it. */
static const char *content(const char *path)
{
    static char text[1 << 20];
    FILE *in = fopen(path, "r");
    size_t len;

    assert_non_null(in);
    len = fread(text, 1, sizeof text - 1, in);
    text[len] = '\0';
    assert_int_equal(fclose(in), 0);
    return text;
}

/* Behind "time=… " of the first line. */
static const char *without_time(const char *text)
{
    static const char shape[] = "time=dddd-dd-ddTdd:dd:dd.dddZ ";

    for (size_t i = 0; shape[i] != '\0'; i++) {
        if (shape[i] == 'd')
            assert_true(text[i] >= '0' && text[i] <= '9');
        else
            assert_int_equal(text[i], shape[i]);
    }
    return text + sizeof shape - 1;
}

/* The rest of `text`, which must begin so. */
static const char *behind(const char *text, const char *beginning)
{
    assert_memory_equal(text, beginning, strlen(beginning));
    return text + strlen(beginning);
}

static struct log *open_log(enum log_level level, enum log_format format, const char *target)
{
    const struct log_config config = {level, format, target};
    struct log *log = NULL;

    assert_int_equal(log_open(&config, &log, error), CDX_OK);
    return log;
}

static void a_line_has_time_level_message_and_fields(void **state)
{
    struct log *log = open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, file);

    (void)state;
    log_write(log, LOG_LEVEL_WARN, "two words", LOG_FIELDS(LOG_TEXT("a", "x"), LOG_NUMBER("n", 7)));
    log_close(log);
    assert_string_equal(without_time(content(file)), "level=warn msg=\"two words\" a=x n=7\n");
}

static void a_json_line_is_one_object(void **state)
{
    struct log *log = open_log(LOG_LEVEL_INFO, LOG_FORMAT_JSON, file);
    const char *text;

    (void)state;
    log_write(log, LOG_LEVEL_ERROR, "x", LOG_NO_FIELDS);
    log_close(log);
    text = content(file);
    assert_memory_equal(text, "{\"time\":\"", 9);
    assert_string_equal(text + 9 + 24, "\",\"level\":\"error\",\"msg\":\"x\"}\n");
}

static void messages_below_the_level_are_not_written(void **state)
{
    static const char *const wanted[] = {"debug", "info", "warn", "error"};

    (void)state;
    for (enum log_level level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_ERROR; level++) {
        struct log *log = open_log(level, LOG_FORMAT_TEXT, file);
        const char *text;

        for (enum log_level each = LOG_LEVEL_DEBUG; each <= LOG_LEVEL_ERROR; each++)
            log_write(log, each, wanted[each], LOG_NO_FIELDS);
        log_close(log);
        text = content(file);
        for (enum log_level each = LOG_LEVEL_DEBUG; each <= LOG_LEVEL_ERROR; each++)
            assert_int_equal(strstr(text, wanted[each]) != NULL, each >= level);
        unlink(file);
    }
}

static void a_file_is_appended_to_and_not_readable_by_others(void **state)
{
    struct stat status;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct log *log = open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, file);

        log_write(log, LOG_LEVEL_INFO, i == 0 ? "first" : "second", LOG_NO_FIELDS);
        log_close(log);
    }
    assert_non_null(strstr(content(file), "msg=first\n"));
    assert_non_null(strstr(content(file), "msg=second\n"));
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 007, 0);
}

static void a_log_that_cannot_be_opened_says_why(void **state)
{
    const struct log_config missing = {LOG_LEVEL_INFO, LOG_FORMAT_TEXT, "/nonexistent/log"};
    const struct log_config is_directory = {LOG_LEVEL_INFO, LOG_FORMAT_TEXT, "/tmp"};
    struct log *log = NULL;

    (void)state;
    assert_int_equal(log_open(&missing, &log, error), CDX_SYSTEM);
    assert_string_equal(error, "cannot open the log /nonexistent/log: No such file or directory");
    assert_int_equal(log_open(&is_directory, &log, error), CDX_SYSTEM);
    assert_string_equal(error, "cannot open the log /tmp: Is a directory");
    assert_null(log);
}

static void a_log_without_memory_is_refused(void **state)
{
    const struct log_config config = {LOG_LEVEL_INFO, LOG_FORMAT_TEXT, file};
    struct log *log = NULL;

    (void)state;
    heap_fail_install();
    heap_fail_at(1, 0);
    assert_int_equal(log_open(&config, &log, error), CDX_NO_MEMORY);
    assert_null(log);
    assert_int_equal(heap_fail_blocks(), 0);
    heap_fail_remove();
}

static void reopening_follows_a_rotation(void **state)
{
    const struct log_config config = {LOG_LEVEL_INFO, LOG_FORMAT_TEXT, file};
    struct log *log = open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, file);

    (void)state;
    log_write(log, LOG_LEVEL_INFO, "before", LOG_NO_FIELDS);
    assert_int_equal(rename(file, other), 0);
    log_write(log, LOG_LEVEL_INFO, "moved", LOG_NO_FIELDS);
    assert_int_equal(log_reconfigure(log, &config, error), CDX_OK);
    log_write(log, LOG_LEVEL_INFO, "after", LOG_NO_FIELDS);
    log_close(log);
    assert_non_null(strstr(content(other), "msg=moved\n"));
    assert_string_equal(without_time(content(file)), "level=info msg=after\n");
}

static void everything_can_be_changed_at_once(void **state)
{
    const struct log_config config = {LOG_LEVEL_ERROR, LOG_FORMAT_JSON, other};
    struct log *log = open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, file);

    (void)state;
    assert_int_equal(log_reconfigure(log, &config, error), CDX_OK);
    log_write(log, LOG_LEVEL_WARN, "no", LOG_NO_FIELDS);
    log_write(log, LOG_LEVEL_ERROR, "yes", LOG_NO_FIELDS);
    log_close(log);
    assert_string_equal(content(file), "");
    assert_memory_equal(content(other), "{\"time\"", 7);
    assert_null(strstr(content(other), "no"));
}

static void a_change_that_fails_leaves_the_log_as_it_was(void **state)
{
    const struct log_config config = {LOG_LEVEL_ERROR, LOG_FORMAT_JSON, "/nonexistent/log"};
    struct log *log = open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, file);

    (void)state;
    assert_int_equal(log_reconfigure(log, &config, error), CDX_SYSTEM);
    log_write(log, LOG_LEVEL_INFO, "still here", LOG_NO_FIELDS);
    log_close(log);
    assert_string_equal(without_time(content(file)), "level=info msg=\"still here\"\n");
}

static void a_null_log_is_ignored(void **state)
{
    (void)state;
    log_write(NULL, LOG_LEVEL_ERROR, "nobody", LOG_NO_FIELDS);
    log_close(NULL);
}

static void lines_for_a_full_disk_are_counted_and_dropped(void **state)
{
    struct log *log = open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, "/dev/full");

    (void)state;
    for (int i = 0; i < 3; i++)
        log_write(log, LOG_LEVEL_INFO, "x", LOG_NO_FIELDS);
    assert_int_equal(log_lost(log), 3);
    log_close(log);
}

/* A file may grow to `size` bytes, as if the disk were full then. */
static void limit_file_size(rlim_t size)
{
    struct rlimit limit = {size, RLIM_INFINITY};

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void lost_lines_are_reported_and_a_torn_line_is_ended(void **state)
{
    struct log *log = open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, file);
    const char *text;

    (void)state;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    log_write(log, LOG_LEVEL_INFO, "whole", LOG_NO_FIELDS);
    limit_file_size(100);
    log_write(log, LOG_LEVEL_INFO, "torn", LOG_NO_FIELDS);
    log_write(log, LOG_LEVEL_INFO, "lost", LOG_NO_FIELDS);
    limit_file_size(RLIM_INFINITY);
    log_write(log, LOG_LEVEL_INFO, "again", LOG_NO_FIELDS);
    log_write(log, LOG_LEVEL_INFO, "more", LOG_NO_FIELDS);
    assert_int_equal(log_lost(log), 2);
    log_close(log);
    text = content(file);
    assert_int_equal(text[100], '\n');
    text = behind(without_time(text + 101), "level=warn msg=\"log lines were lost\" lines=2\n");
    text = behind(without_time(text), "level=info msg=again\n");
    assert_string_equal(without_time(text), "level=info msg=more\n");
}

static void a_closed_pipe_loses_lines_and_nothing_else(void **state)
{
    int ends[2], saved = dup(STDERR_FILENO);
    struct log *log = open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, "stderr");
    uint64_t lost;

    (void)state;
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    log_write(log, LOG_LEVEL_INFO, "x", LOG_NO_FIELDS);
    lost = log_lost(log);
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    close(saved);
    assert_int_equal(lost, 1);
    log_close(log);
    assert_true(fcntl(STDERR_FILENO, F_GETFD) >= 0); /* it is not ours to close */
}

#define THREADS 4
#define LINES_PER_THREAD 250

static void *write_lines(void *log)
{
    for (uint64_t i = 0; i < LINES_PER_THREAD; i++)
        log_write(log, LOG_LEVEL_INFO, "line", LOG_FIELDS(LOG_NUMBER("n", i)));
    return NULL;
}

static void lines_of_several_threads_stay_whole(void **state)
{
    struct log *log = open_log(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, file);
    pthread_t threads[THREADS];
    const char *text;
    unsigned lines = 0;

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, log), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    log_close(log);
    for (text = content(file); *text != '\0'; lines++) {
        text = behind(without_time(text), "level=info msg=line n=");
        text = strchr(text, '\n') + 1;
    }
    assert_int_equal(lines, THREADS * LINES_PER_THREAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_line_has_time_level_message_and_fields, remove_files),
        cmocka_unit_test_teardown(a_json_line_is_one_object, remove_files),
        cmocka_unit_test_teardown(messages_below_the_level_are_not_written, remove_files),
        cmocka_unit_test_teardown(a_file_is_appended_to_and_not_readable_by_others, remove_files),
        cmocka_unit_test(a_log_that_cannot_be_opened_says_why),
        cmocka_unit_test_teardown(a_log_without_memory_is_refused, remove_files),
        cmocka_unit_test_teardown(reopening_follows_a_rotation, remove_files),
        cmocka_unit_test_teardown(everything_can_be_changed_at_once, remove_files),
        cmocka_unit_test_teardown(a_change_that_fails_leaves_the_log_as_it_was, remove_files),
        cmocka_unit_test(a_null_log_is_ignored),
        cmocka_unit_test(lines_for_a_full_disk_are_counted_and_dropped),
        cmocka_unit_test_teardown(lost_lines_are_reported_and_a_torn_line_is_ended, remove_files),
        cmocka_unit_test(a_closed_pipe_loses_lines_and_nothing_else),
        cmocka_unit_test_teardown(lines_of_several_threads_stay_whole, remove_files),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
