/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of what is rendered from the command table: help, manual page, completions. */
#include "cli_help.h"

#include "cli_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool holds(const struct cli_buf *text, const char *part)
{
    return memmem(text->data, text->len, part, strlen(part)) != NULL;
}

/* Examples and texts set off by blanks may be wider: they are to be typed as they are. */
static void assert_lines_fit(const struct cli_buf *text)
{
    const char *line = (const char *)text->data;
    const char *end = line + text->len;
    while (line < end) {
        const char *feed = memchr(line, '\n', (size_t)(end - line));
        assert_non_null(feed);
        size_t n = 0;
        for (const char *c = line; c < feed; c++)
            n += ((unsigned char)*c & 0xC0) != 0x80;
        bool verbatim = line[0] == ' ' && line[1] == ' ';
        if (!verbatim && n > CLI_HELP_COLUMNS)
            fail_msg("%zu columns: %.*s", n, (int)(feed - line), line);
        assert_true(feed == line || feed[-1] != ' ');
        line = feed + 1;
    }
}

static void text_is_wrapped_and_marked_lines_are_kept(void **state)
{
    (void)state;
    struct cli_buf out = {0};
    cli_help_wrap(&out, "one two\n\n  kept   as it is\nthree", 2);
    cli_buf_byte(&out, 0);
    assert_string_equal((const char *)out.data, "  one two\n\n    kept   as it is\n  three\n");
    cli_buf_clear(&out);
    for (int i = 0; i < 40; i++)
        cli_buf_text(&out, "word ");
    cli_buf_byte(&out, 0);
    struct cli_buf wrapped = {0};
    cli_help_wrap(&wrapped, (const char *)out.data, 4);
    assert_lines_fit(&wrapped);
    cli_buf_free(&wrapped);
    cli_buf_free(&out);
}

static void the_overview_names_every_command_option_and_topic(void **state)
{
    (void)state;
    struct cli_buf out = {0};
    cli_help_overview(&out);
    assert_true(cli_utf8_valid(cli_buf_bytes(&out)));
    for (size_t i = 0; i < cli_command_count; i++)
        assert_true(holds(&out, cli_commands[i].name) || cli_commands[i].place == CLI_HIDDEN);
    assert_false(holds(&out, "complete-key"));
    for (size_t i = 0; i < cli_global_option_count; i++)
        assert_true(holds(&out, cli_global_options[i].name));
    for (size_t i = 0; i < cli_topic_count; i++)
        assert_true(holds(&out, cli_topics[i].name));
    cli_buf_free(&out);
}

static void every_page_holds_its_options_and_fits(void **state)
{
    (void)state;
    for (size_t i = 0; i < cli_command_count; i++) {
        struct cli_buf out = {0};
        cli_help_command(&out, &cli_commands[i]);
        assert_lines_fit(&out);
        for (size_t o = 0; o < cli_commands[i].option_count; o++)
            assert_true(holds(&out, cli_commands[i].options[o].name));
        assert_true(holds(&out, cli_commands[i].words));
        cli_buf_free(&out);
    }
    for (size_t i = 0; i < cli_topic_count; i++) {
        struct cli_buf out = {0};
        cli_help_topic(&out, &cli_topics[i]);
        assert_lines_fit(&out);
        cli_buf_free(&out);
    }
}

static void the_exit_statuses_are_told_from_their_one_list(void **state)
{
    (void)state;
    struct cli_buf out = {0};
    cli_help_topic(&out, cli_topic_named(CDX_STR("exit-status")));
#define ASSERT_TOLD(name, number, text) assert_true(holds(&out, "  " #number "  " text "\n"));
    CLI_EXIT_MAP(ASSERT_TOLD)
#undef ASSERT_TOLD
    cli_buf_free(&out);
}

/* A line of roff that begins with a dot or quote is a request: only ours may be there. */
static void the_manual_page_is_sound(void **state)
{
    static const char *const requests[] = {".\\\"", ".TH ", ".SH ", ".SS ", ".TP", ".PP",
                                           ".nf",   ".fi",  ".RS ", ".RE",  ".br"};
    (void)state;
    struct cli_buf out = {0};
    cli_man_page(&out);
    cli_buf_byte(&out, 0);
    assert_false(out.failed);
    for (char *line = strtok((char *)out.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        bool known = line[0] != '.';
        for (size_t i = 0; i < COUNT(requests); i++)
            known |= strncmp(line, requests[i], strlen(requests[i])) == 0;
        if (!known || line[0] == '\'')
            fail_msg("a request by accident: %s", line);
    }
    cli_buf_free(&out);
}

static void the_manual_page_names_everything(void **state)
{
    (void)state;
    struct cli_buf out = {0};
    cli_man_page(&out);
    for (size_t i = 0; i < cli_topic_count; i++)
        assert_true(holds(&out, cli_topics[i].title));
    for (size_t i = 0; i < cli_command_count; i++)
        assert_true(cli_commands[i].examples == NULL || holds(&out, "Examples:"));
    assert_true(holds(&out, "\\-\\-if\\-revision"));
    assert_true(holds(&out, ".SS \"match\\-all PATH\""));
    cli_buf_free(&out);
}

static void completions_name_every_command_and_option(void **state)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    (void)state;
    for (size_t s = 0; s < COUNT(shells); s++) {
        struct cli_buf out = {0};
        assert_true(cli_completion_script(&out, cdx_cstr(shells[s])));
        for (size_t i = 0; i < cli_command_count; i++) {
            const struct cli_command *command = &cli_commands[i];
            if (command->place == CLI_HIDDEN || command->place == CLI_PROMPT_ONLY)
                continue;
            assert_true(holds(&out, command->name));
            for (size_t o = 0; o < command->option_count; o++)
                assert_true(holds(&out, command->options[o].name));
        }
        assert_true(holds(&out, "complete-key"));
        cli_buf_free(&out);
    }
    struct cli_buf out = {0};
    assert_false(cli_completion_script(&out, CDX_STR("tcsh")));
    assert_int_equal(out.len, 0);
    cli_buf_free(&out);
}

static void short_explanations_end_between_words(void **state)
{
    (void)state;
    struct cli_buf out = {0};
    assert_true(cli_completion_script(&out, CDX_STR("fish")));
    cli_buf_byte(&out, 0);
    for (size_t i = 0; i < cli_command_count; i++) {
        for (size_t o = 0; o < cli_commands[i].option_count; o++) {
            const struct cli_option *option = &cli_commands[i].options[o];
            char start[64];
            snprintf(start, sizeof start, "%s' -l %s ", cli_commands[i].name, option->name);
            const char *line = strstr((const char *)out.data, start);
            if (line == NULL) /* the command has an alias behind its name */
                continue;
            const char *told = strstr(line, " -d '") + 5;
            size_t n = strcspn(told, "'");
            if (told[n + 1] == '\\') /* the explanation itself has a quote */
                continue;
            if (strncmp(told, option->help, n) != 0 || strchr(" .;:", option->help[n]) == NULL)
                fail_msg("'%.*s' of '%s'", (int)n, told, option->help);
        }
    }
    cli_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_wrapped_and_marked_lines_are_kept),
        cmocka_unit_test(the_overview_names_every_command_option_and_topic),
        cmocka_unit_test(every_page_holds_its_options_and_fits),
        cmocka_unit_test(the_exit_statuses_are_told_from_their_one_list),
        cmocka_unit_test(the_manual_page_is_sound),
        cmocka_unit_test(the_manual_page_names_everything),
        cmocka_unit_test(completions_name_every_command_and_option),
        cmocka_unit_test(short_explanations_end_between_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
