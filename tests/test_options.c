/* SPDX-License-Identifier: Apache-2.0 */
/* The option table: its own consistency, and every type with good and bad values. */
#include "options.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct options options;
static char expected[OPTIONS_EXPECTED_NBYTES];

static int start_at_defaults(void **state)
{
    (void)state;
    options_init(&options);
    expected[0] = '\0';
    return 0;
}

/* ---- the table ---- */

static void keys_are_lower_case_words_and_unique(void **state)
{
    (void)state;
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        const struct option_spec *spec = &options_table[id];

        assert_non_null(spec->key);
        for (const char *p = spec->key; *p != '\0'; p++)
            assert_true(islower((unsigned char)*p) || *p == '-');
        assert_int_equal(options_find(spec->key), id);
    }
    assert_int_equal(options_find("nothing"), OPTION_ID_COUNT);
}

static void every_option_has_text_and_a_range(void **state)
{
    (void)state;
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        const struct option_spec *spec = &options_table[id];
        size_t len = strlen(spec->doc);

        assert_true(len > 20 && spec->doc[len - 1] == '.');
        assert_true(isupper((unsigned char)spec->doc[0]));
        options_range_text(id, expected);
        assert_true(expected[0] != '\0');
        if (spec->type <= OPTION_TYPE_SECONDS)
            assert_true(spec->min < spec->max);
    }
}

static void defaults_are_written_as_the_table_says(void **state)
{
    (void)state;
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        char text[OPTIONS_VALUE_NBYTES];

        options_value_text(&options, id, text);
        assert_string_equal(text, options_table[id].initial);
    }
}

static void every_option_has_a_field_of_its_own(void **state)
{
    (void)state;
    for (enum option_id a = 0; a < OPTION_ID_COUNT; a++) {
        assert_true(options_table[a].offset < sizeof options);
        for (enum option_id b = 0; b < a; b++)
            assert_true(options_table[a].offset != options_table[b].offset);
    }
}

/* ---- values ---- */

static const struct {
    enum option_id id;
    const char *text;
    const char *written;  /* good: how it is written back; NULL: refused */
    const char *expected; /* refused: why */
} cases[] = {
    {OPTION_BACKLOG, "1", "1", NULL},
    {OPTION_BACKLOG, "65535", "65535", NULL},
    {OPTION_BACKLOG, "0", NULL, "a whole number from 1 to 65535"},
    {OPTION_BACKLOG, "65536", NULL, "a whole number from 1 to 65535"},
    {OPTION_BACKLOG, "auto", NULL, "a whole number from 1 to 65535"},
    {OPTION_CONNECTIONS_MAX, "1000000", "1000000", NULL},
    {OPTION_CONNECTIONS_MAX, "1000001", NULL, "a whole number from 1 to 1000000"},
    {OPTION_CONNECTIONS_MAX, "", NULL, "a whole number from 1 to 1000000"},
    {OPTION_WORKERS, "1", "1", NULL},
    {OPTION_WORKERS, "64", "64", NULL},
    {OPTION_WORKERS, "auto", "auto", NULL},
    {OPTION_WORKERS, "0", NULL, "a whole number from 1 to 64 or auto"},
    {OPTION_WORKERS, "65", NULL, "a whole number from 1 to 64 or auto"},
    {OPTION_WORKERS, "many", NULL, "a whole number from 1 to 64 or auto"},
    {OPTION_KEEPALIVE, "1s", "1s", NULL},
    {OPTION_KEEPALIVE, "120s", "2min", NULL},
    {OPTION_KEEPALIVE, "0s", NULL, "a duration from 1s to 2h, such as 1min"},
    {OPTION_KEEPALIVE, "500ms", NULL, "a duration from 1s to 2h, such as 1min"},
    {OPTION_IDLE_TIMEOUT, "100ms", "100ms", NULL},
    {OPTION_IDLE_TIMEOUT, "8760h", "8760h", NULL},
    {OPTION_IDLE_TIMEOUT, "99ms", NULL, "a duration from 100ms to 8760h, such as 1h"},
    {OPTION_IDLE_TIMEOUT, "0", NULL, "a duration from 100ms to 8760h, such as 1h"},
    {OPTION_REQUEST_TIMEOUT, "61min", NULL, "a duration from 100ms to 1h, such as 30s"},
    {OPTION_REQUEST_TIMEOUT, "30", NULL, "a duration from 100ms to 1h, such as 30s"},
    {OPTION_DRAIN_TIMEOUT, "1ms", "1ms", NULL},
    {OPTION_DRAIN_TIMEOUT, "0ms", NULL, "a duration from 1ms to 1h, such as 10s"},
    {OPTION_REQUEST_MAX, "65536", "64KiB", NULL},
    {OPTION_REQUEST_MAX, "1GiB", "1GiB", NULL},
    {OPTION_REQUEST_MAX, "65535", NULL, "a size from 64KiB to 1GiB, such as 17MiB"},
    {OPTION_REQUEST_MAX, "2GiB", NULL, "a size from 64KiB to 1GiB, such as 17MiB"},
    {OPTION_REQUEST_MAX, "1M", NULL, "a size from 64KiB to 1GiB, such as 17MiB"},
    {OPTION_OUTPUT_HIGH, "4KiB", "4KiB", NULL},
    {OPTION_OUTPUT_HIGH, "4095B", NULL, "a size from 4KiB to 1GiB, such as 1MiB"},
    {OPTION_OUTPUT_LOW, "1KiB", "1KiB", NULL},
    {OPTION_OUTPUT_LOW, "1", NULL, "a size from 1KiB to 1GiB, such as 256KiB"},
    {OPTION_PIN_WORKERS, "yes", "yes", NULL},
    {OPTION_PIN_WORKERS, "off", "no", NULL},
    {OPTION_PIN_WORKERS, "2", NULL, "yes or no"},
    {OPTION_DAEMONIZE, "true", "yes", NULL},
    {OPTION_DAEMONIZE, "", NULL, "yes or no"},
    {OPTION_LOG_LEVEL, "debug", "debug", NULL},
    {OPTION_LOG_LEVEL, "error", "error", NULL},
    {OPTION_LOG_LEVEL, "warning", NULL, "debug, info, warn or error"},
    {OPTION_LOG_FORMAT, "json", "json", NULL},
    {OPTION_LOG_FORMAT, "JSON", NULL, "text or json"},
    {OPTION_LOG_TARGET, "syslog", "syslog", NULL},
    {OPTION_LOG_TARGET, "/var/log/x", "/var/log/x", NULL},
    {OPTION_LOG_TARGET, "x.log", NULL, "an absolute path, stderr or syslog"},
    {OPTION_LOG_TARGET, "/", NULL, "an absolute path, stderr or syslog"},
    {OPTION_LOG_TARGET, "", NULL, "an absolute path, stderr or syslog"},
    {OPTION_PID_FILE, "/run/x.pid", "/run/x.pid", NULL},
    {OPTION_PID_FILE, "none", "none", NULL},
    {OPTION_PID_FILE, "syslog", NULL, "an absolute path or none"},
    {OPTION_READY_FILE, "./ready", NULL, "an absolute path or none"},
};

static void each_value_is_taken_or_refused_with_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[OPTIONS_VALUE_NBYTES];
        bool good;

        options_init(&options);
        good = options_set(&options, cases[i].id, cases[i].text, expected);
        options_value_text(&options, cases[i].id, text);
        if (good != (cases[i].written != NULL))
            fail_msg("%s = '%s'", options_table[cases[i].id].key, cases[i].text);
        assert_string_equal(text, good ? cases[i].written : options_table[cases[i].id].initial);
        if (!good)
            assert_string_equal(expected, cases[i].expected);
    }
}

static void paths_end_at_the_systems_limit(void **state)
{
    char path[OPTIONS_PATH_NBYTES + 2];

    (void)state;
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[OPTIONS_PATH_NBYTES] = '\0';
    assert_false(options_set(&options, OPTION_PID_FILE, path, expected));
    path[OPTIONS_PATH_NBYTES - 1] = '\0';
    assert_true(options_set(&options, OPTION_PID_FILE, path, expected));
    assert_string_equal(options.pid_file, path);
    assert_true(options_path_is_set(options.pid_file));
}

/* ---- listeners ---- */

static void listeners_add_up_to_the_limit(void **state)
{
    char text[LISTEN_TEXT_NBYTES], all[OPTIONS_VALUE_NBYTES];

    (void)state;
    for (unsigned i = 1; i < OPTIONS_LISTENERS_MAX; i++) {
        snprintf(text, sizeof text, "127.0.0.1:%u", i);
        assert_true(options_set(&options, OPTION_LISTEN, text, expected));
    }
    assert_int_equal(options.listener_count, OPTIONS_LISTENERS_MAX);
    assert_false(options_set(&options, OPTION_LISTEN, "127.0.0.1:100", expected));
    assert_string_equal(expected, "at most 16 addresses");
    options_value_text(&options, OPTION_LISTEN, all);
    assert_int_equal(strncmp(all, "127.0.0.1:7117,handler=kv 127.0.0.1:1,handler=kv ", 49), 0);
}

static void an_address_is_taken_once_unless_its_port_is_free(void **state)
{
    (void)state;
    assert_false(options_set(&options, OPTION_LISTEN, "127.0.0.1:7117,handler=echo", expected));
    assert_string_equal(expected, "each address once");
    assert_true(options_set(&options, OPTION_LISTEN, "127.0.0.1:0", expected));
    assert_true(options_set(&options, OPTION_LISTEN, "127.0.0.1:0", expected));
    assert_true(options_set(&options, OPTION_LISTEN, "unix:/x", expected));
    assert_false(options_set(&options, OPTION_LISTEN, "unix:/x,mode=0600", expected));
    assert_int_equal(options.listener_count, 4);
}

static void a_wrong_address_says_what_is_wrong_with_it(void **state)
{
    (void)state;
    assert_false(options_set(&options, OPTION_LISTEN, "127.0.0.1:99999", expected));
    assert_string_equal(expected, "a port from 0 to 65535 after the last ':'");
    assert_int_equal(options.listener_count, 1);
}

/* ---- copies, guesses ---- */

static void a_copy_changes_one_option_only(void **state)
{
    static const char *const others[OPTION_ID_COUNT] = {
        "unix:/x", "2",    "3",      "4s",  "5s",  "6s",    "6s",    "7MiB",
        "8MiB",    "9KiB", "10",     "yes", "11s", "12MiB", "evict", "/below",
        "debug",   "json", "syslog", "yes", "/12", "/13",
    };
    struct options changed;

    (void)state;
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        options_init(&options);
        options_init(&changed);
        assert_true(options_set(&changed, id, others[id], expected));
        assert_false(options_equal(&options, &changed, id));
        options_copy(&options, &changed, id);
        assert_memory_equal(&options, &changed, sizeof options);
    }
}

static void slips_are_guessed_and_nonsense_is_not(void **state)
{
    static const struct {
        const char *key;
        const char *nearest;
    } guesses[] = {
        {"worker", "workers"},
        {"wrokers", "workers"},
        {"log_level", "log-level"},
        {"loglevel", "log-level"},
        {"idle-timout", "idle-timeout"},
        {"connections_max", "connections-max"},
        {"max-connections", NULL},
        {"port", NULL},
        {"x", NULL},
        {"", NULL},
        {"a-key-that-is-much-longer-than-any-option-of-ours", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(guesses); i++) {
        const char *nearest = options_nearest(guesses[i].key);

        if (guesses[i].nearest == NULL)
            assert_null(nearest);
        else
            assert_string_equal(nearest, guesses[i].nearest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(keys_are_lower_case_words_and_unique, start_at_defaults),
        cmocka_unit_test_setup(every_option_has_text_and_a_range, start_at_defaults),
        cmocka_unit_test_setup(defaults_are_written_as_the_table_says, start_at_defaults),
        cmocka_unit_test_setup(every_option_has_a_field_of_its_own, start_at_defaults),
        cmocka_unit_test_setup(each_value_is_taken_or_refused_with_its_reason, start_at_defaults),
        cmocka_unit_test_setup(paths_end_at_the_systems_limit, start_at_defaults),
        cmocka_unit_test_setup(listeners_add_up_to_the_limit, start_at_defaults),
        cmocka_unit_test_setup(an_address_is_taken_once_unless_its_port_is_free, start_at_defaults),
        cmocka_unit_test_setup(a_wrong_address_says_what_is_wrong_with_it, start_at_defaults),
        cmocka_unit_test_setup(a_copy_changes_one_option_only, start_at_defaults),
        cmocka_unit_test_setup(slips_are_guessed_and_nonsense_is_not, start_at_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
