/* SPDX-License-Identifier: Apache-2.0 */
/* caudexd: reads the configuration and does what it asks for. */
#include "config.h"
#include "manual.h"
#include "server.h"

#include <stdio.h>
#include <unistd.h>

static void report(void *arg, const char *line)
{
    (void)arg;
    fprintf(stderr, "caudexd: %s\n", line);
}

static int print(enum config_action action)
{
    switch (action) {
    case CONFIG_HELP:
        manual_print_help(stdout);
        break;
    case CONFIG_PRINT_CONFIG:
        manual_print_config(stdout);
        break;
    case CONFIG_PRINT_MAN:
        manual_print_man(stdout);
        break;
    case CONFIG_VERSION:
        puts("caudexd " CAUDEXD_VERSION);
        break;
    case CONFIG_CHECK:
        puts("caudexd: the configuration is correct");
        break;
    case CONFIG_SERVE:
        break;
    }
    if (fflush(stdout) == 0 && !ferror(stdout))
        return SERVER_EXIT_OK;
    perror("caudexd: stdout");
    return SERVER_EXIT_FAILED;
}

int main(int argc, char **argv)
{
    static struct config config; /* some paths: too large for a small stack */
    const struct config_input input = {
        .argc = argc,
        .argv = (const char *const *)argv,
        .env = (const char *const *)environ,
        .report = report,
    };

    if (!config_load(&config, &input))
        return SERVER_EXIT_CONFIG;
    if (config.action != CONFIG_SERVE)
        return print(config.action);
    return server_run(&config, &input);
}
