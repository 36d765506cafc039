/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGHUP: open the log anew, read the configuration as at the start, and, if it
 * has no mistake at all, apply what can change and name what cannot.
 *
 * Failure modes: the file is gone or has mistakes, a new log cannot be opened,
 * more connections are wanted than files can be open. Then nothing changes.
 */
#include "server.h"

#include "store.h"

struct log_config server_log_config(const struct options *options)
{
    return (struct log_config){
        .level = (enum log_level)options->log_level,
        .format = (enum log_format)options->log_format,
        .target = options->log_target,
    };
}

static void report_mistake(void *arg, const char *line)
{
    struct server *s = arg;

    log_write(s->log, LOG_LEVEL_ERROR, "configuration", LOG_FIELDS(LOG_TEXT("error", line)));
}

static bool load_again(struct server *s, struct config *config)
{
    struct config_input input = *s->input;

    input.file = s->config.file[0] != '\0' ? s->config.file : NULL;
    input.report = report_mistake;
    input.report_arg = s;
    return config_load(config, &input);
}

static bool apply_log(struct server *s, const struct options *options)
{
    struct log_config config = server_log_config(options);
    char error[LOG_ERROR_NBYTES];

    if (log_reconfigure(s->log, &config, error) == CDX_OK)
        return true;
    log_write(s->log, LOG_LEVEL_ERROR, "log", LOG_FIELDS(LOG_TEXT("error", error)));
    return false;
}

static void log_change(struct server *s, const struct options *wanted, enum option_id id)
{
    const struct option_spec *spec = &options_table[id];
    char before[OPTIONS_VALUE_NBYTES], after[OPTIONS_VALUE_NBYTES];

    options_value_text(&s->config.options, id, before);
    options_value_text(wanted, id, after);
    log_write(
        s->log, spec->reloadable ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
        spec->reloadable ? "changed" : "this change needs a restart",
        LOG_FIELDS(LOG_TEXT("key", spec->key), LOG_TEXT("from", before), LOG_TEXT("to", after)));
}

/* Takes over what can change; the rest stays as it runs. */
static void take_over(struct server *s, const struct options *wanted)
{
    for (enum option_id id = 0; id < OPTION_ID_COUNT; id++) {
        if (options_equal(&s->config.options, wanted, id))
            continue;
        log_change(s, wanted, id);
        if (options_table[id].reloadable)
            options_copy(&s->config.options, wanted, id);
    }
}

static bool apply_memory(struct server *s, const struct options *wanted)
{
    const struct store_config config = server_store_config(wanted);
    enum store_status status;

    store_write_begin(s->store);
    status = store_limit(s->store, config.memory_max_nbytes, config.evict, config.evict_below);
    store_write_end(s->store);
    if (status != STORE_OK)
        log_write(s->log, LOG_LEVEL_ERROR, "memory-evict-below",
                  LOG_FIELDS(LOG_TEXT("error", store_status_text(status))));
    return status == STORE_OK;
}

static bool apply(struct server *s, const struct options *wanted)
{
    struct net_limits limits = server_net_limits(wanted);

    if (!server_raise_nofile(s, wanted)) {
        log_write(s->log, LOG_LEVEL_ERROR, "configuration",
                  LOG_FIELDS(LOG_TEXT("error", s->error)));
        return false;
    }
    if (!apply_log(s, wanted))
        return false;
    if (!apply_memory(s, wanted))
        return false;
    net_set_limits(s->net, &limits);
    take_over(s, wanted);
    return true;
}

void server_reload(struct server *s)
{
    struct config config;

    systemd_notify_reloading(&s->notifier);
    apply_log(s, &s->config.options); /* rotated logs, whatever the file says */
    if (load_again(s, &config) && apply(s, &config.options))
        log_write(s->log, LOG_LEVEL_INFO, "reloaded", LOG_NO_FIELDS);
    else
        log_write(s->log, LOG_LEVEL_ERROR, "configuration refused, nothing changed", LOG_NO_FIELDS);
    systemd_notify(&s->notifier, "READY=1");
}
