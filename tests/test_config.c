/* SPDX-License-Identifier: Apache-2.0 */
/* Where values come from: precedence, and every mistake with its exact text. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define ARGS_MAX 8

static char directory[] = "/tmp/test_config.XXXXXX";
static char file[64];
static struct config config;
static char reported[65536];
static unsigned report_count;

/* Keeps the lines; the file's name becomes FILE. */
static void keep(void *arg, const char *line)
{
    const char *rest = strstr(line, file);
    size_t len = strlen(reported), room = sizeof reported - len;

    (void)arg;
    report_count++;
    if (rest == line)
        snprintf(reported + len, room, "FILE%s\n", line + strlen(file));
    else
        snprintf(reported + len, room, "%s\n", line);
}

static void write_bytes(const void *bytes, size_t len)
{
    FILE *out = fopen(file, "w");

    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

/* Loads with these arguments and variables, NULL at the end of each. */
static bool load(const char *const *args, const char *const *env)
{
    const char *argv[ARGS_MAX + 1] = {"caudexd"};
    struct config_input input = {.argv = argv, .env = env, .report = keep};
    int argc = 1;

    for (; args != NULL && args[argc - 1] != NULL; argc++)
        argv[argc] = args[argc - 1];
    input.argc = argc;
    reported[0] = '\0';
    report_count = 0;
    return config_load(&config, &input);
}

static bool load_file(const char *text)
{
    const char *const args[] = {"--config", file, NULL};

    write_bytes(text, strlen(text));
    return load(args, NULL);
}

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(file, sizeof file, "%s/conf", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(file);
    return rmdir(directory);
}

/* ---- precedence ---- */

static void nothing_said_means_the_defaults(void **state)
{
    struct options defaults;

    (void)state;
    options_init(&defaults);
    assert_true(load(NULL, NULL));
    assert_memory_equal(&config.options, &defaults, sizeof defaults);
    assert_int_equal(config.action, CONFIG_SERVE);
    assert_string_equal(config.file, "");
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++)
        assert_int_equal(config.origins[id].source, CONFIG_DEFAULT);
}

static void flags_win_over_environment_over_file_over_defaults(void **state)
{
    const char *const args[] = {"-c", file, "--backlog=4", NULL};
    const char *const env[] = {"CAUDEXD_BACKLOG=3", "CAUDEXD_WORKERS=3", NULL};
    static const char text[] = "backlog = 2\nworkers = 2\nconnections-max = 2\n";

    (void)state;
    write_bytes(text, sizeof text - 1);
    assert_true(load(args, env));
    assert_int_equal(config.options.backlog, 4);
    assert_int_equal(config.options.workers, 3);
    assert_int_equal(config.options.connections_max, 2);
    assert_int_equal(config.options.keepalive_s, 60);
    assert_int_equal(config.origins[OPTION_BACKLOG].source, CONFIG_COMMAND_LINE);
    assert_int_equal(config.origins[OPTION_WORKERS].source, CONFIG_ENVIRONMENT);
    assert_int_equal(config.origins[OPTION_CONNECTIONS_MAX].source, CONFIG_FILE);
    assert_int_equal(config.origins[OPTION_CONNECTIONS_MAX].line, 3);
    assert_int_equal(config.origins[OPTION_KEEPALIVE].source, CONFIG_DEFAULT);
}

static void addresses_of_a_source_replace_those_of_weaker_ones(void **state)
{
    const char *const args[] = {"-l", "127.0.0.1:4", "--listen=127.0.0.1:5", NULL};
    const char *const file_args[] = {"--config", file, NULL};
    const char *const env[] = {"CAUDEXD_LISTEN= 127.0.0.1:3  unix:/x ", NULL};
    static const char text[] = "listen = 127.0.0.1:1\nlisten = 127.0.0.1:2 # two\n";
    char listeners[OPTIONS_VALUE_NBYTES];

    (void)state;
    write_bytes(text, sizeof text - 1);
    assert_true(load(file_args, NULL));
    options_value_text(&config.options, OPTION_LISTEN, listeners);
    assert_string_equal(listeners, "127.0.0.1:1,handler=kv 127.0.0.1:2,handler=kv");
    assert_true(load(file_args, env));
    options_value_text(&config.options, OPTION_LISTEN, listeners);
    assert_string_equal(listeners, "127.0.0.1:3,handler=kv unix:/x,handler=kv,mode=0660");
    assert_true(load(args, env));
    options_value_text(&config.options, OPTION_LISTEN, listeners);
    assert_string_equal(listeners, "127.0.0.1:4,handler=kv 127.0.0.1:5,handler=kv");
}

static void the_file_is_named_by_flag_or_environment(void **state)
{
    const char *const args[] = {"--config=/nonexistent/flag", NULL};
    char variable[128];
    const char *const env[] = {variable, NULL};

    (void)state;
    snprintf(variable, sizeof variable, "CAUDEXD_CONFIG=%s", file);
    write_bytes("workers = 7\n", 12);
    assert_true(load(NULL, env));
    assert_int_equal(config.options.workers, 7);
    assert_string_equal(config.file, file);
    assert_false(load(args, env));
    assert_string_equal(reported,
                        "/nonexistent/flag: cannot read the configuration file: No such "
                        "file or directory\n");
}

static void a_relative_file_is_made_absolute(void **state)
{
    const char *const args[] = {"--config=conf", NULL};
    char before[4096];

    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    write_bytes("", 0);
    assert_int_equal(chdir(directory), 0);
    assert_true(load(args, NULL));
    assert_string_equal(config.file, file);
    assert_int_equal(chdir(before), 0);
}

static void a_reload_reads_the_file_it_is_told(void **state)
{
    const char *const argv[] = {"caudexd", "--config=/nonexistent", "-w", "3"};
    struct config_input input = {.argc = 4, .argv = argv, .file = file, .report = keep};

    (void)state;
    write_bytes("workers = 7\nbacklog = 8\n", 24);
    assert_true(config_load(&config, &input));
    assert_int_equal(config.options.workers, 3);
    assert_int_equal(config.options.backlog, 8);
}

/* ---- the file ---- */

static void space_comments_and_line_ends_do_not_matter(void **state)
{
    static const char *const texts[] = {
        "workers=5",
        "workers = 5\n",
        "\t workers\t=  5 \t\n",
        "workers = 5\r\n",
        "# comment\n\n   # another\nworkers = 5 # five\n",
        "#workers = 6\nworkers = 5\t#six",
        "workers = 5\n\n\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_true(load_file(texts[i]));
        assert_int_equal(config.options.workers, 5);
    }
}

static void a_hash_inside_a_value_is_part_of_it(void **state)
{
    (void)state;
    assert_true(load_file("pid-file = /run/a#b\nready-file = /run/a=b\n"));
    assert_string_equal(config.options.pid_file, "/run/a#b");
    assert_string_equal(config.options.ready_file, "/run/a=b");
}

static const struct {
    const char *text;
    const char *errors;
} mistakes[] = {
    {"workers = many",
     "FILE:1: key 'workers': got 'many', expected a whole number from 1 to 64 or "
     "auto\n"},
    {"\n\nworkers =\n",
     "FILE:3: key 'workers': got '', expected a whole number from 1 to 64 or auto\n"},
    {"idle-timeout = 5",
     "FILE:1: key 'idle-timeout': got '5', expected a duration from 100ms to "
     "8760h, such as 1h\n"},
    {"log-level = loud",
     "FILE:1: key 'log-level': got 'loud', expected debug, info, warn or error\n"},
    {"daemonize = maybe", "FILE:1: key 'daemonize': got 'maybe', expected yes or no\n"},
    {"pid-file = x.pid",
     "FILE:1: key 'pid-file': got 'x.pid', expected an absolute path or none\n"},
    {"listen = localhost:1",
     "FILE:1: key 'listen': got 'localhost:1', expected a literal IPv4 "
     "address, an IPv6 address in brackets or * before the port\n"},
    {"listen = 127.0.0.1:1\nlisten = 127.0.0.1:1",
     "FILE:2: key 'listen': got '127.0.0.1:1', expected each address once\n"},
    {"worker = 3", "FILE:1: key 'worker': unknown; did you mean 'workers'?\n"},
    {"port = 3", "FILE:1: key 'port': unknown; caudexd --help lists all\n"},
    {"config = /x", "FILE:1: key 'config': unknown; caudexd --help lists all\n"},
    {"Workers = 3", "FILE:1: key 'Workers': unknown; did you mean 'workers'?\n"},
    {"workers 3", "FILE:1: got 'workers 3', expected 'key = value'\n"},
    {"= 3", "FILE:1: got '= 3', expected 'key = value'\n"},
    {"[server]", "FILE:1: got '[server]', expected 'key = value'\n"},
    {"workers = 3\nbacklog = 5\nworkers = 3",
     "FILE:3: key 'workers': given again, expected once (first in line 1)\n"},
    {"workers = \x1b[31m\x7f",
     "FILE:1: key 'workers': got '\\x1b[31m\\x7f', expected a whole number "
     "from 1 to 64 or auto\n"},
    {"worker = 1\nbacklog = 0\nnonsense\nkeepalive = 1s\nlog-format = xml\n",
     "FILE:1: key 'worker': unknown; did you mean 'workers'?\n"
     "FILE:2: key 'backlog': got '0', expected a whole number from 1 to 65535\n"
     "FILE:3: got 'nonsense', expected 'key = value'\n"
     "FILE:5: key 'log-format': got 'xml', expected text or json\n"},
    {"output-low = 2MiB",
     "FILE:1: key 'output-low': got '2MiB', expected less than output-high (1MiB)\n"},
    {"output-high = 256KiB",
     "FILE:1: key 'output-high': got '256KiB', expected more than output-low (256KiB)\n"},
    {"output-high = 1MiB\noutput-low = 1MiB",
     "FILE:2: key 'output-low': got '1MiB', expected less than output-high (1MiB)\n"},
    {"daemonize = yes",
     "FILE:1: key 'daemonize': got 'yes', expected a log-target other than stderr with it\n"},
    {"pid-file = /x\nready-file = /x",
     "FILE:2: key 'ready-file': got '/x', expected another file than pid-file\n"},
};

static void every_mistake_in_a_file_has_its_place_and_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
        assert_false(load_file(mistakes[i].text));
        assert_string_equal(reported, mistakes[i].errors);
    }
}

static void a_nul_byte_is_a_mistake_of_its_line(void **state)
{
    const char *const args[] = {"--config", file, NULL};

    (void)state;
    write_bytes("workers = 3\nbacklog = 1\0\n", 25);
    assert_false(load(args, NULL));
    assert_string_equal(reported, "FILE:2: got a NUL byte, expected text\n");
}

static void a_long_value_is_cut_in_the_report(void **state)
{
    char text[600];

    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "workers = ", 10);
    text[sizeof text - 1] = '\0';
    assert_false(load_file(text));
    assert_non_null(strstr(reported, "xxx...', expected a whole number from 1 to 64 or auto\n"));
    assert_true(strlen(reported) < 250);
}

static void a_file_that_cannot_be_read_is_a_mistake(void **state)
{
    const char *const args[] = {"--config", directory, NULL};
    char expected[256];

    (void)state;
    assert_false(load(args, NULL));
    snprintf(expected, sizeof expected, "%s: cannot read the configuration file: Is a directory\n",
             directory);
    assert_string_equal(reported, expected);
}

static void a_file_that_is_no_configuration_is_refused_by_its_size(void **state)
{
    const char *const args[] = {"--config", file, NULL};
    char *text = malloc(CONFIG_FILE_NBYTES_MAX + 1);

    (void)state;
    assert_non_null(text);
    memset(text, '\n', CONFIG_FILE_NBYTES_MAX + 1);
    write_bytes(text, CONFIG_FILE_NBYTES_MAX - 1);
    assert_true(load(args, NULL));
    write_bytes(text, CONFIG_FILE_NBYTES_MAX + 1);
    assert_false(load(args, NULL));
    assert_string_equal(reported, "FILE: cannot read the configuration file: File too large\n");
    free(text);
}

static void reports_end_at_their_limit(void **state)
{
    char text[2 * CONFIG_ERRORS_MAX * 2 + 1];

    (void)state;
    for (size_t i = 0; i < 2 * CONFIG_ERRORS_MAX; i++)
        memcpy(text + 2 * i, "x\n", 2);
    text[sizeof text - 1] = '\0';
    assert_false(load_file(text));
    assert_int_equal(report_count, CONFIG_ERRORS_MAX);
}

/* ---- environment ---- */

static void mistakes_in_the_environment_name_the_variable(void **state)
{
    const char *const env[] = {"CAUDEXD_LOG_LEVEL=loud", "CAUDEXD_LISTEN=127.0.0.1:1 x", NULL};

    (void)state;
    assert_false(load(NULL, env));
    assert_string_equal(reported,
                        "environment: CAUDEXD_LISTEN: got 'x', expected ADDRESS:PORT, [IPV6]:PORT, "
                        "*:PORT or unix:/PATH\n"
                        "environment: CAUDEXD_LOG_LEVEL: got 'loud', expected debug, info, warn or "
                        "error\n");
}

static void variables_of_others_are_ignored(void **state)
{
    const char *const env[] = {"CAUDEXD_PORT=tcp://10.0.0.1:7117",
                               "CAUDEXD_SERVICE_HOST=10.0.0.1",
                               "CAUDEXD=x",
                               "XCAUDEXD_WORKERS=x",
                               "CAUDEXD_WORKERSX=x",
                               NULL};

    (void)state;
    assert_true(load(NULL, env));
}

static void variables_are_the_keys_in_capitals(void **state)
{
    char name[CONFIG_ENV_NBYTES];

    (void)state;
    config_env_name(OPTION_LOG_LEVEL, name);
    assert_string_equal(name, "CAUDEXD_LOG_LEVEL");
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        config_env_name(id, name);
        assert_int_equal(strlen(name), strlen(CONFIG_ENV_PREFIX) + strlen(options_table[id].key));
    }
}

/* ---- command line ---- */

static const struct {
    const char *args[ARGS_MAX];
    const char *errors;
} lines[] = {
    {{"--workers=x"},
     "command line: --workers: got 'x', expected a whole number from 1 to 64 or auto\n"},
    {{"--workers"}, "command line: --workers: expected a value behind it\n"},
    {{"-w"}, "command line: --workers: expected a value behind it\n"},
    {{"--config"}, "command line: --config: expected a value behind it\n"},
    {{"--config="}, "command line: --config: expected a path of 1 to 4095 bytes\n"},
    {{"--worker=3"}, "command line: --worker: unknown; did you mean --workers?\n"},
    {{"--worker", "3"}, "command line: --worker: unknown; did you mean --workers?\n"},
    {{"--worker", "--nope"},
     "command line: --worker: unknown; did you mean --workers?\n"
     "command line: --nope: unknown; --help lists all\n"},
    {{"-x"}, "command line: -x: unknown; --help lists all\n"},
    {{"-"}, "command line: -: unknown; --help lists all\n"},
    {{"--"}, "command line: --: unknown; --help lists all\n"},
    {{"conf"}, "command line: got 'conf', expected a flag\n"},
    {{""}, "command line: got '', expected a flag\n"},
    {{"--version=1"}, "command line: --version: got '1', expected no value\n"},
    {{"--daemonize=maybe"}, "command line: --daemonize: got 'maybe', expected yes or no\n"},
    {{"--daemonize"},
     "command line: --daemonize: got 'yes', expected a log-target other than "
     "stderr with it\n"},
    {{"--backlog=0", "-w0"},
     "command line: --backlog: got '0', expected a whole number from 1 to "
     "65535\ncommand line: --workers: got '0', expected a whole number from "
     "1 to 64 or auto\n"},
};

static void every_mistake_in_the_command_line_names_the_flag(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        assert_false(load(lines[i].args, NULL));
        assert_string_equal(reported, lines[i].errors);
    }
}

static void flags_take_values_in_every_usual_form(void **state)
{
    static const char *const forms[][3] = {
        {"--workers=9"}, {"--workers", "9"}, {"-w", "9"}, {"-w9"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        assert_true(load(forms[i], NULL));
        assert_int_equal(config.options.workers, 9);
    }
}

static void the_last_of_several_flags_wins(void **state)
{
    const char *const args[] = {"--workers=1", "--pin-workers", "--workers=2", "--pin-workers=no",
                                NULL};

    (void)state;
    assert_true(load(args, NULL));
    assert_int_equal(config.options.workers, 2);
    assert_int_equal(config.options.pin_workers, 0);
}

static void a_yes_or_no_flag_stands_alone(void **state)
{
    const char *const args[] = {"--pin-workers", "-d", "--log-target=syslog", NULL};

    (void)state;
    assert_true(load(args, NULL));
    assert_int_equal(config.options.pin_workers, 1);
    assert_int_equal(config.options.daemonize, 1);
}

static void flags_choose_the_action(void **state)
{
    static const struct {
        const char *args[3];
        enum config_action action;
    } chosen[] = {
        {{"--check-config"}, CONFIG_CHECK},
        {{"-t", "--workers=2"}, CONFIG_CHECK},
        {{"--help"}, CONFIG_HELP},
        {{"-h"}, CONFIG_HELP},
        {{"--version"}, CONFIG_VERSION},
        {{"-V"}, CONFIG_VERSION},
        {{"--print-config"}, CONFIG_PRINT_CONFIG},
        {{"--print-man"}, CONFIG_PRINT_MAN},
        {{"--version", "--help"}, CONFIG_VERSION},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(chosen); i++) {
        assert_true(load(chosen[i].args, NULL));
        assert_int_equal(config.action, chosen[i].action);
    }
}

static void help_works_whatever_the_file_says(void **state)
{
    const char *const args[] = {"--help", "--config=/nonexistent", NULL};
    const char *const env[] = {"CAUDEXD_WORKERS=x", NULL};

    (void)state;
    assert_true(load(args, env));
    assert_int_equal(config.action, CONFIG_HELP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_means_the_defaults),
        cmocka_unit_test(flags_win_over_environment_over_file_over_defaults),
        cmocka_unit_test(addresses_of_a_source_replace_those_of_weaker_ones),
        cmocka_unit_test(the_file_is_named_by_flag_or_environment),
        cmocka_unit_test(a_relative_file_is_made_absolute),
        cmocka_unit_test(a_reload_reads_the_file_it_is_told),
        cmocka_unit_test(space_comments_and_line_ends_do_not_matter),
        cmocka_unit_test(a_hash_inside_a_value_is_part_of_it),
        cmocka_unit_test(every_mistake_in_a_file_has_its_place_and_its_reason),
        cmocka_unit_test(a_nul_byte_is_a_mistake_of_its_line),
        cmocka_unit_test(a_long_value_is_cut_in_the_report),
        cmocka_unit_test(a_file_that_cannot_be_read_is_a_mistake),
        cmocka_unit_test(a_file_that_is_no_configuration_is_refused_by_its_size),
        cmocka_unit_test(reports_end_at_their_limit),
        cmocka_unit_test(mistakes_in_the_environment_name_the_variable),
        cmocka_unit_test(variables_of_others_are_ignored),
        cmocka_unit_test(variables_are_the_keys_in_capitals),
        cmocka_unit_test(every_mistake_in_the_command_line_names_the_flag),
        cmocka_unit_test(flags_take_values_in_every_usual_form),
        cmocka_unit_test(the_last_of_several_flags_wins),
        cmocka_unit_test(a_yes_or_no_flag_stands_alone),
        cmocka_unit_test(flags_choose_the_action),
        cmocka_unit_test(help_works_whatever_the_file_says),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
