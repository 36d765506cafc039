/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of the command table and of reading command lines by it. */
#include "cli_args.h"

#include "cli_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Splits at blanks; the words stay valid until the next call. */
static enum cli_exit parse(const char *line, struct cli_args *args, struct cli_failure *failure)
{
    static char copy[512];
    static struct cdx_bytes words[32];
    size_t count = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = cdx_cstr(word);
    return cli_args_parse(words, count, args, failure);
}

static void errors_say_what_is_expected(void **state)
{
    static const struct {
        const char *line;
        const char *text;
        const char *help;
    } cases[] = {
        {"get", "expected KEY, got 0 arguments", "get"},
        {"get a b", "expected KEY, got 2 arguments", "get"},
        {"put", "expected KEY VALUE, got 0 arguments", "put"},
        {"put a b c", "expected KEY VALUE, got 3 arguments", "put"},
        {"stats x", "expected no arguments, got 1 argument", "stats"},
        {"count a b", "expected [KEY], got 2 arguments", "count"},
        {"gte /x", "unknown command 'gte'; did you mean 'get'?", ""},
        {"mat /x", "unknown command 'mat'; did you mean 'match'?", ""},
        {"frobnicate", "unknown command 'frobnicate'", ""},
        {"x", "unknown command 'x'", ""},
        {"list --limt 3", "unknown option '--limt'; did you mean '--limit'?", "list"},
        {"--sever x get", "unknown option '--sever'; did you mean '--server'?", ""},
        {"put k -5", "unknown option '-5' (before an argument that begins with '-', write '--')",
         "put"},
        {"list --limit", "--limit: expected N after it, got nothing", "list"},
        {"list -n", "--limit: expected N after it, got nothing", "list"},
        {"list --limit x", "--limit: expected a number from 0 to 18446744073709551615, got 'x'",
         "list"},
        {"list --limit -1", "--limit: expected a number from 0 to 18446744073709551615, got '-1'",
         "list"},
        {"bench --pipeline 0", "--pipeline: expected a number from 1 to 4096, got '0'", "bench"},
        {"bench -p4097", "--pipeline: expected a number from 1 to 4096, got '4097'", "bench"},
        {"load --format=xml f", "--format: expected auto, tsv, json or keys, got 'xml'", "load"},
        {"--color no get k", "--color: expected auto, always or never, got 'no'", ""},
        {"--timeout 5x get k",
         "--timeout: expected a time like 250ms, 1.5s or 2m, from 1.00 ms to 3600 s, got '5x'", ""},
        {"get --revision=1 k", "--revision: takes no value", "get"},
        {"get -z k", "unknown option '-z' (before an argument that begins with '-', write '--')",
         "get"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cli_args args;
        struct cli_failure failure;
        if (parse(cases[i].line, &args, &failure) != CLI_EXIT_USAGE)
            fail_msg("'%s' was accepted", cases[i].line);
        assert_string_equal(failure.text, cases[i].text);
        assert_string_equal(failure.help, cases[i].help);
    }
}

static void options_stand_anywhere_and_in_any_form(void **state)
{
    static const char *const lines[] = {
        "--server h:1 --json list --limit 3 --keys /k",
        "list /k --limit=3 --keys -j -s h:1",
        "-jsh:1 list -kn3 /k",
        "-s h:1 ls -k -n 3 -j /k",
        "list --server=h:1 -jkn 3 -- /k",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct cli_args args;
        struct cli_failure failure;
        assert_int_equal(parse(lines[i], &args, &failure), CLI_EXIT_DONE);
        assert_string_equal(args.command->name, "list");
        assert_string_equal(cli_opt_text(&args, CLI_OPT_SERVER), "h:1");
        assert_true(cli_given(&args, CLI_OPT_JSON));
        assert_true(cli_given(&args, CLI_OPT_KEYS));
        assert_int_equal(cli_opt_number(&args, CLI_OPT_LIMIT), 3);
        assert_false(cli_given(&args, CLI_OPT_AFTER));
        assert_int_equal(args.count, 1);
        assert_true(cdx_bytes_equal(args.words[0], CDX_STR("/k")));
    }
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    struct cli_args args;
    struct cli_failure failure;
    assert_int_equal(parse("put -- --json -5", &args, &failure), CLI_EXIT_DONE);
    assert_false(cli_given(&args, CLI_OPT_JSON));
    assert_true(cdx_bytes_equal(args.words[0], CDX_STR("--json")));
    assert_true(cdx_bytes_equal(args.words[1], CDX_STR("-5")));
    assert_int_equal(parse("put k -", &args, &failure), CLI_EXIT_DONE);
    assert_true(cdx_bytes_equal(args.words[1], CDX_STR("-")));
}

static void help_needs_no_arguments(void **state)
{
    (void)state;
    struct cli_args args;
    struct cli_failure failure;
    assert_int_equal(parse("put --help", &args, &failure), CLI_EXIT_DONE);
    assert_int_equal(parse("-h", &args, &failure), CLI_EXIT_DONE);
    assert_null(args.command);
    assert_int_equal(parse("", &args, &failure), CLI_EXIT_DONE);
    assert_null(args.command);
}

static void bytes_that_options_cannot_hold_are_refused(void **state)
{
    const struct cdx_bytes words[] = {CDX_STR("list"), CDX_STR("--after"), CDX_STR("a\0b")};
    (void)state;
    struct cli_args args;
    struct cli_failure failure;
    assert_int_equal(cli_args_parse(words, 3, &args, &failure), CLI_EXIT_USAGE);
    assert_string_equal(failure.text, "--after: expected a text without NUL bytes, got 'a\\x00b'");
}

static void a_key_may_hold_any_byte(void **state)
{
    const struct cdx_bytes words[] = {CDX_STR("get"), CDX_STR("\0\xFF")};
    (void)state;
    struct cli_args args;
    struct cli_failure failure;
    assert_int_equal(cli_args_parse(words, 2, &args, &failure), CLI_EXIT_DONE);
    assert_true(cdx_bytes_equal(args.words[0], words[1]));
}

/* ---- the table itself ---- */

static void check_option(const struct cli_option *option, const struct cli_command *command)
{
    struct cli_value value = {0};
    uint64_t number = 0;
    assert_true(option->id < CLI_OPTION_COUNT);
    assert_true((option->kind == CLI_FLAG) == (option->value == NULL));
    assert_true((option->kind == CLI_CHOICE) == (option->choices != NULL));
    assert_true(strlen(option->help) > 10);
    assert_ptr_equal(cli_option_named(command, cdx_cstr(option->name)), option);
    if (option->letter != 0)
        assert_ptr_equal(cli_option_lettered(command, option->letter), option);
    if (option->fallback != NULL && option->kind == CLI_NUMBER)
        assert_int_equal(cli_number(option->fallback, &number), CDX_OK);
    if (option->fallback != NULL && option->kind == CLI_DURATION)
        assert_int_equal(cli_duration(option->fallback, &number), CDX_OK);
    if (option->kind == CLI_NUMBER || option->kind == CLI_DURATION)
        assert_true(option->max > option->min &&
                    (option->fallback == NULL || (number >= option->min && number <= option->max)));
    (void)value;
}

static void the_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < cli_global_option_count; i++)
        check_option(&cli_global_options[i], NULL);
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = &cli_commands[i];
        assert_ptr_equal(cli_command_named(cdx_cstr(command->name)), command);
        if (command->alias != NULL)
            assert_ptr_equal(cli_command_named(cdx_cstr(command->alias)), command);
        assert_non_null(command->run);
        assert_non_null(command->words);
        assert_true(command->words_min <= command->words_max);
        assert_true((command->words_max == 0) == (command->words[0] == 0));
        assert_true(strlen(command->summary) > 5 && strlen(command->text) > 5);
        for (size_t o = 0; o < command->option_count; o++)
            check_option(&command->options[o], command);
    }
    for (size_t i = 0; i < cli_topic_count; i++)
        assert_ptr_equal(cli_topic_named(cdx_cstr(cli_topics[i].name)), &cli_topics[i]);
}

static void defaults_are_set_and_not_given(void **state)
{
    (void)state;
    struct cli_args args;
    struct cli_failure failure;
    assert_int_equal(parse("bench", &args, &failure), CLI_EXIT_DONE);
    assert_int_equal(cli_opt_number(&args, CLI_OPT_CONNECTIONS), 50);
    assert_int_equal(cli_opt_number(&args, CLI_OPT_KEYSPACE), 100000);
    assert_int_equal(cli_opt_number(&args, CLI_OPT_DURATION), 5000000000u);
    assert_string_equal(cli_opt_text(&args, CLI_OPT_RATIO), "get=80,match=15,put=5");
    assert_false(cli_given(&args, CLI_OPT_RATIO));
    assert_null(cli_opt_text(&args, CLI_OPT_KEYS_FILE));
}

/* Words that are no names, but are near one or far from all. */
static void likeness_is_two_slips_at_most(void **state)
{
    static const struct {
        const char *word;
        const char *nearest;
    } cases[] = {
        {"gett", "get"},
        {"teg", "get"},
        {"delet", "delete"},
        {"dleete", "delete"},
        {"lsit", "list"},
        {"chidlren", "children"},
        {"cuont", "count"},
        {"xxxxxxx", NULL},
        {"quti", "quit"},
        {"help", "help"},
        {"complete-ke", "completion"},
        {"", NULL},
        {"aVeryLongWordThatIsLongerThanAnyNameOfTheTable", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *nearest = cli_command_nearest(cdx_cstr(cases[i].word));
        if (strcmp(cases[i].word, "complete-ke") == 0) {
            /* The hidden command is never offered. */
            assert_true(nearest == NULL || strcmp(nearest, "complete-key") != 0);
            continue;
        }
        if (nearest == NULL || cases[i].nearest == NULL)
            assert_ptr_equal(nearest, cases[i].nearest);
        else
            assert_string_equal(nearest, cases[i].nearest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_say_what_is_expected),
        cmocka_unit_test(options_stand_anywhere_and_in_any_form),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(help_needs_no_arguments),
        cmocka_unit_test(bytes_that_options_cannot_hold_are_refused),
        cmocka_unit_test(a_key_may_hold_any_byte),
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(defaults_are_set_and_not_given),
        cmocka_unit_test(likeness_is_two_slips_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
