/* SPDX-License-Identifier: Apache-2.0 */
/* The option table: the one place that says what can be set, how, and why. */
#include "options.h"

#include "log.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND_MS UINT64_C(1000)
#define HOUR_MS (3600 * SECOND_MS)
#define DAY_MS (24 * HOUR_MS)

static const char *const auto_word[] = {"auto", NULL};
static const char *const none_word[] = {"none", NULL};
static const char *const memory_policies[] = {"refuse", "evict", NULL};
static const char *const log_target_words[] = {"stderr", "syslog", NULL};

#define FIELD(name) offsetof(struct options, name)

const struct option_spec options_table[OPTION_ID_COUNT] = {
    [OPTION_LISTEN] =
        {
            .key = "listen",
            .letter = 'l',
            .type = OPTION_TYPE_LISTEN,
            .offset = FIELD(listeners),
            .initial = "127.0.0.1:7117,handler=kv",
            .doc =
                "An address to listen on; may be given up to 16 times.\n"
                "ADDRESS:PORT, [IPV6]:PORT, *:PORT (every IPv4 and IPv6 address) or unix:/PATH. "
                "Port 0 takes any free port: see ready-file.\n"
                "Behind it may follow ,handler=NAME: kv is the key-value protocol, resp that of "
                "Redis and memcache the binary one of memcached on the same keys, reply parses "
                "requests and gives a fixed answer, echo returns the bytes it gets (both for "
                "measurements); and, for unix:, ,mode=OCTAL: the permissions of the socket file "
                "(default 0660).\n"
                "The protocols have neither passwords nor encryption: whoever can connect can read "
                "and write everything. That is why the default is the loopback address.",
        },
    [OPTION_BACKLOG] =
        {
            .key = "backlog",
            .type = OPTION_TYPE_COUNT,
            .offset = FIELD(backlog),
            .min = 1,
            .max = 65535,
            .initial = "1024",
            .doc = "Connections that may wait to be accepted, per address and worker. The kernel "
                   "lowers it to net.core.somaxconn.",
        },
    [OPTION_CONNECTIONS_MAX] =
        {
            .key = "connections-max",
            .type = OPTION_TYPE_COUNT,
            .reloadable = true,
            .offset = FIELD(connections_max),
            .min = 1,
            .max = 1000000,
            .initial = "10000",
            .doc = "Connections that may be open at a time; a further one is told that the server "
                   "is busy and closed. Each takes one open file: the server raises its limit of "
                   "open files as far as it may, and refuses to start if that is not enough.",
        },
    [OPTION_KEEPALIVE] =
        {
            .key = "keepalive",
            .type = OPTION_TYPE_SECONDS,
            .offset = FIELD(keepalive_s),
            .min = 1,
            .max = 7200,
            .initial = "1min",
            .doc = "Silence after which TCP asks whether the peer is still there.",
        },
    [OPTION_IDLE_TIMEOUT] =
        {
            .key = "idle-timeout",
            .type = OPTION_TYPE_DURATION,
            .reloadable = true,
            .offset = FIELD(idle_timeout_ms),
            .min = 100,
            .max = 365 * DAY_MS,
            .initial = "1h",
            .doc = "A connection that sends no request for so long is closed.",
        },
    [OPTION_REQUEST_TIMEOUT] =
        {
            .key = "request-timeout",
            .type = OPTION_TYPE_DURATION,
            .reloadable = true,
            .offset = FIELD(request_timeout_ms),
            .min = 100,
            .max = HOUR_MS,
            .initial = "30s",
            .doc = "A request must have arrived completely so long after its first byte; "
                   "otherwise its connection is closed.",
        },
    [OPTION_CLOSE_TIMEOUT] =
        {
            .key = "close-timeout",
            .type = OPTION_TYPE_DURATION,
            .reloadable = true,
            .offset = FIELD(close_timeout_ms),
            .min = 100,
            .max = DAY_MS,
            .initial = "10min",
            .doc = "A connection that ends, from whichever side, is kept so long for the peer to "
                   "read its last answers; what it has not read then is thrown away. A peer that "
                   "reads nothing at all gets five seconds.",
        },
    [OPTION_REQUEST_MAX] =
        {
            .key = "request-max",
            .type = OPTION_TYPE_SIZE,
            .offset = FIELD(request_nbytes_max),
            .min = 64 * KIB,
            .max = GIB,
            .initial = "17MiB",
            .doc = "Bytes held of a request that has not arrived completely; a connection that "
                   "needs more is closed. The protocol's own limits fit into the default; less "
                   "also limits the values that can be stored.",
        },
    [OPTION_OUTPUT_HIGH] =
        {
            .key = "output-high",
            .type = OPTION_TYPE_SIZE,
            .offset = FIELD(output_high_nbytes),
            .min = 4 * KIB,
            .max = GIB,
            .initial = "1MiB",
            .doc = "Unsent answers of a connection above which the server reads no more requests "
                   "from it.",
        },
    [OPTION_OUTPUT_LOW] =
        {
            .key = "output-low",
            .type = OPTION_TYPE_SIZE,
            .offset = FIELD(output_low_nbytes),
            .min = KIB,
            .max = GIB,
            .initial = "256KiB",
            .doc = "Unsent answers of a connection below which the server reads from it again; "
                   "less than output-high.",
        },
    [OPTION_WORKERS] =
        {
            .key = "workers",
            .letter = 'w',
            .type = OPTION_TYPE_COUNT,
            .offset = FIELD(workers),
            .min = 1,
            .max = 64,
            .words = auto_word,
            .initial = "auto",
            .doc = "Threads that serve connections. auto: one for each core that the process may "
                   "use.",
        },
    [OPTION_PIN_WORKERS] =
        {
            .key = "pin-workers",
            .type = OPTION_TYPE_BOOL,
            .offset = FIELD(pin_workers),
            .initial = "no",
            .doc = "Whether each worker stays on one core. Good on a machine of its own, bad on a "
                   "shared one.",
        },
    [OPTION_DRAIN_TIMEOUT] =
        {
            .key = "drain-timeout",
            .type = OPTION_TYPE_DURATION,
            .reloadable = true,
            .offset = FIELD(drain_timeout_ms),
            .min = 1,
            .max = HOUR_MS,
            .initial = "10s",
            .doc = "On SIGTERM the server accepts no more connections and answers what it has "
                   "received; connections still open after so long are closed.",
        },
    [OPTION_MEMORY_MAX] =
        {
            .key = "memory-max",
            .type = OPTION_TYPE_SIZE,
            .reloadable = true,
            .offset = FIELD(memory_max_nbytes),
            .min = MIB,
            .max = 1024 * GIB,
            .words = none_word,
            .initial = "none",
            .doc = "Bytes that keys, values and their index may take; memory of connections comes "
                   "on top, and for some hundredths of a second what was just removed. See "
                   "memory-policy for what happens then.",
        },
    [OPTION_MEMORY_POLICY] =
        {
            .key = "memory-policy",
            .type = OPTION_TYPE_ENUM,
            .reloadable = true,
            .offset = FIELD(memory_policy),
            .words = memory_policies,
            .initial = "refuse",
            .doc = "What happens to a write that memory-max has no room for. refuse: it is "
                   "answered with no_memory and changes nothing. evict: keys that were not read "
                   "lately are removed for it.",
        },
    [OPTION_MEMORY_EVICT_BELOW] =
        {
            .key = "memory-evict-below",
            .type = OPTION_TYPE_PATH,
            .reloadable = true,
            .offset = FIELD(memory_evict_below),
            .words = none_word,
            .initial = "none",
            .doc = "With memory-policy evict: only keys in this subtree are removed. none: any "
                   "key may be.",
        },
    [OPTION_LOG_LEVEL] =
        {
            .key = "log-level",
            .type = OPTION_TYPE_ENUM,
            .reloadable = true,
            .offset = FIELD(log_level),
            .words = log_level_names,
            .initial = "info",
            .doc = "The least important messages that are logged: debug, info, warn or error.",
        },
    [OPTION_LOG_FORMAT] =
        {
            .key = "log-format",
            .type = OPTION_TYPE_ENUM,
            .reloadable = true,
            .offset = FIELD(log_format),
            .words = log_format_names,
            .initial = "text",
            .doc = "How a message is written: text is key=value pairs (logfmt), json one object a "
                   "line.",
        },
    [OPTION_LOG_TARGET] =
        {
            .key = "log-target",
            .type = OPTION_TYPE_PATH,
            .reloadable = true,
            .offset = FIELD(log_target),
            .words = log_target_words,
            .initial = "stderr",
            .doc = "Where messages go: stderr, syslog or the path of a file.\n"
                   "A file is appended to, and opened anew on SIGHUP, so that "
                   "it can be rotated. A log that cannot be written never stops the server: lost "
                   "lines are counted, and reported when writing works again.",
        },
    [OPTION_DAEMONIZE] =
        {
            .key = "daemonize",
            .letter = 'd',
            .type = OPTION_TYPE_BOOL,
            .offset = FIELD(daemonize),
            .initial = "no",
            .doc = "Whether the server detaches from the terminal. The command then returns when "
                   "the server listens, or reports why it does not. Needs a log-target other than "
                   "stderr. Service managers want no here.",
        },
    [OPTION_PID_FILE] =
        {
            .key = "pid-file",
            .type = OPTION_TYPE_PATH,
            .offset = FIELD(pid_file),
            .words = none_word,
            .initial = "none",
            .doc = "A file with the server's process number, locked while the server runs and "
                   "removed when it stops. A second server with the same file refuses to start; "
                   "a file that a killed server left is replaced.",
        },
    [OPTION_READY_FILE] =
        {
            .key = "ready-file",
            .type = OPTION_TYPE_PATH,
            .offset = FIELD(ready_file),
            .words = none_word,
            .initial = "none",
            .doc = "A file that appears, complete, when the server accepts connections, and is "
                   "removed when it stops: one line per listening address, in their order, with "
                   "the real ports. For scripts that let the system choose a port.",
        },
};
