/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prompt: libedit for lines, history and the tab key. The happy path reads
 * a line, remembers it, runs it. Ctrl-C drops the line that is typed, or stops the
 * command that runs; Ctrl-D and quit end. A history that cannot be read or
 * written is done without.
 */
#include "cli_complete.h"
#include "cli_history.h"
#include "cli_interrupt.h"

#include <histedit.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* Lines that are remembered. */
#define HISTORY_LINES 1000
/* Longest prompt, with its NUL. */
#define PROMPT_NBYTES 320u
/* Candidates that are shown at once; more are counted. */
#define SHOWN_MAX 100u

struct prompt {
    struct cli *cli;
    EditLine *editor;
    History *history;
    char text[PROMPT_NBYTES];
};

static char *prompt_text(EditLine *editor)
{
    struct prompt *prompt = NULL;
    el_get(editor, EL_CLIENTDATA, &prompt);
    return prompt->text;
}

/* ---- the tab key ---- */

static unsigned terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

/* Prints the candidates below the line, in columns. */
static void show(const struct cli_candidates *candidates)
{
    size_t shown = candidates->count < SHOWN_MAX ? candidates->count : SHOWN_MAX;
    size_t width = 1;
    for (size_t i = 0; i < shown; i++)
        if (cli_candidate(candidates, i).len > width)
            width = cli_candidate(candidates, i).len;
    size_t per_line = terminal_columns() / (width + 2);
    per_line = per_line != 0 ? per_line : 1;
    putchar('\n');
    for (size_t i = 0; i < shown; i++) {
        struct cli_buf word = {0};
        cli_words_quote(&word, cli_candidate(candidates, i));
        bool last = (i + 1) % per_line == 0 || i + 1 == shown;
        printf("%-*.*s%s", last ? 0 : (int)width + 2, (int)word.len, (const char *)word.data,
               last ? "\n" : "");
        cli_buf_free(&word);
    }
    if (shown < candidates->count)
        printf("… and %zu more\n", candidates->count - shown);
    fflush(stdout);
}

/* Characters of `n` bytes, as the editor counts them. */
static int characters(const char *bytes, size_t n)
{
    mbstate_t state = {0};
    size_t count = mbsnrtowcs(NULL, &bytes, n, 0, &state);
    return (int)(count != (size_t)-1 ? count : n);
}

/* Puts what the word becomes in its place. */
static void replace_word(EditLine *editor, const LineInfo *line,
                         const struct cli_candidates *candidates)
{
    struct cli_buf word = {0};
    cli_candidates_insert(&word, candidates);
    cli_buf_byte(&word, 0);
    if (!word.failed) {
        const char *start = line->buffer + candidates->start;
        el_deletestr(editor, characters(start, (size_t)(line->cursor - start)));
        el_insertstr(editor, (const char *)word.data);
    }
    cli_buf_free(&word);
}

static unsigned char on_tab(EditLine *editor, wint_t key)
{
    struct prompt *prompt = NULL;
    unsigned char result = CC_REFRESH;
    (void)key;
    el_get(editor, EL_CLIENTDATA, &prompt);
    const LineInfo *line = el_line(editor);
    struct cli_candidates *candidates = malloc(sizeof *candidates);
    if (candidates == NULL)
        return CC_ERROR;
    cli_complete(prompt->cli, cdx_bytes_of(line->buffer, (size_t)(line->cursor - line->buffer)),
                 candidates);
    if (candidates->count == 0) {
        result = CC_ERROR;
    } else if (candidates->count == 1 || cli_candidates_common(candidates) > candidates->typed) {
        replace_word(editor, line, candidates);
    } else {
        show(candidates);
        result = CC_REDISPLAY;
    }
    cli_candidates_free(candidates);
    free(candidates);
    return result;
}

/* Ctrl-C arrives as a key, not as a signal, while a line is typed. */
static unsigned char on_interrupt(EditLine *editor, wint_t key)
{
    (void)key;
    const LineInfo *line = el_line(editor);
    int typed = characters(line->buffer, (size_t)(line->lastchar - line->buffer));
    el_cursor(editor, typed);
    el_deletestr(editor, typed);
    fputs("^C\n", stdout);
    fflush(stdout);
    return CC_REDISPLAY;
}

/* So does Ctrl-Z: what the terminal would have done is done here. */
static unsigned char on_suspend(EditLine *editor, wint_t key)
{
    (void)key;
    el_set(editor, EL_PREP_TERM, 0);
    raise(SIGTSTP);
    el_set(editor, EL_PREP_TERM, 1);
    return CC_REDISPLAY;
}

/* ---- lines ---- */

static bool open_editor(struct prompt *prompt)
{
    HistEvent event;
    prompt->editor = el_init("caudex", stdin, stdout, stderr);
    prompt->history = history_init();
    if (prompt->editor == NULL || prompt->history == NULL)
        return false;
    EditLine *editor = prompt->editor;
    history(prompt->history, &event, H_SETSIZE, HISTORY_LINES);
    history(prompt->history, &event, H_SETUNIQUE, 1);
    el_set(editor, EL_CLIENTDATA, prompt);
    el_set(editor, EL_PROMPT, prompt_text);
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_SIGNAL, 1);
    el_set(editor, EL_HIST, history, prompt->history);
    el_set(editor, EL_SETTY, "-d", "-isig", NULL);
    /* The wide form keeps the names; the narrow one copies them and never frees the copies. */
    el_wset(editor, EL_ADDFN, L"caudex-complete", L"Complete the word", on_tab);
    el_wset(editor, EL_ADDFN, L"caudex-interrupt", L"Drop the line", on_interrupt);
    el_set(editor, EL_BIND, "^I", "caudex-complete", NULL);
    el_set(editor, EL_BIND, "^C", "caudex-interrupt", NULL);
    el_wset(editor, EL_ADDFN, L"caudex-suspend", L"Stop the program for a while", on_suspend);
    el_set(editor, EL_BIND, "^Z", "caudex-suspend", NULL);
    el_set(editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    return true;
}

static void close_editor(struct prompt *prompt)
{
    if (prompt->history != NULL)
        history_end(prompt->history);
    if (prompt->editor != NULL)
        el_end(prompt->editor);
}

/*
 * Runs one line. Ctrl-C stops the command; only when it does not stop, a second one
 * ends the program. One that comes after it, before the editor has the terminal
 * again, is ignored.
 */
static void run_line(struct prompt *prompt, const char *line, size_t len)
{
    cli_interrupt_catch();
    (void)cli_run_line(prompt->cli, cdx_bytes_of(line, len), NULL);
    cli_interrupt_release();
    signal(SIGINT, SIG_IGN);
}

static void run_lines(struct prompt *prompt)
{
    int count = 0;
    while (!prompt->cli->quit) {
        HistEvent event;
        const char *line = el_gets(prompt->editor, &count);
        if (line == NULL || count <= 0) {
            putchar('\n');
            return;
        }
        size_t len = (size_t)count - (line[count - 1] == '\n');
        if (len == 0)
            continue;
        history(prompt->history, &event, H_ENTER, line);
        run_line(prompt, line, len);
    }
}

enum cli_exit cli_prompt(struct cli *cli)
{
    struct prompt prompt = {.cli = cli};
    setlocale(LC_CTYPE, "");
    cli->prompt = true;
    cli->input_is_commands = true;
    snprintf(prompt.text, sizeof prompt.text, "%s> ", cli->defaults.server);
    if (!open_editor(&prompt)) {
        close_editor(&prompt);
        fputs("caudex: the terminal cannot be used for a prompt\n", stderr);
        return CLI_EXIT_LOCAL;
    }
    cli_history_load(prompt.history);
    printf("caudex %s; 'help' lists the commands, 'quit' leaves\n", CAUDEX_VERSION);
    run_lines(&prompt);
    cli_history_save(prompt.history);
    close_editor(&prompt);
    return CLI_EXIT_DONE;
}
