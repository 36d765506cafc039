/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command table as completion scripts. Commands, options and choices are
 * written into the script; keys are asked of the server when the tab key is
 * pressed, by the hidden command complete-key, with a short timeout, silently.
 */
#include "cli_help.h"

/* How the scripts ask for keys: a completion that hangs is worse than none. */
#define ASK_KEYS "caudex --timeout 500ms"

static bool is_listed(const struct cli_command *command)
{
    return command->place == CLI_ANYWHERE || command->place == CLI_SHELL_ONLY;
}

/* "auto|always" as "auto always". */
static void spaced(struct cli_buf *out, const char *choices)
{
    for (; *choices != 0; choices++)
        cli_buf_byte(out, *choices == '|' ? ' ' : (uint8_t)*choices);
}

static void command_names(struct cli_buf *out)
{
    for (size_t i = 0; i < cli_command_count; i++)
        if (is_listed(&cli_commands[i]))
            cli_buf_printf(out, "%s ", cli_commands[i].name);
}

static void topic_names(struct cli_buf *out)
{
    for (size_t i = 0; i < cli_topic_count; i++)
        cli_buf_printf(out, "%s ", cli_topics[i].name);
}

/* A text inside single quotes of a shell. */
static void quoted(struct cli_buf *out, const char *text)
{
    cli_buf_byte(out, '\'');
    for (; *text != 0; text++) {
        if (*text == '\'')
            cli_buf_text(out, "'\\''");
        else
            cli_buf_byte(out, (uint8_t)*text);
    }
    cli_buf_byte(out, '\'');
}

/* The first sentence or clause of an explanation: shells show one line. */
static void quoted_start(struct cli_buf *out, const char *text)
{
    char start[64];
    size_t n = strcspn(text, ".;:");
    if (n >= sizeof start)
        for (n = sizeof start - 1; n > 1 && text[n] != ' ';)
            n--;
    memcpy(start, text, n);
    start[n] = 0;
    quoted(out, start);
}

/* ---- bash and zsh: one function of a case per question ---- */

static void case_pattern(struct cli_buf *out, const char *context, const struct cli_option *option)
{
    cli_buf_printf(out, "        %s--%s", context, option->name);
    if (option->letter != 0)
        cli_buf_printf(out, "|%s-%c", context, option->letter);
    cli_buf_byte(out, ')');
}

/* One case per option that takes a value: how that value is completed. */
static void value_cases(struct cli_buf *out, const char *context, const struct cli_option *options,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (options[i].value == NULL)
            continue;
        case_pattern(out, context, &options[i]);
        if (options[i].choices != NULL) {
            cli_buf_text(out, " echo 'words ");
            spaced(out, options[i].choices);
            cli_buf_text(out, "' ;;\n");
        } else {
            cli_buf_printf(out, " echo %s ;;\n", options[i].kind == CLI_PATH ? "files" : "none");
        }
    }
}

static void value_function(struct cli_buf *out)
{
    cli_buf_text(out,
                 "# What the value of option $2 of command $1 is: none, files, or words …\n"
                 "_caudex_value() {\n    case \"$1 $2\" in\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        char context[40];
        const struct cli_command *command = &cli_commands[i];
        if (!is_listed(command))
            continue;
        size_t n = strlen(command->name);
        memcpy(context, command->name, n);
        memcpy(context + n, "\\ ", 3);
        value_cases(out, context, command->options, command->option_count);
    }
    value_cases(out, "*\\ ", cli_global_options, cli_global_option_count);
    cli_buf_text(out, "        *) return 1 ;;\n    esac\n}\n\n");
}

static void option_names(struct cli_buf *out, const struct cli_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cli_buf_printf(out, "--%s ", options[i].name);
}

static void options_function(struct cli_buf *out)
{
    cli_buf_text(out, "# The options of command $1.\n_caudex_options() {\n    case $1 in\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        if (!is_listed(&cli_commands[i]) || cli_commands[i].option_count == 0)
            continue;
        cli_buf_printf(out, "        %s) echo '", cli_commands[i].name);
        option_names(out, cli_commands[i].options, cli_commands[i].option_count);
        cli_buf_text(out, "' ;;\n");
    }
    cli_buf_text(out, "    esac\n    echo '");
    option_names(out, cli_global_options, cli_global_option_count);
    cli_buf_text(out, "'\n}\n\n");
}

/* How the scripts call what an argument is. */
static void word_kind(struct cli_buf *out, enum cli_word_kind kind)
{
    switch (kind) {
    case CLI_WORD_NONE:
        cli_buf_text(out, "none");
        break;
    case CLI_WORD_KEY:
        cli_buf_text(out, "keys");
        break;
    case CLI_WORD_PATH:
        cli_buf_text(out, "files");
        break;
    case CLI_WORD_SHELL:
        cli_buf_text(out, "words bash zsh fish");
        break;
    case CLI_WORD_COMMAND:
        cli_buf_text(out, "words ");
        command_names(out);
        topic_names(out);
        break;
    }
}

static void words_function(struct cli_buf *out)
{
    cli_buf_text(out,
                 "# What the argument of command $1 behind $2 others is: keys, files, words … or "
                 "none.\n"
                 "_caudex_words() {\n    case \"$1 $2\" in\n");
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = &cli_commands[i];
        if (!is_listed(command) || command->word_kind == CLI_WORD_NONE)
            continue;
        cli_buf_printf(out, "        %s\\ 0) echo ", command->name);
        word_kind(out, command->word_kind);
        cli_buf_text(out, " ;;\n");
        if (command->later_kind == CLI_WORD_NONE)
            continue;
        cli_buf_printf(out, "        %s\\ *) echo ", command->name);
        word_kind(out, command->later_kind);
        cli_buf_text(out, " ;;\n");
    }
    cli_buf_text(out, "        \\ *) echo words ");
    command_names(out);
    cli_buf_text(out, ";;\n        *) echo none ;;\n    esac\n}\n\n");
}

static const char bash_body[] =
    "# bash splits words at ':' and '=', keys and addresses do not: split the line anew.\n"
    "_caudex() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} command='' value='' count=0 kind i word last cur "
    "key\n"
    "    local -a typed=() server=()\n"
    "    read -ra typed <<< \"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && typed+=('')\n"
    "    last=$((${#typed[@]} - 1))\n"
    "    cur=${typed[last]}\n"
    "    for ((i = 1; i < last; i++)); do\n"
    "        word=${typed[i]}\n"
    "        case $word in\n"
    "            --server=*) server=(\"$word\") ;;\n"
    "            --server|-s) server=(--server \"${typed[i + 1]}\") ;;\n"
    "        esac\n"
    "        if [[ $word == -* ]]; then\n"
    "            if value=$(_caudex_value \"$command\" \"$word\"); then\n"
    "                ((++i < last)) && value=''\n"
    "            fi\n"
    "        elif [[ -z $command ]]; then\n"
    "            command=$word\n"
    "        else\n"
    "            ((++count))\n"
    "        fi\n"
    "    done\n"
    "    kind=${value:-$(_caudex_words \"$command\" $count)}\n"
    "    [[ -z $value && $cur == -* ]] && kind=\"words $(_caudex_options \"$command\")\"\n"
    "    COMPREPLY=()\n"
    "    case $kind in\n"
    "        words*) COMPREPLY=($(compgen -W \"${kind#words}\" -- \"$cur\")) ;;\n"
    "        files) compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
    "        keys)\n"
    "            compopt -o nospace\n"
    "            while IFS= read -r key; do\n"
    "                printf -v key %q \"$key\"\n"
    "                COMPREPLY+=(\"$key\")\n"
    "            done < <(" ASK_KEYS
    " \"${server[@]}\" complete-key -- \"$cur\" 2>/dev/null)\n"
    "            ;;\n"
    "    esac\n"
    "    word=${cur%\"${cur##*[:=]}\"}\n"
    "    COMPREPLY=(\"${COMPREPLY[@]#\"$word\"}\")\n"
    "}\n"
    "complete -F _caudex caudex\n";

static const char zsh_body[] =
    "_caudex() {\n"
    "    local cur=${words[CURRENT]} command='' value='' count=0 kind word i\n"
    "    local -a server\n"
    "    for ((i = 2; i < CURRENT; i++)); do\n"
    "        word=${words[i]}\n"
    "        case $word in\n"
    "            --server=*) server=(\"$word\") ;;\n"
    "            --server|-s) server=(--server \"${words[i + 1]}\") ;;\n"
    "        esac\n"
    "        if [[ $word == -* ]]; then\n"
    "            if value=$(_caudex_value \"$command\" \"$word\"); then\n"
    "                ((++i < CURRENT)) && value=''\n"
    "            fi\n"
    "        elif [[ -z $command ]]; then\n"
    "            command=$word\n"
    "        else\n"
    "            ((++count))\n"
    "        fi\n"
    "    done\n"
    "    if [[ -z $value && $cur == -* ]]; then\n"
    "        compadd -- ${=$(_caudex_options \"$command\")}\n"
    "        return\n"
    "    fi\n"
    "    kind=${value:-$(_caudex_words \"$command\" $count)}\n"
    "    case $kind in\n"
    "        words*) compadd -- ${=kind#words} ;;\n"
    "        files) _files ;;\n"
    "        keys)\n"
    "            compadd -S '' -- "
    "${(f)\"$(" ASK_KEYS
    " $server complete-key -- \"${(Q)cur}\" 2>/dev/null)\"}\n"
    "            ;;\n"
    "    esac\n"
    "}\n"
    "if [[ $funcstack[1] == _caudex ]]; then\n"
    "    _caudex \"$@\"\n"
    "else\n"
    "    compdef _caudex caudex\n"
    "fi\n";

/* ---- fish: one line per command and option ---- */

static void fish_option(struct cli_buf *out, const char *condition, const struct cli_option *option)
{
    cli_buf_printf(out, "complete -c caudex%s -l %s", condition, option->name);
    if (option->letter != 0)
        cli_buf_printf(out, " -s %c", option->letter);
    if (option->value != NULL)
        cli_buf_text(out, option->kind == CLI_PATH ? " -rF" : " -x");
    if (option->choices != NULL) {
        cli_buf_text(out, " -a '");
        spaced(out, option->choices);
        cli_buf_byte(out, '\'');
    }
    cli_buf_text(out, " -d ");
    quoted_start(out, option->help);
    cli_buf_byte(out, '\n');
}

static void fish_words(struct cli_buf *out, const char *condition, enum cli_word_kind kind)
{
    if (kind == CLI_WORD_NONE)
        return;
    cli_buf_printf(out, "complete -c caudex%s", condition);
    switch (kind) {
    case CLI_WORD_KEY:
        cli_buf_text(out, " -a '(__caudex_keys)'\n");
        break;
    case CLI_WORD_PATH:
        cli_buf_text(out, " -F\n");
        break;
    case CLI_WORD_SHELL:
        cli_buf_text(out, " -a 'bash zsh fish'\n");
        break;
    default:
        cli_buf_text(out, " -a '");
        command_names(out);
        topic_names(out);
        cli_buf_text(out, "'\n");
        break;
    }
}

static void fish_command(struct cli_buf *out, const struct cli_command *command)
{
    struct cli_buf condition;
    cli_buf_printf(out, "complete -c caudex -n __fish_use_subcommand -a %s -d ", command->name);
    quoted(out, command->summary);
    cli_buf_byte(out, '\n');
    cli_buf_init(&condition);
    cli_buf_printf(&condition, " -n '__fish_seen_subcommand_from %s%s%s'", command->name,
                   command->alias != NULL ? " " : "", command->alias != NULL ? command->alias : "");
    cli_buf_byte(&condition, 0);
    if (condition.failed) {
        out->failed = true;
    } else {
        for (size_t i = 0; i < command->option_count; i++)
            fish_option(out, (const char *)condition.data, &command->options[i]);
        fish_words(out, (const char *)condition.data, command->word_kind);
        fish_words(out, (const char *)condition.data, command->later_kind);
    }
    cli_buf_free(&condition);
}

static void fish_script(struct cli_buf *out)
{
    cli_buf_text(out,
                 "function __caudex_keys\n"
                 "    " ASK_KEYS
                 " complete-key -- (commandline -ct) 2>/dev/null\n"
                 "end\n"
                 "complete -c caudex -f\n");
    for (size_t i = 0; i < cli_global_option_count; i++)
        fish_option(out, "", &cli_global_options[i]);
    for (size_t i = 0; i < cli_command_count; i++)
        if (is_listed(&cli_commands[i]))
            fish_command(out, &cli_commands[i]);
}

/* ---- the script ---- */

static void banner(struct cli_buf *out, const char *shell)
{
    cli_buf_printf(
        out, "# Printed by 'caudex completion %s' from its command table. Do not edit.\n", shell);
}

bool cli_completion_script(struct cli_buf *out, struct cdx_bytes shell)
{
    bool bash = cdx_bytes_equal(shell, CDX_STR("bash"));
    bool zsh = cdx_bytes_equal(shell, CDX_STR("zsh"));
    if (!bash && !zsh) {
        if (!cdx_bytes_equal(shell, CDX_STR("fish")))
            return false;
        banner(out, "fish");
        fish_script(out);
        return true;
    }
    if (zsh)
        cli_buf_text(out, "#compdef caudex\n");
    banner(out, zsh ? "zsh" : "bash");
    value_function(out);
    options_function(out);
    words_function(out);
    cli_buf_text(out, zsh ? zsh_body : bash_body);
    return true;
}
