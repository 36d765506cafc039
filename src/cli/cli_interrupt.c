/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C as a flag. */
#include "cli_interrupt.h"

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
static atomic_bool interrupted;
static_assert(ATOMIC_BOOL_LOCK_FREE == 2, "a signal handler may set it");

static void on_signal(int number)
{
    (void)number;
    atomic_store(&interrupted, true);
}

static void set_all(void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
}

void cli_interrupt_catch(void)
{
    atomic_store(&interrupted, false);
    set_all(on_signal, (int)SA_RESETHAND); /* no SA_RESTART: reads and waits return */
}

void cli_interrupt_release(void)
{
    set_all(SIG_DFL, 0);
}

bool cli_interrupted(void)
{
    return atomic_load(&interrupted);
}
