/* SPDX-License-Identifier: Apache-2.0 */
/* What a bench measured, as a table or as JSON. */
#include "cli_bench.h"

#include "cli_json.h"
#include "cli_text.h"

/* The percentiles of the report; the last column is the longest time. */
static const struct {
    const char *title;
    const char *json_name;
    double percent;
} percentiles[] = {
    {"p50", "p50", 50},
    {"p90", "p90", 90},
    {"p99", "p99", 99},
    {"p99.9", "p99_9", 99.9},
};
#define PERCENTILES (sizeof percentiles / sizeof percentiles[0])

/* Widths of the table's columns. */
#define NAME_WIDTH 12u
#define NUMBER_WIDTH 11u

static double per_second(uint64_t n, const struct cli_bench_result *result)
{
    return result->elapsed_ns != 0 ? (double)n * 1e9 / (double)result->elapsed_ns : 0;
}

/* All calls together. */
static void merge_all(const struct cli_bench_plan *plan, const struct cli_bench_result *result,
                      struct cli_histogram *all)
{
    *all = (struct cli_histogram){0};
    for (size_t i = 0; i < plan->call_count; i++)
        cli_histogram_merge(all, &result->kinds[i].latency);
}

/* ---- the table ---- */

static size_t columns(const struct cli_buf *text, size_t from)
{
    size_t n = 0;
    for (size_t i = from; i < text->len; i++)
        n += (text->data[i] & 0xC0) != 0x80;
    return n;
}

/* Appends what `cell` holds, right-aligned, and empties it. */
static void add_cell(struct cli_buf *out, struct cli_buf *cell)
{
    for (size_t n = columns(cell, 0); n < NUMBER_WIDTH; n++)
        cli_buf_byte(out, ' ');
    cli_buf_add(out, cell->data, cell->len);
    cli_buf_clear(cell);
}

static void add_name(struct cli_buf *out, const char *name)
{
    size_t from = out->len;
    cli_buf_text(out, name);
    for (size_t n = columns(out, from); n < NAME_WIDTH; n++)
        cli_buf_byte(out, ' ');
}

static void table_head(struct cli_buf *out, struct cli_buf *cell)
{
    static const char *const titles[] = {"requests", "per second"};
    add_name(out, "call");
    for (size_t i = 0; i < 2; i++) {
        cli_buf_text(cell, titles[i]);
        add_cell(out, cell);
    }
    for (size_t i = 0; i < PERCENTILES; i++) {
        cli_buf_text(cell, percentiles[i].title);
        add_cell(out, cell);
    }
    cli_buf_text(cell, "max");
    add_cell(out, cell);
    cli_buf_byte(out, '\n');
}

static void table_row(struct cli_buf *out, struct cli_buf *cell, const char *name,
                      const struct cli_histogram *latency, const struct cli_bench_result *result)
{
    add_name(out, name);
    cli_buf_u64(cell, latency->count);
    add_cell(out, cell);
    cli_scaled(cell, per_second(latency->count, result));
    add_cell(out, cell);
    for (size_t i = 0; i < PERCENTILES; i++) {
        cli_time_text(cell, cli_histogram_percentile(latency, percentiles[i].percent));
        add_cell(out, cell);
    }
    cli_time_text(cell, latency->max);
    add_cell(out, cell);
    cli_buf_byte(out, '\n');
}

static void statuses_row(struct cli_buf *out, const char *name, const struct cli_bench_kind *kind)
{
    add_name(out, name);
    const char *comma = "  ";
    for (size_t s = 0; s < CLI_BENCH_STATUS_MAX; s++) {
        if (kind->statuses[s] == 0)
            continue;
        cli_buf_printf(out, "%s%s %llu", comma, kv_status_name((uint8_t)s),
                       (unsigned long long)kind->statuses[s]);
        comma = ", ";
    }
    if (kind->rows != 0)
        cli_buf_printf(out, ", rows %llu", (unsigned long long)kind->rows);
    cli_buf_byte(out, '\n');
}

static void setup_line(struct cli_buf *out, const struct cli_bench_setup *setup,
                       const struct cli_bench_result *result)
{
    cli_buf_printf(out, "\n%u connections × %u open requests, %u thread%s, ", setup->connections,
                   setup->pipeline, setup->threads, setup->threads == 1 ? "" : "s");
    cli_time_text(out, result->elapsed_ns);
    if (setup->rate != 0)
        cli_buf_printf(out, ", at most %llu requests/s asked for", (unsigned long long)setup->rate);
    cli_buf_text(out, "; ");
    cli_scaled(out, per_second(result->bytes_out, result));
    cli_buf_text(out, "B/s sent, ");
    cli_scaled(out, per_second(result->bytes_in, result));
    cli_buf_text(out, result->interrupted ? "B/s received; interrupted\n" : "B/s received\n");
}

/* Most answers were of keys that are not there: probably not what was meant. */
static void absence_note(struct cli_buf *out, const struct cli_bench_plan *plan,
                         const struct cli_bench_result *result)
{
    uint64_t absent = 0;
    for (size_t i = 0; i < plan->call_count; i++)
        absent += result->kinds[i].statuses[KV_STATUS_NOT_FOUND];
    if (absent > result->answers / 2)
        cli_buf_text(out, "most keys are not stored: --fill stores them first\n");
}

void cli_bench_report(struct cli_buf *out, const struct cli_bench_plan *plan,
                      const struct cli_bench_setup *setup, const struct cli_bench_result *result)
{
    struct cli_histogram all;
    struct cli_buf cell;
    cli_buf_init(&cell);
    table_head(out, &cell);
    for (size_t i = 0; i < plan->call_count; i++)
        table_row(out, &cell, kv_call_name(plan->calls[i].call), &result->kinds[i].latency, result);
    merge_all(plan, result, &all);
    if (plan->call_count > 1)
        table_row(out, &cell, "all", &all, result);
    cli_buf_text(out, "\nanswers\n");
    for (size_t i = 0; i < plan->call_count; i++)
        statuses_row(out, kv_call_name(plan->calls[i].call), &result->kinds[i]);
    setup_line(out, setup, result);
    absence_note(out, plan, result);
    out->failed = out->failed || cell.failed;
    cli_buf_free(&cell);
}

/* ---- JSON ---- */

static void json_latency(struct cli_json *json, const struct cli_histogram *latency)
{
    cli_json_object(json, "latency_us");
    cli_json_real(json, "min", (double)latency->min / 1e3);
    cli_json_real(json, "mean", cli_histogram_mean(latency) / 1e3);
    for (size_t i = 0; i < PERCENTILES; i++)
        cli_json_real(json, percentiles[i].json_name,
                      (double)cli_histogram_percentile(latency, percentiles[i].percent) / 1e3);
    cli_json_real(json, "max", (double)latency->max / 1e3);
    cli_json_end(json);
}

static void json_call(struct cli_json *json, const char *name, const struct cli_bench_kind *kind,
                      const struct cli_bench_result *result)
{
    cli_json_object(json, NULL);
    cli_json_text(json, "call", name);
    cli_json_u64(json, "requests", kind->latency.count);
    cli_json_real(json, "per_second", per_second(kind->latency.count, result));
    json_latency(json, &kind->latency);
    cli_json_object(json, "statuses");
    for (size_t s = 0; s < CLI_BENCH_STATUS_MAX; s++)
        if (kind->statuses[s] != 0)
            cli_json_u64(json, kv_status_name((uint8_t)s), kind->statuses[s]);
    cli_json_end(json);
    cli_json_u64(json, "rows", kind->rows);
    cli_json_end(json);
}

void cli_bench_report_json(struct cli_buf *out, const struct cli_bench_plan *plan,
                           const struct cli_bench_setup *setup,
                           const struct cli_bench_result *result)
{
    struct cli_histogram all;
    struct cli_json json = cli_json_begin(out);
    merge_all(plan, result, &all);
    cli_json_text(&json, "status", "ok");
    cli_json_bool(&json, "interrupted", result->interrupted);
    cli_json_u64(&json, "connections", setup->connections);
    cli_json_u64(&json, "pipeline", setup->pipeline);
    cli_json_u64(&json, "threads", setup->threads);
    cli_json_u64(&json, "rate_asked", setup->rate);
    cli_json_u64(&json, "keys", plan->keys.count);
    cli_json_real(&json, "elapsed_s", (double)result->elapsed_ns / 1e9);
    cli_json_u64(&json, "requests", result->answers);
    cli_json_real(&json, "per_second", per_second(result->answers, result));
    cli_json_u64(&json, "bytes_sent", result->bytes_out);
    cli_json_u64(&json, "bytes_received", result->bytes_in);
    json_latency(&json, &all);
    cli_json_array(&json, "calls");
    for (size_t i = 0; i < plan->call_count; i++)
        json_call(&json, kv_call_name(plan->calls[i].call), &result->kinds[i], result);
    cli_json_end(&json);
    cli_json_end(&json);
    cli_buf_byte(out, '\n');
}
