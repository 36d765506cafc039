/* SPDX-License-Identifier: Apache-2.0 */
/* The documents. Facts come from the tables; only the text between them stands here. */
#include "manual.h"

#include "config.h"
#include "options.h"

#include <stdbool.h>
#include <string.h>

/** Width of terminals and of the sample file. */
#define WIDTH 80u
/** Where --help begins its second column. */
#define HELP_COLUMN 32u

/* ---- parts ---- */

static const char *placeholder(const struct option_spec *spec)
{
    switch (spec->type) {
    case OPTION_TYPE_SIZE:
        return "SIZE";
    case OPTION_TYPE_DURATION:
    case OPTION_TYPE_SECONDS:
        return "TIME";
    case OPTION_TYPE_COUNT:
        return "N";
    case OPTION_TYPE_LISTEN:
        return "ADDRESS";
    case OPTION_TYPE_PATH:
        return "PATH";
    case OPTION_TYPE_ENUM:
        return "WORD";
    case OPTION_TYPE_BOOL:
        break;
    }
    return NULL;
}

/*
 * Words of `text` up to `len` bytes in lines of WIDTH, each behind `prefix`; the first line has
 * begun at `column`.
 */
static void print_wrapped(FILE *out, const char *prefix, size_t column, const char *text,
                          size_t len)
{
    const char *end = text + len;
    bool line_start = true;

    while (text < end) {
        size_t word = strcspn(text, " \n");

        if (word > (size_t)(end - text))
            word = (size_t)(end - text);
        if (!line_start && column + 1 + word > WIDTH) {
            fprintf(out, "\n%s", prefix);
            column = strlen(prefix);
            line_start = true;
        }
        fprintf(out, "%s%.*s", line_start ? "" : " ", (int)word, text);
        column += word + !line_start;
        line_start = false;
        text += word + (text + word < end);
    }
    fputc('\n', out);
}

/* The first sentence. */
static size_t summary_len(const char *doc)
{
    const char *stop = doc;

    do
        stop = strchr(stop, '.') + 1; /* test_manual: every text has a full stop */
    while (*stop != '\0' && *stop != ' ' && *stop != '\n');
    return (size_t)(stop - doc);
}

/* ---- --help ---- */

static void help_flag(FILE *out, char letter, const char *name, const char *value, const char *doc,
                      const char *initial)
{
    static const char indent[HELP_COLUMN + 1] = "                                ";
    char line[WIDTH + 96];
    char letter_text[8] = "    ";
    int len;

    if (letter != 0)
        snprintf(letter_text, sizeof letter_text, "-%c, ", letter);
    len = snprintf(line, sizeof line, "  %s--%s%s%s", letter_text, name, value ? "=" : "",
                   value ? value : "");
    fprintf(out, "%-*s", (int)HELP_COLUMN, line);
    if (len >= (int)HELP_COLUMN)
        fprintf(out, "\n%s", indent);
    len = (int)summary_len(doc);
    if (initial != NULL)
        snprintf(line, sizeof line, "%.*s [%s]", len, doc, initial);
    else
        snprintf(line, sizeof line, "%.*s", len, doc);
    print_wrapped(out, indent, HELP_COLUMN, line, strlen(line));
}

void manual_print_help(FILE *out)
{
    fputs(
        "caudexd: a key-value store that answers with the longest stored prefix of a path\n\n"
        "usage: caudexd [--config=FILE] [--OPTION=VALUE ...]\n\n",
        out);
    for (const struct config_flag *flag = config_flags; flag->name != NULL; flag++)
        help_flag(out, flag->letter, flag->name, flag->placeholder, flag->doc, NULL);
    fputs("\noptions, with their defaults:\n", out);
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        const struct option_spec *spec = &options_table[id];

        help_flag(out, spec->letter, spec->key, placeholder(spec), spec->doc, spec->initial);
    }
    fputs(
        "\nEach option can also stand in the file (key = value) or in the environment\n"
        "(CAUDEXD_KEY). More: --print-config, or caudexd(8).\n",
        out);
}

/* ---- --print-config ---- */

static void print_comment(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");

        fputs("# ", out);
        print_wrapped(out, "# ", 2, text, len);
        text += len + (text[len] == '\n');
    }
}

static void print_config_option(FILE *out, enum option_id id)
{
    const struct option_spec *spec = &options_table[id];
    char range[OPTIONS_EXPECTED_NBYTES];
    char note[OPTIONS_EXPECTED_NBYTES + 64];

    options_range_text(id, range);
    snprintf(note, sizeof note, "Takes %s. %s", range,
             spec->reloadable ? "Changes on SIGHUP." : "Needs a restart.");
    fputc('\n', out);
    print_comment(out, spec->doc);
    print_comment(out, note);
    fprintf(out, "#%s = %s\n", spec->key, spec->initial);
}

void manual_print_config(FILE *out)
{
    fputs(
        "# Configuration of caudexd. Lines are `key = value`; `#` at the start of a line\n"
        "# or behind a space begins a comment. Every option is shown with its default.\n"
        "# Sizes: B, KiB, MiB, GiB. Times: ms, s, min, h.\n"
        "# caudexd --check-config --config=FILE finds all mistakes.\n",
        out);
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++)
        print_config_option(out, id);
}

/* ---- --print-man ---- */

/*
 * Text as man(7) wants it: a backslash and a leading dot or quote would be commands, a dash a
 * hyphen.
 */
static void man_text(FILE *out, const char *text)
{
    bool line_start = true;

    for (; *text != '\0'; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (line_start && (*text == '.' || *text == '\''))
            fprintf(out, "\\&%c", *text);
        else
            fputc(*text, out);
        line_start = *text == '\n';
    }
}

static void man_paragraphs(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        char paragraph[1024];
        size_t len = strcspn(text, "\n");

        snprintf(paragraph, sizeof paragraph, "%.*s", (int)len, text);
        man_text(out, paragraph);
        text += len;
        if (*text == '\0')
            break;
        fputs("\n.IP\n", out);
    }
    fputc('\n', out);
}

static void man_flag(FILE *out, char letter, const char *name, const char *value)
{
    fputs(".TP\n", out);
    if (letter != 0)
        fprintf(out, "\\fB\\-%c\\fR, ", letter);
    fputs("\\fB\\-\\-", out);
    man_text(out, name);
    fputs("\\fR", out);
    if (value != NULL)
        fprintf(out, "=\\fI%s\\fR", value);
    fputc('\n', out);
}

static void man_option(FILE *out, enum option_id id)
{
    const struct option_spec *spec = &options_table[id];
    char range[OPTIONS_EXPECTED_NBYTES];

    options_range_text(id, range);
    man_flag(out, spec->letter, spec->key, placeholder(spec));
    man_paragraphs(out, spec->doc);
    fputs(".IP\nTakes ", out);
    man_text(out, range);
    fputs(". Default: ", out);
    man_text(out, spec->initial);
    fprintf(out, ". %s\n", spec->reloadable ? "Changes on SIGHUP." : "Needs a restart.");
}

static const char man_head[] =
    ".SH NAME\n"
    "caudexd \\- key\\-value store that answers with the longest stored prefix of a path\n"
    ".SH SYNOPSIS\n"
    ".B caudexd\n"
    "[\\fB\\-\\-config\\fR=\\fIFILE\\fR] [\\fB\\-\\-\\fIOPTION\\fR=\\fIVALUE\\fR ...]\n"
    ".SH DESCRIPTION\n"
    "caudexd keeps keys that are paths, and their values, in memory. Its main question is:\n"
    "which stored key is the longest one that is this path or one of its ancestors? It speaks\n"
    "a binary protocol over TCP and unix sockets, port 7117 unless told otherwise.\n"
    ".SH CONFIGURATION\n"
    "Every option can be given as a flag, in the environment, or in the configuration file. A\n"
    "flag wins over the environment, the environment over the file, the file over the\n"
    "default.\n"
    ".PP\n"
    "The file has lines \\fIkey\\fR = \\fIvalue\\fR; a # at the start of a line or behind a\n"
    "space begins a comment. A key stands there once, except \\fBlisten\\fR.\n"
    ".PP\n"
    "The variable of an option is CAUDEXD_ and the key in capitals with _ for \\-, as in\n"
    "CAUDEXD_LOG_LEVEL. CAUDEXD_LISTEN holds addresses separated by spaces; CAUDEXD_CONFIG\n"
    "names the file. Other variables are ignored.\n"
    ".PP\n"
    "Addresses of a source replace those of the weaker ones. A flag that takes yes or no\n"
    "means yes when it stands alone.\n"
    ".PP\n"
    "Sizes take B, KiB, MiB or GiB; times take ms, s, min or h.\n"
    ".SH FLAGS\n";

static const char man_tail[] =
    ".SH SIGNALS\n"
    ".TP\n"
    "SIGTERM, SIGINT\n"
    "The server accepts no more connections, answers what it has received, and stops, at the\n"
    "latest after \\fBdrain\\-timeout\\fR. A second one stops it at once.\n"
    ".TP\n"
    "SIGHUP\n"
    "The configuration is read again. What can change does so; what cannot is named in the\n"
    "log. A configuration with mistakes is refused as a whole, and the server goes on. A log\n"
    "file is opened anew in any case.\n"
    ".TP\n"
    "SIGPIPE, SIGUSR1, SIGUSR2\n"
    "are ignored.\n"
    ".SH EXIT STATUS\n"
    ".TP\n"
    "0\n"
    "The server was stopped, or the answer to a flag was printed.\n"
    ".TP\n"
    "1\n"
    "The server could not start or go on: an address in use, a file that cannot be written,\n"
    "too few open files.\n"
    ".TP\n"
    "2\n"
    "A mistake in the command line, the environment or the configuration file.\n"
    ".SH SYSTEMD\n"
    "With Type=notify the server reports READY, RELOADING and STOPPING. Sockets of a socket\n"
    "unit are used: one that is bound to an address of \\fBlisten\\fR serves that address; any\n"
    "other is served by the handler that its FileDescriptorName= names (kv, resp, memcache,\n"
    "reply or echo),\n"
    "else by kv. When sockets are handed over and no address is configured, the default\n"
    "address is not opened.\n"
    ".SH SECURITY\n"
    "The protocols have neither passwords nor encryption. Keep it on the loopback address, on a\n"
    "unix socket, or in a network that you trust.\n"
    ".SH FILES\n"
    "A sample configuration is printed by \\fBcaudexd \\-\\-print\\-config\\fR.\n";

void manual_print_man(FILE *out)
{
    fputs(".\\\" Generated by caudexd --print-man. Do not edit.\n", out);
    fprintf(out, ".TH CAUDEXD 8 \"\" \"caudex %s\" \"System Administration\"\n", CAUDEXD_VERSION);
    fputs(man_head, out);
    for (const struct config_flag *flag = config_flags; flag->name != NULL; flag++) {
        man_flag(out, flag->letter, flag->name, flag->placeholder);
        man_paragraphs(out, flag->doc);
    }
    fputs(".SH OPTIONS\n", out);
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++)
        man_option(out, id);
    fputs(man_tail, out);
}
