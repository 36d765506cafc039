/* SPDX-License-Identifier: Apache-2.0 */
/* Signals and the workers' end, as events: a signalfd and an eventfd under poll(2). */
#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void ignore(int number)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    sigaction(number, &action, NULL);
}

enum cdx_status signals_open(struct signals *signals)
{
    sigset_t set;

    ignore(SIGPIPE);
    ignore(SIGUSR1);
    ignore(SIGUSR2);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signals->ended_fd = -1;
    signals->signal_fd = -1;
    errno = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (errno != 0)
        return CDX_SYSTEM;
    signals->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    signals->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (signals->signal_fd >= 0 && signals->ended_fd >= 0)
        return CDX_OK;
    signals_close(signals);
    return CDX_SYSTEM;
}

void signals_close(struct signals *signals)
{
    int saved = errno;

    if (signals->signal_fd >= 0)
        close(signals->signal_fd);
    if (signals->ended_fd >= 0)
        close(signals->ended_fd);
    signals->signal_fd = -1;
    signals->ended_fd = -1;
    errno = saved;
}

enum signals_event signals_wait(struct signals *signals)
{
    struct pollfd fds[] = {{.fd = signals->signal_fd, .events = POLLIN},
                           {.fd = signals->ended_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    uint64_t count;

    for (;;) {
        if (read(signals->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
            return info.ssi_signo == SIGHUP ? SIGNALS_RELOAD : SIGNALS_STOP;
        if (read(signals->ended_fd, &count, sizeof count) == (ssize_t)sizeof count)
            return SIGNALS_ENDED;
        poll(fds, sizeof fds / sizeof fds[0], -1);
    }
}

void signals_end(void *arg)
{
    const struct signals *signals = arg;
    const uint64_t one = 1;

    if (write(signals->ended_fd, &one, sizeof one) < 0)
        return; /* full: an earlier end is still unread, which says the same */
}
