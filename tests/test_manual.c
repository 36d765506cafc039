/* SPDX-License-Identifier: Apache-2.0 */
/* The documents: complete, in their width, and the sample configuration means the defaults. */
#include "manual.h"

#include "config.h"
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WIDTH 80

static char *text;
static size_t text_len;

static void print(void (*printer)(FILE *))
{
    FILE *out;

    free(text);
    text = NULL;
    out = open_memstream(&text, &text_len);
    assert_non_null(out);
    printer(out);
    assert_int_equal(fclose(out), 0);
}

static int forget(void **state)
{
    (void)state;
    free(text);
    text = NULL;
    return 0;
}

static void assert_lines_fit(void)
{
    for (const char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");

        if (len > WIDTH)
            fail_msg("%zu columns: %.*s", len, (int)len, line);
        assert_true(line[len] == '\n');
        line += len + 1;
    }
}

static void help_names_every_flag_and_option(void **state)
{
    char wanted[64];

    (void)state;
    print(manual_print_help);
    assert_lines_fit();
    for (const struct config_flag *flag = config_flags; flag->name != NULL; flag++) {
        snprintf(wanted, sizeof wanted, "--%s", flag->name);
        assert_non_null(strstr(text, wanted));
    }
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        snprintf(wanted, sizeof wanted, "--%s", options_table[id].key);
        assert_non_null(strstr(text, wanted));
        snprintf(wanted, sizeof wanted, "[%s]", options_table[id].initial);
        assert_non_null(strstr(text, wanted));
    }
}

static void letters_are_unique(void **state)
{
    char seen[2 * OPTION_ID_COUNT + 16] = "";
    size_t count = 0;

    (void)state;
    for (const struct config_flag *flag = config_flags; flag->name != NULL; flag++) {
        assert_true(flag->letter == 0 || strchr(seen, flag->letter) == NULL);
        if (flag->letter != 0)
            seen[count++] = flag->letter;
    }
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        char letter = options_table[id].letter;

        assert_true(letter == 0 || strchr(seen, letter) == NULL);
        if (letter != 0)
            seen[count++] = letter;
    }
}

static void fail_on_report(void *arg, const char *line)
{
    (void)arg;
    fail_msg("%s", line);
}

/* Loads the printed text as a file. */
static void load(struct config *config)
{
    char path[] = "/tmp/test_manual.XXXXXX";
    const char *argv[] = {"caudexd", "--config", path};
    struct config_input input = {.argc = 3, .argv = argv, .report = fail_on_report};
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, text_len), text_len);
    assert_int_equal(close(fd), 0);
    assert_true(config_load(config, &input));
    assert_int_equal(unlink(path), 0);
}

static void the_sample_means_the_defaults(void **state)
{
    struct config config;
    struct options defaults;

    (void)state;
    options_init(&defaults);
    print(manual_print_config);
    assert_lines_fit();
    load(&config);
    assert_memory_equal(&config.options, &defaults, sizeof defaults);
}

static void the_sample_still_means_the_defaults_when_all_is_said(void **state)
{
    struct config config;
    struct options defaults;

    (void)state;
    options_init(&defaults);
    print(manual_print_config);
    for (size_t i = 0; i + 2 < text_len; i++) { /* "\n#key" but not "\n# comment" */
        if (text[i] == '\n' && text[i + 1] == '#' && text[i + 2] != ' ')
            text[i + 1] = ' ';
    }
    load(&config);
    assert_memory_equal(&config.options, &defaults, sizeof defaults);
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++)
        assert_int_equal(config.origins[id].source, CONFIG_FILE);
}

/* The manual page without its escapes of dashes. */
static void unescape(void)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        if (!(from[0] == '\\' && from[1] == '-'))
            *to++ = *from;
    }
    *to = '\0';
}

static void the_manual_page_holds_every_option_and_all_of_its_text(void **state)
{
    char paragraph[1024];

    (void)state;
    print(manual_print_man);
    assert_non_null(strstr(text, ".TH CAUDEXD 8 "));
    unescape();
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        snprintf(paragraph, sizeof paragraph, "\\fB--%s\\fR", options_table[id].key);
        assert_non_null(strstr(text, paragraph));
        for (const char *doc = options_table[id].doc; *doc != '\0';) {
            size_t len = strcspn(doc, "\n");

            assert_true(len < sizeof paragraph);
            snprintf(paragraph, sizeof paragraph, "%.*s", (int)len, doc);
            assert_non_null(strstr(text, paragraph));
            doc += len + (doc[len] == '\n');
        }
    }
}

/* A line of text that begins with a dot would vanish as an unknown command. */
static void the_manual_page_has_only_commands_that_man_knows(void **state)
{
    static const char *const commands[] = {".TH ",  ".SH ", ".TP\n", ".IP\n",
                                           ".PP\n", ".B ",  ".\\\" "};

    (void)state;
    print(manual_print_man);
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        bool known = *line != '.' && *line != '\'';

        for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
            known = known || strncmp(line, commands[i], strlen(commands[i])) == 0;
        if (!known)
            fail_msg("%.40s", line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(help_names_every_flag_and_option, forget),
        cmocka_unit_test_teardown(letters_are_unique, forget),
        cmocka_unit_test_teardown(the_sample_means_the_defaults, forget),
        cmocka_unit_test_teardown(the_sample_still_means_the_defaults_when_all_is_said, forget),
        cmocka_unit_test_teardown(the_manual_page_holds_every_option_and_all_of_its_text, forget),
        cmocka_unit_test_teardown(the_manual_page_has_only_commands_that_man_knows, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
