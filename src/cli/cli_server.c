/* SPDX-License-Identifier: Apache-2.0 */
/* The commands about the server itself: stats, ping, hello. */
#include "cli.h"

#include "cli_interrupt.h"
#include "cli_progress.h"
#include "cli_text.h"
#include <stdio.h>
#include <time.h>

/* ---- stats ---- */

/* Decimal digits without a needless zero are a JSON number; 18 always fit in 64 bits. */
static bool is_number(struct cdx_bytes text)
{
    if (text.len == 0 || text.len > 18 || (text.len > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return true;
}

static uint64_t number_of(struct cdx_bytes digits)
{
    uint64_t n = 0;
    for (size_t i = 0; i < digits.len; i++)
        n = n * 10 + (uint64_t)(digits.data[i] - '0');
    return n;
}

static void print_counter(struct cli *cli, struct cli_json *json, const struct kv_response *row)
{
    struct cli_buf name = {0};
    if (!cli->out.json) {
        cli_out_row(&cli->out, row->key, row->val);
        return;
    }
    cli_escape(&name, row->key);
    cli_buf_byte(&name, 0);
    if (name.failed)
        cli->out.buf.failed = true;
    else if (is_number(row->val))
        cli_json_u64(json, (const char *)name.data, number_of(row->val));
    else
        cli_json_bytes(json, (const char *)name.data, row->val);
    cli_buf_free(&name);
}

enum cli_exit cli_stats(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct kv_response frame;
    struct cli_json json = {0};
    (void)args;
    enum cli_exit exit = cli_ask(cli, KV_CALL_STATS, cdx_empty(), cdx_empty(), &frame, failure);
    if (cli->out.json)
        json = cli_json_begin(&cli->out.buf);
    while (exit == CLI_EXIT_DONE && frame.status == KV_STATUS_ROW) {
        print_counter(cli, &json, &frame);
        exit = cli_ask_more(cli, &frame, failure);
    }
    if (cli->out.json && exit == CLI_EXIT_DONE)
        cli_out_json_end(&cli->out, &json);
    if (exit != CLI_EXIT_DONE)
        cli_buf_clear(&cli->out.buf); /* half of an answer is none */
    return exit;
}

/* ---- ping ---- */

/* Times of the answers so far. */
struct ping {
    uint64_t sent;
    uint64_t answered;
    uint64_t min_ns;
    uint64_t max_ns;
    uint64_t sum_ns;
};

static void ping_count(struct ping *ping, uint64_t ns)
{
    ping->min_ns = ping->answered == 0 || ns < ping->min_ns ? ns : ping->min_ns;
    ping->max_ns = ns > ping->max_ns ? ns : ping->max_ns;
    ping->sum_ns += ns;
    ping->answered++;
}

static double mean_ms(const struct ping *ping)
{
    return ping->answered != 0 ? (double)ping->sum_ns / 1e6 / (double)ping->answered : 0;
}

static enum cli_exit ping_once(struct cli *cli, struct ping *ping, struct cli_failure *failure)
{
    struct kv_response frame;
    uint64_t start_ns = cli_now_ns();
    ping->sent++;
    enum cli_exit exit = cli_ask(cli, KV_CALL_PING, cdx_empty(), cdx_empty(), &frame, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    uint64_t ns = cli_now_ns() - start_ns;
    ping_count(ping, ns);
    if (cli->out.json) {
        struct cli_json json = cli_out_json(&cli->out, "ok");
        cli_json_u64(&json, "number", ping->sent);
        cli_json_real(&json, "ms", (double)ns / 1e6);
        cli_out_json_end(&cli->out, &json);
    } else {
        cli_buf_printf(&cli->out.buf, "answer %llu from %s: %.3f ms\n",
                       (unsigned long long)ping->sent, cli->settings.server, (double)ns / 1e6);
    }
    return cli_out_flush(&cli->out, failure);
}

static void ping_summary(struct cli *cli, const struct ping *ping)
{
    if (cli->out.json) {
        struct cli_json json = cli_out_json(&cli->out, "summary");
        cli_json_u64(&json, "sent", ping->sent);
        cli_json_u64(&json, "answered", ping->answered);
        cli_json_real(&json, "min_ms", (double)ping->min_ns / 1e6);
        cli_json_real(&json, "mean_ms", mean_ms(ping));
        cli_json_real(&json, "max_ms", (double)ping->max_ns / 1e6);
        cli_out_json_end(&cli->out, &json);
    } else {
        cli_buf_printf(&cli->out.buf, "%llu sent, %llu answered; min/avg/max %.3f/%.3f/%.3f ms\n",
                       (unsigned long long)ping->sent, (unsigned long long)ping->answered,
                       (double)ping->min_ns / 1e6, mean_ms(ping), (double)ping->max_ns / 1e6);
    }
}

/* Longest single sleep between pings: so soon Ctrl-C is seen, whenever it comes. */
#define PAUSE_SLICE_NS 100000000ull

/* Sleeps between two pings, or until Ctrl-C. */
static void pause_for(uint64_t ns)
{
    while (ns != 0 && !cli_interrupted()) {
        uint64_t slice = ns < PAUSE_SLICE_NS ? ns : PAUSE_SLICE_NS;
        nanosleep(&(struct timespec){.tv_nsec = (long)slice}, NULL);
        ns -= slice;
    }
}

enum cli_exit cli_ping(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    struct ping ping = {0};
    uint64_t count = cli_opt_number(args, CLI_OPT_COUNT);
    /* The connection is made first: a ping is a round trip, not a handshake. */
    enum cli_exit exit = cli_connect(cli, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    cli_interrupt_catch();
    do {
        if (ping.sent != 0)
            pause_for(cli_opt_number(args, CLI_OPT_INTERVAL));
        if (!cli_interrupted())
            exit = ping_once(cli, &ping, failure);
    } while (exit == CLI_EXIT_DONE && ping.sent != count && !cli_interrupted());
    bool interrupted = cli_interrupted();
    cli_interrupt_release();
    ping_summary(cli, &ping);
    if (!interrupted)
        return exit;
    failure->text[0] = 0; /* the summary says it all */
    return CLI_EXIT_INTERRUPTED;
}

/* ---- hello ---- */

static void hello_print(struct cli *cli, const struct kv_hello_info *info)
{
    char text[32];
    struct cli_out *out = &cli->out;
    if (out->json) {
        struct cli_json json = cli_out_json(out, "ok");
        cli_json_bytes(&json, "agent", info->agent);
        cli_json_u64(&json, "major", info->major);
        cli_json_u64(&json, "minor", info->minor);
        cli_json_u64(&json, "key_max", info->key_max);
        cli_json_u64(&json, "value_max", info->value_max);
        cli_out_json_end(out, &json);
        return;
    }
    cli_out_row(out, CDX_STR("server"), info->agent);
    snprintf(text, sizeof text, "%u.%u", info->major, info->minor);
    cli_out_field(out, "protocol", text);
    snprintf(text, sizeof text, "%u", info->key_max);
    cli_out_field(out, "key_max", text);
    snprintf(text, sizeof text, "%u", info->value_max);
    cli_out_field(out, "value_max", text);
}

enum cli_exit cli_hello(struct cli *cli, const struct cli_args *args, struct cli_failure *failure)
{
    const struct kv_hello_args body = {
        .major = KV_VERSION_MAJOR,
        .minor = KV_VERSION_MINOR,
        .agent = CDX_STR("caudex " CAUDEX_VERSION),
    };
    struct cdx_out out;
    struct kv_response frame;
    struct kv_hello_info info;
    struct cdx_parse_error error;
    (void)args;
    enum cli_exit exit =
        cli_ask_begin(cli, KV_CALL_HELLO, kv_hello_request_size(&body), &out, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    enum cdx_status encoded = kv_hello_request_encode(&out, cli->rid, &body);
    exit = cli_ask_end(cli, &out, encoded, &frame, failure);
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (kv_hello_info_decode(frame.val, &info, &error) != CDX_OK)
        return cli_bad_body(cli, &error, failure);
    if (frame.status == KV_STATUS_UNSUPPORTED)
        return cli_fail(failure, CLI_EXIT_REFUSED,
                        "the server speaks version %u.%u of the protocol, this caudex %d.%d",
                        info.major, info.minor, KV_VERSION_MAJOR, KV_VERSION_MINOR);
    hello_print(cli, &info);
    return CLI_EXIT_DONE;
}
