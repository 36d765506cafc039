/* SPDX-License-Identifier: Apache-2.0 */
/* The command table: names, options and every word of help. */
#include "cli_table.h"

#define OPTIONS(list) .options = (list), .option_count = sizeof(list) / sizeof((list)[0])

/* Nanoseconds. */
#define MS 1000000ull
#define SECOND 1000000000ull
#define HOUR (3600 * SECOND)
/* The longest time that cli_duration() reads: more than a hundred years. */
#define LONGEST (1000000 * HOUR)

/* ---- options of every command ---- */

const struct cli_option cli_global_options[] = {
    {.id = CLI_OPT_SERVER,
     .kind = CLI_TEXT,
     .letter = 's',
     .name = "server",
     .value = "ADDR",
     .fallback = "127.0.0.1:7117",
     .help = "The server: HOST, HOST:PORT, [IPV6]:PORT or unix:PATH. The variable "
             "CAUDEX_SERVER sets it too."},
    {.id = CLI_OPT_JSON,
     .kind = CLI_FLAG,
     .letter = 'j',
     .name = "json",
     .help = "Print JSON, one object a line; errors too, on standard error."},
    {.id = CLI_OPT_RAW,
     .kind = CLI_FLAG,
     .letter = 'r',
     .name = "raw",
     .help = "Print keys and values byte for byte, without escapes."},
    {.id = CLI_OPT_ESCAPED,
     .kind = CLI_FLAG,
     .letter = 'e',
     .name = "escaped",
     .help = "Read \\t, \\n, \\r, \\\\ and \\xNN in the KEY and VALUE of the command line."},
    {.id = CLI_OPT_COLOR,
     .kind = CLI_CHOICE,
     .name = "color",
     .value = "WHEN",
     .choices = "auto|always|never",
     .fallback = "auto",
     .help = "Colours: auto means on a terminal, unless the variable NO_COLOR is set."},
    {.id = CLI_OPT_TIMEOUT,
     .kind = CLI_DURATION,
     .letter = 't',
     .name = "timeout",
     .value = "TIME",
     .min = MS,
     .max = HOUR,
     .fallback = "10s",
     .help = "Wait at most so long to connect, and for each answer: 250ms, 10s, 2m."},
    {.id = CLI_OPT_HELP,
     .kind = CLI_FLAG,
     .letter = 'h',
     .name = "help",
     .help = "Explain the program, or the command."},
    {.id = CLI_OPT_VERSION,
     .kind = CLI_FLAG,
     .letter = 'V',
     .name = "version",
     .help = "Print the version."},
    {.id = CLI_OPT_PRINT_MAN,
     .kind = CLI_FLAG,
     .name = "print-man",
     .help = "Print the manual page, for man -l."},
};
const size_t cli_global_option_count = sizeof cli_global_options / sizeof cli_global_options[0];

/* ---- options of single commands ---- */

static const struct cli_option get_options[] = {
    {.id = CLI_OPT_REVISION,
     .kind = CLI_FLAG,
     .name = "revision",
     .help = "Print the value's revision, a tab, and the value, as a row."},
};

static const struct cli_option match_options[] = {
    {.id = CLI_OPT_BYTES,
     .kind = CLI_FLAG,
     .letter = 'b',
     .name = "bytes",
     .help = "The longest stored key that is a prefix byte by byte, segments or not."},
    {.id = CLI_OPT_VALUE_ONLY,
     .kind = CLI_FLAG,
     .name = "value",
     .help = "Print only the value, as get does."},
};

static const struct cli_option put_options[] = {
    {.id = CLI_OPT_FILE,
     .kind = CLI_PATH,
     .letter = 'f',
     .name = "file",
     .value = "FILE",
     .help = "The value is the content of FILE, byte for byte."},
    {.id = CLI_OPT_IF_REVISION,
     .kind = CLI_NUMBER,
     .name = "if-revision",
     .value = "N",
     .max = UINT64_MAX,
     .help = "Store only if the key's revision is N (see get --revision); 0: only if it is not "
             "stored."},
    {.id = CLI_OPT_IF_ABSENT,
     .kind = CLI_FLAG,
     .name = "if-absent",
     .help = "Store only if the key is not stored."},
    {.id = CLI_OPT_TTL,
     .kind = CLI_DURATION,
     .name = "ttl",
     .value = "TIME",
     .min = MS,
     .max = LONGEST,
     .help = "The key ends after TIME: 500ms, 30s, 5m, 2h. Without it the key stays, also one that "
             "was to end."},
    {.id = CLI_OPT_REVISION,
     .kind = CLI_FLAG,
     .name = "revision",
     .help = "Print the revision of the write."},
};

static const struct cli_option delete_options[] = {
    {.id = CLI_OPT_IF_REVISION,
     .kind = CLI_NUMBER,
     .name = "if-revision",
     .value = "N",
     .min = 1,
     .max = UINT64_MAX,
     .help = "Remove only if the key's revision is N (see get --revision)."},
};

static const struct cli_option apply_options[] = {
    {.id = CLI_OPT_REVISION,
     .kind = CLI_FLAG,
     .name = "revision",
     .help = "Print the store's revision after the batch."},
};

static const struct cli_option drop_options[] = {
    {.id = CLI_OPT_YES,
     .kind = CLI_FLAG,
     .letter = 'y',
     .name = "yes",
     .help = "Do not ask, whatever is dropped."},
};

static const struct cli_option list_options[] = {
    {.id = CLI_OPT_LIMIT,
     .kind = CLI_NUMBER,
     .letter = 'n',
     .name = "limit",
     .value = "N",
     .max = UINT64_MAX,
     .fallback = "0",
     .help = "Print at most N rows; 0: all."},
    {.id = CLI_OPT_AFTER,
     .kind = CLI_TEXT,
     .letter = 'a',
     .name = "after",
     .value = "KEY",
     .help = "Begin behind KEY, which need not be stored."},
    {.id = CLI_OPT_KEYS,
     .kind = CLI_FLAG,
     .letter = 'k',
     .name = "keys",
     .help = "Keys only; the values are not sent."},
};

static const struct cli_option children_options[] = {
    {.id = CLI_OPT_LIMIT,
     .kind = CLI_NUMBER,
     .letter = 'n',
     .name = "limit",
     .value = "N",
     .max = UINT64_MAX,
     .fallback = "0",
     .help = "Print at most N rows; 0: all."},
    {.id = CLI_OPT_AFTER,
     .kind = CLI_TEXT,
     .letter = 'a',
     .name = "after",
     .value = "KEY",
     .help = "Begin behind KEY, which need not be stored."},
};

static const struct cli_option ping_options[] = {
    {.id = CLI_OPT_COUNT,
     .kind = CLI_NUMBER,
     .letter = 'c',
     .name = "count",
     .value = "N",
     .max = UINT64_MAX,
     .fallback = "4",
     .help = "Send N pings; 0: until Ctrl-C."},
    {.id = CLI_OPT_INTERVAL,
     .kind = CLI_DURATION,
     .letter = 'i',
     .name = "interval",
     .value = "TIME",
     .max = HOUR,
     .fallback = "250ms",
     .help = "Wait so long between two."},
};

static const struct cli_option load_options[] = {
    {.id = CLI_OPT_FORMAT,
     .kind = CLI_CHOICE,
     .name = "format",
     .value = "FORMAT",
     .choices = "auto|tsv|json|keys",
     .fallback = "auto",
     .help = "What a line is. auto: by the file's name (.tsv, .json, .jsonl, .ndjson), else JSON "
             "when the first line begins with '{', else TSV."},
    {.id = CLI_OPT_KEYS,
     .kind = CLI_FLAG,
     .letter = 'k',
     .name = "keys",
     .help = "The same as --format keys: every line is a key, byte for byte."},
    {.id = CLI_OPT_VALUE,
     .kind = CLI_TEXT,
     .name = "value",
     .value = "VALUE",
     .fallback = "",
     .help = "The value of every key of --keys."},
    {.id = CLI_OPT_TTL,
     .kind = CLI_DURATION,
     .name = "ttl",
     .value = "TIME",
     .min = MS,
     .max = LONGEST,
     .help = "Every key ends TIME after it was stored: 500ms, 30s, 5m, 2h."},
    {.id = CLI_OPT_PIPELINE,
     .kind = CLI_NUMBER,
     .letter = 'p',
     .name = "pipeline",
     .value = "N",
     .min = 1,
     .max = 65536,
     .fallback = "1000",
     .help = "Send up to N rows ahead of their answers."},
    {.id = CLI_OPT_KEEP_GOING,
     .kind = CLI_FLAG,
     .name = "keep-going",
     .help = "Report a bad row and go on with the next; the exit status still tells."},
    {.id = CLI_OPT_FROM_LINE,
     .kind = CLI_NUMBER,
     .name = "from-line",
     .value = "N",
     .min = 1,
     .max = UINT64_MAX,
     .fallback = "1",
     .help = "Begin at line N."},
    {.id = CLI_OPT_CHECKPOINT,
     .kind = CLI_PATH,
     .name = "checkpoint",
     .value = "FILE",
     .help = "Note in FILE, now and then, how far the rows are stored; begin there when FILE "
             "exists; remove it when all is stored."},
    {.id = CLI_OPT_QUIET,
     .kind = CLI_FLAG,
     .letter = 'q',
     .name = "quiet",
     .help = "No progress and no summary; errors only."},
};

static const struct cli_option swap_options[] = {
    {.id = CLI_OPT_FORMAT,
     .kind = CLI_CHOICE,
     .name = "format",
     .value = "FORMAT",
     .choices = "auto|tsv|json|keys",
     .fallback = "auto",
     .help = "What a line is, as for load."},
    {.id = CLI_OPT_KEYS,
     .kind = CLI_FLAG,
     .letter = 'k',
     .name = "keys",
     .help = "The same as --format keys: every line is a key, byte for byte."},
    {.id = CLI_OPT_VALUE,
     .kind = CLI_TEXT,
     .name = "value",
     .value = "VALUE",
     .fallback = "",
     .help = "The value of every key of --keys."},
    {.id = CLI_OPT_TTL,
     .kind = CLI_DURATION,
     .name = "ttl",
     .value = "TIME",
     .min = MS,
     .max = LONGEST,
     .help = "Every key ends TIME after it was stored: 500ms, 30s, 5m, 2h."},
    {.id = CLI_OPT_EMPTY,
     .kind = CLI_FLAG,
     .name = "empty",
     .help =
         "Swap also when there are no rows, which removes all that is stored at and below KEY."},
    {.id = CLI_OPT_PIPELINE,
     .kind = CLI_NUMBER,
     .letter = 'p',
     .name = "pipeline",
     .value = "N",
     .min = 1,
     .max = 65536,
     .fallback = "1000",
     .help = "Send up to N rows ahead of their answers."},
    {.id = CLI_OPT_QUIET,
     .kind = CLI_FLAG,
     .letter = 'q',
     .name = "quiet",
     .help = "No progress and no summary; errors only."},
};

static const struct cli_option dump_options[] = {
    {.id = CLI_OPT_FORMAT,
     .kind = CLI_CHOICE,
     .name = "format",
     .value = "FORMAT",
     .choices = "auto|tsv|json",
     .fallback = "auto",
     .help = "What a line is. auto: JSON with --json or when the output's name ends in .json, "
             ".jsonl or .ndjson, else TSV."},
    {.id = CLI_OPT_OUTPUT,
     .kind = CLI_PATH,
     .letter = 'o',
     .name = "output",
     .value = "FILE",
     .help = "Write to FILE; it appears, or changes, only when it is complete."},
    {.id = CLI_OPT_PAGES,
     .kind = CLI_FLAG,
     .name = "pages",
     .help = "Fetch the rows a page at a time, each page of another moment: for what takes longer "
             "than the server lets one answer last."},
    {.id = CLI_OPT_QUIET,
     .kind = CLI_FLAG,
     .letter = 'q',
     .name = "quiet",
     .help = "No progress and no summary; errors only."},
};

static const struct cli_option bench_options[] = {
    {.id = CLI_OPT_CONNECTIONS,
     .kind = CLI_NUMBER,
     .letter = 'c',
     .name = "connections",
     .value = "N",
     .min = 1,
     .max = 10000,
     .fallback = "50",
     .help = "Connections in all."},
    {.id = CLI_OPT_PIPELINE,
     .kind = CLI_NUMBER,
     .letter = 'p',
     .name = "pipeline",
     .value = "N",
     .min = 1,
     .max = 4096,
     .fallback = "16",
     .help = "Open requests per connection."},
    {.id = CLI_OPT_THREADS,
     .kind = CLI_NUMBER,
     .letter = 'T',
     .name = "threads",
     .value = "N",
     .min = 1,
     .max = 64,
     .fallback = "1",
     .help = "Threads that share the connections."},
    {.id = CLI_OPT_DURATION,
     .kind = CLI_DURATION,
     .letter = 'd',
     .name = "duration",
     .value = "TIME",
     .min = 10 * MS,
     .max = 100 * HOUR,
     .fallback = "5s",
     .help = "How long to measure."},
    {.id = CLI_OPT_REQUESTS,
     .kind = CLI_NUMBER,
     .letter = 'n',
     .name = "requests",
     .value = "N",
     .min = 1,
     .max = UINT64_MAX,
     .help = "Send N requests in all, however long it takes."},
    {.id = CLI_OPT_RATIO,
     .kind = CLI_TEXT,
     .name = "ratio",
     .value = "LIST",
     .fallback = "get=80,match=15,put=5",
     .help = "Which calls, and how often: CALL=WEIGHT, separated by commas. Any of ping, echo, "
             "get, gets, ttl, match, match_bytes, match_all, list, children, count, scan, put, "
             "put_if, put_ttl, touch, delete."},
    {.id = CLI_OPT_KEYS_FILE,
     .kind = CLI_PATH,
     .letter = 'k',
     .name = "keys",
     .value = "FILE",
     .help = "Ask for the keys in FILE, one a line, instead of generated ones."},
    {.id = CLI_OPT_KEYSPACE,
     .kind = CLI_NUMBER,
     .name = "keyspace",
     .value = "N",
     .min = 1,
     .max = 100000000,
     .fallback = "100k",
     .help = "Generate N keys below /bench/."},
    {.id = CLI_OPT_VALUE_SIZE,
     .kind = CLI_NUMBER,
     .name = "value-size",
     .value = "BYTES",
     .max = 1 << 20,
     .fallback = "32",
     .help = "Length of the values that put and echo send."},
    {.id = CLI_OPT_RATE,
     .kind = CLI_NUMBER,
     .name = "rate",
     .value = "N",
     .min = 1,
     .max = 1000000000,
     .help = "Send N requests a second, whether or not the server keeps up; latencies then count "
             "from when a request was due."},
    {.id = CLI_OPT_FILL, .kind = CLI_FLAG, .name = "fill", .help = "Store all the keys first."},
    {.id = CLI_OPT_SEED,
     .kind = CLI_NUMBER,
     .name = "seed",
     .value = "N",
     .max = UINT64_MAX,
     .fallback = "1",
     .help = "Another seed asks in another order."},
};

/* ---- commands ---- */

const struct cli_command cli_commands[] = {
    {.name = "get",
     .words = "KEY",
     .words_min = 1,
     .words_max = 1,
     .word_kind = CLI_WORD_KEY,
     .run = cli_get,
     OPTIONS(get_options),
     .summary = "print the value stored at exactly KEY",
     .text =
         "Prints the value. On a pipe or in a file it is the value's bytes and nothing else; on a "
         "terminal it is escaped and ends with a line feed. Exits 1 when KEY is not stored.",
     .examples = "caudex get /img\n"
                 "caudex get --revision /img\n"
                 "caudex get /logo.png > logo.png"},
    {.name = "match",
     .words = "PATH",
     .words_min = 1,
     .words_max = 1,
     .word_kind = CLI_WORD_KEY,
     .run = cli_match,
     OPTIONS(match_options),
     .summary = "print the longest stored key that PATH is, or lies below, and its value",
     .text =
         "A stored key K answers PATH when PATH equals K, or begins with K and either K ends in / "
         "or PATH has / right after K. The longest such K wins. Prints the key, a tab, and the "
         "value. Exits 1 when no stored key answers.",
     .examples = "caudex match /img/cats/1.jpg\n"
                 "backend=$(caudex match --value /img/cats/1.jpg)\n"
                 "caudex match --bytes 4930123456"},
    {.name = "match-all",
     .words = "PATH",
     .words_min = 1,
     .words_max = 1,
     .word_kind = CLI_WORD_KEY,
     .run = cli_match_all,
     .summary = "print every stored key that answers PATH, shortest first",
     .text = "Prints a row for PATH itself and each of its ancestors that is stored: key, tab, "
             "value. Exits 1 when there is none.",
     .examples = "caudex match-all /img/cats/1.jpg"},
    {.name = "put",
     .words = "KEY VALUE",
     .words_min = 1,
     .words_max = 2,
     .word_kind = CLI_WORD_KEY,
     .run = cli_put,
     OPTIONS(put_options),
     .summary = "store VALUE at KEY",
     .text =
         "Stores VALUE, whether or not KEY is stored already. A VALUE of - means standard input, "
         "up to its end; --file FILE stands in for VALUE. With --if-revision or --if-absent the "
         "value is stored only if the condition holds, else the exit status is 1 and the present "
         "revision is told.",
     .examples = "caudex put /img cdn-a\n"
                 "caudex put /logo.png --file logo.png\n"
                 "date | caudex put /now -\n"
                 "caudex put --if-revision 42 /img cdn-b\n"
                 "caudex put --ttl 30s /lease/42 holder-7\n"
                 "caudex put --escaped /bin '\\x00\\xFF'"},
    {.name = "delete",
     .alias = "del",
     .words = "KEY",
     .words_min = 1,
     .words_max = 1,
     .word_kind = CLI_WORD_KEY,
     .run = cli_delete,
     OPTIONS(delete_options),
     .summary = "remove KEY; what lies below it stays",
     .text =
         "Prints nothing. Exits 1 when KEY was not stored, or has another revision than that of "
         "--if-revision, which is then told.",
     .examples = "caudex delete /img\n"
                 "caudex delete --if-revision 42 /img"},
    {.name = "drop",
     .words = "KEY",
     .words_min = 1,
     .words_max = 1,
     .word_kind = CLI_WORD_KEY,
     .run = cli_drop,
     OPTIONS(drop_options),
     .summary = "remove KEY and everything below it, at once",
     .text =
         "Prints how many keys were removed. The empty key means the whole store. On a terminal, "
         "caudex asks before it drops the whole store or more than 1000 keys; elsewhere the whole "
         "store needs --yes. Exits 1 when the answer was no.",
     .examples = "caudex drop /img\n"
                 "caudex drop --yes ''"},
    {.name = "touch",
     .words = "KEY TIME",
     .words_min = 2,
     .words_max = 2,
     .word_kind = CLI_WORD_KEY,
     .run = cli_touch,
     .summary = "let KEY end after TIME, or never",
     .text = "The value and its revision stay. TIME is 500ms, 30s, 5m, 2h, or never. Prints "
             "nothing. Exits 1 when KEY is not stored.",
     .examples = "caudex touch /lease/42 30s\n"
                 "caudex touch /lease/42 never"},
    {.name = "ttl",
     .words = "KEY",
     .words_min = 1,
     .words_max = 1,
     .word_kind = CLI_WORD_KEY,
     .run = cli_ttl,
     .summary = "print the time after which KEY ends",
     .text = "Prints seconds, like 29.998s, or never: what touch reads. Exits 1 when KEY is not "
             "stored.",
     .examples = "caudex ttl /lease/42"},
    {.name = "apply",
     .words = "[FILE]",
     .words_max = 1,
     .word_kind = CLI_WORD_PATH,
     .run = cli_apply,
     OPTIONS(apply_options),
     .summary = "carry out all writes of FILE at once, or none",
     .text =
         "Reads commands, one a line, as at the prompt (see 'caudex help prompt'): put, delete and "
         "drop, with their options --if-revision, --if-absent, --ttl and --file. They are sent as "
         "one batch: other clients see all of them or none. Without FILE, or with -, they come "
         "from standard input.\n\n"
         "When one cannot be carried out, nothing is changed, and the message names its line as "
         "FILE:LINE:. The exit status is 1 when a condition did not hold. To delete a key that is "
         "not stored is no failure.",
     .examples = "caudex apply routes.batch\n"
                 "printf 'delete /a\\nput --if-absent /b 1\\n' | caudex apply"},
    {.name = "list",
     .alias = "ls",
     .words = "[KEY]",
     .words_max = 1,
     .word_kind = CLI_WORD_KEY,
     .run = cli_list,
     OPTIONS(list_options),
     .summary = "print the stored keys at and below KEY, with their values",
     .text =
         "Prints a row per key: key, tab, value; in byte order, except that / sorts before every "
         "other byte, so that a key is followed by all that lies below it. Without KEY, the whole "
         "store. Rows are fetched a page at a time; each page is one moment of the store.",
     .examples = "caudex list /img\n"
                 "caudex list --keys --limit 10 /img\n"
                 "caudex list --json | jq .key"},
    {.name = "children",
     .words = "[KEY]",
     .words_max = 1,
     .word_kind = CLI_WORD_KEY,
     .run = cli_children,
     OPTIONS(children_options),
     .summary = "print the names one level below KEY",
     .text = "Prints a row per name: its whole path, the number of stored keys at and below it, "
             "and 'stored' or '-' for whether it is itself a stored key.",
     .examples = "caudex children /\n"
                 "caudex children /img"},
    {.name = "count",
     .words = "[KEY]",
     .words_max = 1,
     .word_kind = CLI_WORD_KEY,
     .run = cli_count,
     .summary = "print how many keys are stored at and below KEY",
     .text = "Without KEY, in the whole store.",
     .examples = "caudex count /img"},
    {.name = "load",
     .words = "FILE",
     .words_min = 1,
     .words_max = 1,
     .word_kind = CLI_WORD_PATH,
     .run = cli_load,
     OPTIONS(load_options),
     .summary = "store all rows of FILE, or of standard input (-)",
     .text =
         "Reads TSV, JSON lines or plain keys (see 'caudex help formats') and stores them with "
         "many requests under way. On a terminal it shows how far it is; at the end it says how "
         "many rows were stored, and how fast.\n\n"
         "A row that cannot be read or stored is reported as FILE:LINE: and why. Loading then "
         "stops, after the answers that are under way have come in, and says from which line to "
         "go on; with --keep-going it goes on by itself. Loading a row twice does no harm.",
     .examples = "caudex load routes.tsv\n"
                 "find / -xdev | caudex load --keys --value file -\n"
                 "caudex load --checkpoint routes.done routes.tsv"},
    {.name = "swap",
     .words = "KEY [FILE]",
     .words_min = 1,
     .words_max = 2,
     .word_kind = CLI_WORD_KEY,
     .later_kind = CLI_WORD_PATH,
     .run = cli_swap,
     OPTIONS(swap_options),
     .summary = "replace all that is stored at and below KEY by the rows of FILE, at once",
     .text =
         "Reads rows as load does; their keys are KEY itself or lie below it. They are stored "
         "where nobody sees them, and then take the place of what is stored at and below KEY in "
         "one step: other clients see either all of the old keys or all of the new ones. Prints "
         "how many keys were added and removed. Without FILE, or with -, the rows come from "
         "standard input.\n\n"
         "When a row cannot be read or stored, when there are no rows, and at Ctrl-C, the new rows "
         "are thrown away and nothing is changed.",
     .examples = "caudex swap /img img.tsv\n"
                 "make-routes | caudex swap /routes --format tsv"},
    {.name = "dump",
     .words = "[KEY]",
     .words_max = 1,
     .word_kind = CLI_WORD_KEY,
     .run = cli_dump,
     OPTIONS(dump_options),
     .summary = "write the keys at and below KEY in a form that load reads",
     .text = "Writes TSV or JSON lines (see 'caudex help formats'); load stores exactly the same "
             "bytes again. Without KEY, the whole store. All rows are of one moment, whatever is "
             "written meanwhile. When keys end is not written.",
     .examples = "caudex dump > all.tsv\n"
                 "caudex dump --output img.jsonl /img"},
    {.name = "stats",
     .run = cli_stats,
     .words = "",
     .summary = "print the server's counters",
     .text = "Prints a row per counter: name, tab, number.",
     .examples = "caudex stats\n"
                 "caudex --json stats"},
    {.name = "ping",
     .run = cli_ping,
     .words = "",
     OPTIONS(ping_options),
     .summary = "measure round trips",
     .text = "Sends one request at a time and prints how long each answer took, then the least, "
             "the mean and the longest time. Exits 3 when an answer did not come.",
     .examples = "caudex ping\n"
                 "caudex --timeout 1s ping --count 1"},
    {.name = "hello",
     .alias = "info",
     .run = cli_hello,
     .words = "",
     .summary = "print the server's version and limits",
     .text = "Names the protocol version that this program speaks; exits 4 when the server does "
             "not speak it.",
     .examples = "caudex hello"},
    {.name = "bench",
     .run = cli_bench,
     .words = "",
     .place = CLI_SHELL_ONLY,
     OPTIONS(bench_options),
     .summary = "put a load on the server and measure it",
     .text =
         "Keeps --connections × --pipeline requests open and prints the throughput, the latencies "
         "of each call (median, 90 %, 99 %, 99.9 %, longest) and the answers by status. Every "
         "answer is parsed and checked against its request; one that does not fit ends the run "
         "with exit status 4.\n\n"
         "The calls that write (put, put_if, put_ttl, touch, delete) change the store: generated "
         "keys lie below /bench/, 'caudex drop /bench' removes them; keys of --keys FILE are used "
         "as they are. put_ttl and touch let a key end after a minute. Requests are encoded before "
         "the clock runs. A saturated generator measures itself: raise --threads until the rate no "
         "longer grows.",
     .examples = "caudex bench --fill\n"
                 "caudex bench --ratio match=1 --pipeline 100 --duration 10s\n"
                 "caudex bench --rate 50k --connections 200 --json"},
    {.name = "completion",
     .words = "SHELL",
     .words_min = 1,
     .words_max = 1,
     .word_kind = CLI_WORD_SHELL,
     .place = CLI_SHELL_ONLY,
     .run = cli_completion,
     .summary = "print a completion script for bash, zsh or fish",
     .text = "The script completes commands, options, files and, by asking the server, keys.",
     .examples = "eval \"$(caudex completion bash)\"\n"
                 "caudex completion zsh > ~/.zfunc/_caudex\n"
                 "caudex completion fish > ~/.config/fish/completions/caudex.fish"},
    {.name = "complete-key",
     .words = "[START]",
     .words_max = 1,
     .place = CLI_HIDDEN,
     .run = cli_complete_key,
     .summary = "print the keys and names that complete START",
     .text = "Used by the completion scripts: one a line; those that are no single line of "
             "printable text are left out."},
    {.name = "help",
     .words = "[COMMAND|TOPIC]",
     .words_max = 1,
     .word_kind = CLI_WORD_COMMAND,
     .run = cli_help,
     .summary = "explain a command or a topic",
     .text = "Without an argument, the list of commands. Topics: formats, prompt, exit-status, "
             "environment.",
     .examples = "caudex help load\n"
                 "caudex help formats"},
    {.name = "version",
     .words = "",
     .run = cli_version,
     .summary = "print the version of caudex and of its protocol",
     .text = "hello prints the server's."},
    {.name = "quit",
     .alias = "exit",
     .words = "",
     .place = CLI_PROMPT_ONLY,
     .run = cli_quit,
     .summary = "leave the prompt",
     .text = "Ctrl-D does the same."},
};
const size_t cli_command_count = sizeof cli_commands / sizeof cli_commands[0];
