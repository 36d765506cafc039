/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker: its libuv loop, and the turn that works on all connections that
 * had input.
 *
 * Happy path: read callbacks only note what arrived. When all are through, the
 * check handle gives the noted input to the handlers, all connections of one
 * handler together, and sends each one's answers with one write.
 *
 * Failure modes: all input buffers are in use, or there is no memory for one more:
 * the turn is run at once, which frees them; the first is made before the loop runs, so
 * that this helps. The control command is looked at once per turn and on wake-up.
 */
#include "net_internal.h"

#include <caudex/heap.h>

#include <assert.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

/* ---- turns ---- */

/* Offers the ready connections' input; returns those that were taken as a ring. */
static void accept_ready(struct net_host *host, struct net_link *taken)
{
    while (!net_link_alone(&host->ready)) {
        struct net_conn *conn = NET_CONN_OF_READY(host->ready.next);
        if (!host->class->accept(host->handler, conn->session, conn->input))
            return;
        net_link_remove(&conn->ready);
        net_link_append(taken, &conn->ready);
    }
}

static void send_burst(struct net_burst *burst)
{
    for (size_t i = 0; i < burst->count; i++) {
        struct net_answer *answer = &burst->answers[i];
        bool answered = answer->out.len != 0;
        net_conn_send(answer->conn, &answer->out);
        net_conn_after_turn(answer->conn, answer->verdict, answer->consumed, answered);
        assert(net_conn_check(answer->conn));
    }
    burst->count = 0;
    burst->nbytes = 0;
}

static void answer_taken(struct net_loop *loop, struct net_host *host, struct net_link *taken)
{
    struct net_burst *burst = &loop->burst;
    while (!net_link_alone(taken)) {
        struct net_answer *answer = &burst->answers[burst->count++];
        struct net_conn *conn = NET_CONN_OF_READY(taken->next);
        net_link_remove(&conn->ready);
        loop->answered++;
        answer->conn = conn;
        answer->out.len = 0;
        answer->consumed = 0;
        answer->verdict =
            host->class->answer(host->handler, conn->session, &answer->out, &answer->consumed);
        burst->nbytes += answer->out.len;
        if (burst->count == NET_BURST_MAX || burst->nbytes >= NET_BURST_NBYTES_MAX)
            send_burst(burst);
    }
    send_burst(burst);
}

static void free_outputs(struct net_burst *burst, size_t first_keep, size_t keep)
{
    for (size_t i = 0; i < NET_BURST_MAX; i++) {
        struct handler_output *out = &burst->answers[i].out;
        if (out->cap > (i == 0 ? first_keep : keep))
            handler_output_free(out);
    }
}

static void host_turn(struct net_loop *loop, struct net_host *host)
{
    while (!net_link_alone(&host->ready)) {
        struct net_link taken;
        net_link_init(&taken);
        host->class->turn_begin(host->handler);
        accept_ready(host, &taken);
        assert(!net_link_alone(&taken)); /* an empty queue takes at least one */
        host->class->prefetch(host->handler);
        answer_taken(loop, host, &taken);
        host->class->turn_end(host->handler);
    }
}

void net_loop_turn(struct net_loop *loop)
{
    loop->answered = 0;
    for (size_t i = 0; i < loop->host_count; i++)
        host_turn(loop, &loop->hosts[i]);
    loop->inputs.current = 0;
    loop->inputs.used = 0;
    if (loop->answered > 1)
        loop->shared_ms = uv_now(&loop->uv);
    if (loop->answered != 0)
        net_count(&loop->counters.turns, 1);
    free_outputs(&loop->burst, NET_OUTPUT_FIRST_KEEP_NBYTES, NET_OUTPUT_KEEP_NBYTES);
}

size_t net_loop_read_max(const struct net_loop *loop)
{
    bool alone = uv_now(&loop->uv) - loop->shared_ms > NET_READ_ALONE_MS;
    return alone ? NET_READ_ALONE_NBYTES : NET_READ_PER_TURN_NBYTES;
}

/* Leftover input becomes ready again. */
static void wake_later(struct net_loop *loop)
{
    while (!net_link_alone(&loop->later)) {
        struct net_conn *conn = NET_CONN_OF_READY(loop->later.next);
        size_t n = conn->stash_nbytes;
        size_t most = net_loop_read_max(loop);
        net_link_remove(&conn->ready);
        conn->input = cdx_bytes_of(conn->stash, n < most ? n : most);
        net_link_append(&conn->host->ready, &conn->ready);
    }
}

static void on_again(uv_idle_t *idle)
{
    (void)idle; /* its being active keeps the loop from sleeping */
}

void net_loop_again(struct net_loop *loop)
{
    if (!loop->again_active) {
        uv_idle_start(&loop->again, on_again);
        loop->again_active = true;
    }
}

/* ---- upkeep ---- */

static void on_upkeep(uv_timer_t *timer)
{
    struct net_loop *loop = timer->data;
    loop->upkeep_due = true;
    net_loop_again(loop);
}

/* A slice, if one is due; the loop sleeps no longer than until the next one. */
static void upkeep_step(struct net_loop *loop)
{
    const struct net_config *config = &loop->server->config;
    if (!loop->upkeep_due || loop->ending)
        return;
    unsigned again_ms = config->upkeep(config->upkeep_arg);
    if (again_ms == 0) {
        net_loop_again(loop);
        return;
    }
    loop->upkeep_due = false;
    uv_timer_start(&loop->upkeep, on_upkeep, again_ms, 0);
}

/* ---- ending ---- */

static void on_listener_closed(uv_handle_t *handle)
{
    struct net_listener *l = handle->data;
    close(l->fd);
    l->fd = -1;
}

static void close_listeners(struct net_loop *loop)
{
    for (size_t i = 0; i < loop->server->config.listener_count; i++) {
        struct net_listener *l = &loop->listeners[i];
        if (!l->open)
            continue;
        l->open = false;
        uv_close((uv_handle_t *)&l->poll, on_listener_closed);
    }
}

static void each_conn(struct net_loop *loop, void (*visit)(struct net_conn *conn))
{
    struct net_link *link = loop->conns.next;
    while (link != &loop->conns) {
        struct net_link *next = link->next;
        visit(NET_CONN_OF_ALL(link));
        link = next;
    }
}

static void stop_conn(struct net_conn *conn)
{
    net_conn_close(conn);
}

static void drain_begin_conn(struct net_conn *conn)
{
    conn->had_input = true; /* one more look at what is on its way */
}

/* A connection that sent nothing since the last look has had all its answers. */
static void drain_conn(struct net_conn *conn)
{
    uint64_t limit =
        atomic_load_explicit(&conn->loop->server->drain_timeout_ms, memory_order_relaxed);
    bool late = uv_now(&conn->loop->uv) - conn->loop->drain_begun_ms > limit / 2;
    if (conn->state == NET_SERVING && (late || (!conn->had_input && conn->stash_nbytes == 0)))
        net_conn_notice(conn, HANDLER_NOTICE_STOPPING);
    conn->had_input = false;
}

static void drain_step(struct net_loop *loop)
{
    uint64_t limit = atomic_load_explicit(&loop->server->drain_timeout_ms, memory_order_relaxed);
    if (uv_now(&loop->uv) - loop->drain_begun_ms >= limit)
        each_conn(loop, stop_conn);
    else
        each_conn(loop, drain_conn);
    net_loop_maybe_end(loop);
}

static void on_tick(uv_timer_t *timer);

/* Those whom the system has accepted already were promised a connection. */
static void accept_backlog(struct net_loop *loop)
{
    for (size_t i = 0; i < loop->server->config.listener_count; i++) {
        struct net_listener *l = &loop->listeners[i];
        while (l->open && net_conn_accept(l) == CDX_OK) {
        }
    }
}

static void obey(struct net_loop *loop)
{
    int command = atomic_load(&loop->server->command);
    if (command == NET_COMMAND_NONE || loop->ending)
        return;
    if (!loop->draining) {
        loop->draining = true;
        loop->drain_begun_ms = uv_now(&loop->uv);
        if (command == NET_COMMAND_DRAIN)
            accept_backlog(loop);
        close_listeners(loop);
        each_conn(loop, drain_begin_conn);
        uv_timer_start(&loop->tick, on_tick, NET_TICK_MS_MIN, 0);
    }
    if (command == NET_COMMAND_STOP) {
        each_conn(loop, stop_conn);
        net_loop_maybe_end(loop);
    }
}

void net_loop_maybe_end(struct net_loop *loop)
{
    if (!loop->draining || loop->ending || !net_link_alone(&loop->conns))
        return;
    loop->ending = true;
    uv_close((uv_handle_t *)&loop->control, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_close((uv_handle_t *)&loop->again, NULL);
    uv_close((uv_handle_t *)&loop->tick, NULL);
    uv_close((uv_handle_t *)&loop->upkeep, NULL);
}

/* ---- callbacks ---- */

static uint64_t least_timeout_ms(const struct net_server *server)
{
    const uint64_t timeouts[] = {
        atomic_load_explicit(&server->idle_timeout_ms, memory_order_relaxed),
        atomic_load_explicit(&server->request_timeout_ms, memory_order_relaxed),
        atomic_load_explicit(&server->close_timeout_ms, memory_order_relaxed),
    };
    uint64_t least = timeouts[0];
    for (size_t i = 1; i < sizeof timeouts / sizeof timeouts[0]; i++)
        least = timeouts[i] < least ? timeouts[i] : least;
    return least;
}

static uint64_t tick_ms(const struct net_server *server)
{
    uint64_t quarter = least_timeout_ms(server) / 4;
    if (quarter < NET_TICK_MS_MIN)
        return NET_TICK_MS_MIN;
    return quarter < NET_TICK_MS_MAX ? quarter : NET_TICK_MS_MAX;
}

/* Connections wait at a listener. */
static void on_connections(uv_poll_t *poll, int status, int events)
{
    struct net_listener *l = poll->data;
    (void)events;
    for (unsigned n = 0; status == 0 && n < NET_ACCEPT_PER_TURN; n++) {
        enum cdx_status taken = net_conn_accept(l);
        if (taken == CDX_OK)
            continue;
        if (taken == CDX_FULL) {
            uv_poll_stop(poll);
            l->paused = true;
            net_count(&l->loop->counters.accept_paused, 1);
        }
        return;
    }
}

static void listener_resume(struct net_listener *l)
{
    l->paused = uv_poll_start(&l->poll, UV_READABLE, on_connections) != 0;
}

/*
 * The time is taken before the system is asked what has arrived, and looked at
 * behind the turn: no peer is late for what this loop had not yet read.
 */
static void on_tick(uv_timer_t *timer)
{
    struct net_loop *loop = timer->data;
    loop->tick_due = true;
    loop->tick_now_ms = uv_now(&loop->uv);
    net_loop_again(loop);
}

static void tick_step(struct net_loop *loop)
{
    struct net_link *link = loop->conns.next;
    loop->tick_due = false;
    while (link != &loop->conns) {
        struct net_link *next = link->next;
        assert(net_conn_check(NET_CONN_OF_ALL(link)));
        net_conn_tick(NET_CONN_OF_ALL(link), loop->tick_now_ms);
        link = next;
    }
    for (size_t i = 0; i < loop->server->config.listener_count; i++) {
        if (loop->listeners[i].paused && loop->listeners[i].open)
            listener_resume(&loop->listeners[i]);
    }
    obey(loop);
    if (loop->draining)
        drain_step(loop);
    if (!loop->ending)
        uv_timer_start(&loop->tick, on_tick,
                       loop->draining ? NET_TICK_MS_MIN : tick_ms(loop->server), 0);
}

static void on_check(uv_check_t *check)
{
    struct net_loop *loop = check->data;
    if (loop->again_active) {
        uv_idle_stop(&loop->again);
        loop->again_active = false;
    }
    wake_later(loop);
    net_loop_turn(loop);
    if (loop->tick_due)
        tick_step(loop);
    upkeep_step(loop);
}

static void on_control(uv_async_t *async)
{
    obey(async->data);
}

/* ---- lifecycle ---- */

static struct net_host *host_for(struct net_loop *loop, const struct handler_class *class)
{
    for (size_t i = 0; i < loop->host_count; i++) {
        if (loop->hosts[i].class == class)
            return &loop->hosts[i];
    }
    struct net_host *host = &loop->hosts[loop->host_count];
    if (class->open(&loop->env, &host->handler) != CDX_OK)
        return NULL;
    host->class = class;
    net_link_init(&host->ready);
    loop->host_count++;
    return host;
}

static int listener_open(struct net_loop *loop, struct net_listener *l, size_t index)
{
    const struct net_listener_config *config = &loop->server->config.listeners[index];
    int rc;
    l->loop = loop;
    l->family = config->family;
    l->host = host_for(loop, config->handler);
    if (l->host == NULL)
        return UV_ENOMEM;
    rc = uv_poll_init(&loop->uv, &l->poll, l->fd);
    if (rc != 0)
        return rc;
    l->open = true;
    l->poll.data = l;
    return uv_poll_start(&l->poll, UV_READABLE, on_connections);
}

static int handles_init(struct net_loop *loop)
{
    int rc = uv_async_init(&loop->uv, &loop->control, on_control);
    if (rc != 0)
        return rc;
    uv_check_init(&loop->uv, &loop->check);
    uv_idle_init(&loop->uv, &loop->again);
    uv_timer_init(&loop->uv, &loop->tick);
    uv_timer_init(&loop->uv, &loop->upkeep);
    loop->upkeep.data = loop;
    if (loop->index == 0 && loop->server->config.upkeep != NULL)
        uv_timer_start(&loop->upkeep, on_upkeep, 0, 0);
    loop->control.data = loop;
    loop->check.data = loop;
    loop->tick.data = loop;
    uv_check_start(&loop->check, on_check);
    return uv_timer_start(&loop->tick, on_tick, tick_ms(loop->server), 0);
}

enum cdx_status net_loop_init(struct net_loop *loop)
{
    if (uv_loop_init(&loop->uv) != 0)
        return CDX_NO_MEMORY;
    loop->initialised = true;
    loop->uv.data = loop;
    net_link_init(&loop->conns);
    net_link_init(&loop->later);
    loop->inputs.buffers[0] = cdx_malloc(NET_INPUT_NBYTES);
    if (loop->inputs.buffers[0] == NULL)
        return CDX_NO_MEMORY;
    if (handles_init(loop) != 0)
        return CDX_SYSTEM;
    for (size_t i = 0; i < loop->server->config.listener_count; i++) {
        int rc = listener_open(loop, &loop->listeners[i], i);
        if (rc != 0)
            return rc == UV_ENOMEM ? CDX_NO_MEMORY : CDX_SYSTEM;
    }
    return CDX_OK;
}

static void close_walk(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void net_loop_free(struct net_loop *loop)
{
    if (!loop->initialised)
        return;
    uv_walk(&loop->uv, close_walk, NULL); /* of a loop that never ran */
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&loop->uv);
    assert(rc == 0);
    (void)rc;
    for (size_t i = 0; i < loop->host_count; i++)
        loop->hosts[i].class->close(loop->hosts[i].handler);
    for (size_t i = 0; i < NET_INPUT_BUFFERS_MAX; i++)
        cdx_free(loop->inputs.buffers[i]);
    free_outputs(&loop->burst, 0, 0);
    loop->initialised = false;
}

/* Worker i to the i-th core that the process may use. */
static void pin(unsigned index)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) == 0)
        return;
    unsigned wanted = index % (unsigned)CPU_COUNT(&allowed);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || wanted-- != 0)
            continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        (void)pthread_setaffinity_np(pthread_self(), sizeof one, &one);
        return;
    }
}

/*
 * Signals are control's thread's. SIGPIPE of a write to a reset connection stays
 * blocked here; those that tell of our own faults must not, or no handler can report them.
 */
static void block_signals(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
}

void *net_loop_run(void *arg)
{
    struct net_loop *loop = arg;
    struct net_server *server = loop->server;
    block_signals();
    if (server->config.pin_workers)
        pin(loop->index);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    if (atomic_fetch_sub(&server->live, 1) == 1 && server->ended != NULL)
        server->ended(server->ended_arg);
    return NULL;
}
