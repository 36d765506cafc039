/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of a bench. Each has its own connections, its own epoll and its
 * own counts; they share the plan, which is constant, and three words: stop,
 * failed, and each one's published number of answers.
 *
 * Happy path: connect all, start the clock, keep every connection's pipeline
 * full until time or requests are used up, wait for the open answers, add the
 * counts up. Failures: a connection cannot be made or ends, an answer does
 * not fit, or none comes in time; the first one's message is the result.
 */
#include "cli_bench_conn.h"
#include "cli_interrupt.h"
#include "cli_progress.h"
#include "cli_socket.h"

#include <caudex/heap.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

/* Events taken from the system at once. */
#define EVENTS_MAX 256
/* Longest sleep of a thread, so that it sees stop and silence soon. */
#define TICK_NS 20000000ull
/* How often the main thread looks at the threads. */
#define WATCH_NS 20000000ull

/* What all threads see. */
struct bench {
    const struct cli_bench_plan *plan;
    const struct cli_bench_setup *setup;
    uint64_t start_ns;
    atomic_bool stop;
    atomic_bool failed;
    pthread_mutex_t failure_lock;
    struct cli_failure *failure; /* of the first thread that failed */
};

struct bench_thread {
    struct bench *bench;
    pthread_t id;
    bool started;
    int epoll;
    struct cli_bench_conn *conns;
    uint32_t conn_count;
    uint64_t budget;          /* requests that this thread may still queue */
    uint64_t issued;          /* queued so far, for the schedule of --rate */
    double rate;              /* this thread's share; 0: as fast as answers come */
    uint32_t open;            /* of all its connections */
    uint32_t turn;            /* the connection that is next in the schedule */
    uint64_t heard_ns;        /* when the last answer came */
    uint64_t end_ns;          /* when the last answer of all came */
    _Atomic uint64_t answers; /* published */
    struct cli_bench_share share;
    struct cli_bench_result result;
    struct cli_failure failure;
};

/* ---- connections ---- */

static enum cli_exit watch(struct bench_thread *thread, struct cli_bench_conn *conn, int operation)
{
    struct epoll_event event = {
        .events = EPOLLIN | (conn->wants_write ? (uint32_t)EPOLLOUT : 0),
        .data.ptr = conn,
    };
    if (epoll_ctl(thread->epoll, operation, conn->fd, &event) == 0)
        return CLI_EXIT_DONE;
    return cli_fail(&thread->failure, CLI_EXIT_LOCAL, "epoll_ctl: %s", strerror(errno));
}

static enum cli_exit connect_all(struct bench_thread *thread, uint32_t first_number)
{
    const struct cli_bench_setup *setup = thread->bench->setup;
    const struct cli_bench_plan *plan = thread->bench->plan;
    for (uint32_t i = 0; i < thread->conn_count; i++) {
        int fd = -1;
        enum cli_exit exit =
            cli_socket_connect(setup->server, setup->timeout_ns, &fd, &thread->failure);
        if (exit != CLI_EXIT_DONE)
            return exit;
        /* Connections begin at places spread evenly over the tape. */
        uint64_t start = (uint64_t)(first_number + i) * plan->count / setup->connections;
        if (!cli_bench_conn_init(&thread->conns[i], fd, (uint32_t)start, setup->pipeline, plan))
            return cli_fail(&thread->failure, CLI_EXIT_LOCAL, "out of memory");
        exit = watch(thread, &thread->conns[i], EPOLL_CTL_ADD);
        if (exit != CLI_EXIT_DONE)
            return exit;
    }
    return CLI_EXIT_DONE;
}

/* ---- one turn ---- */

/* Sends, and has epoll tell about room exactly while something is unsent. */
static enum cli_exit send_and_watch(struct bench_thread *thread, struct cli_bench_conn *conn)
{
    enum cli_exit exit = cli_bench_conn_send(conn, &thread->share);
    if (exit != CLI_EXIT_DONE || conn->wants_write == (conn->unsent != 0))
        return exit;
    conn->wants_write = conn->unsent != 0;
    return watch(thread, conn, EPOLL_CTL_MOD);
}

static void queue(struct bench_thread *thread, struct cli_bench_conn *conn, uint64_t time_ns)
{
    cli_bench_conn_queue(conn, thread->bench->plan, time_ns);
    thread->budget--;
    thread->issued++;
    thread->open++;
}

/* Without --rate: fills the connection's pipeline. */
static enum cli_exit refill(struct bench_thread *thread, struct cli_bench_conn *conn,
                            uint64_t now_ns)
{
    while (conn->open < conn->pipeline && thread->budget != 0)
        queue(thread, conn, now_ns);
    return send_and_watch(thread, conn);
}

static uint64_t due_ns(const struct bench_thread *thread, uint64_t number)
{
    return thread->bench->start_ns + (uint64_t)((double)number * 1e9 / thread->rate);
}

/* With --rate: queues what is due, round the connections that have room. */
static enum cli_exit queue_due(struct bench_thread *thread, uint64_t now_ns)
{
    uint32_t full = 0;
    while (thread->budget != 0 && full < thread->conn_count &&
           due_ns(thread, thread->issued) <= now_ns) {
        struct cli_bench_conn *conn = &thread->conns[thread->turn];
        thread->turn = thread->turn + 1 == thread->conn_count ? 0 : thread->turn + 1;
        if (conn->open == conn->pipeline) {
            full++;
            continue;
        }
        full = 0;
        queue(thread, conn, due_ns(thread, thread->issued));
        enum cli_exit exit = send_and_watch(thread, conn);
        if (exit != CLI_EXIT_DONE)
            return exit;
    }
    return CLI_EXIT_DONE;
}

static enum cli_exit on_event(struct bench_thread *thread, const struct epoll_event *event)
{
    struct cli_bench_conn *conn = event->data.ptr;
    uint32_t answered = 0;
    enum cli_exit exit = CLI_EXIT_DONE;
    if ((event->events & ~(uint32_t)EPOLLOUT) != 0)
        exit = cli_bench_conn_receive(conn, &thread->share, &answered);
    thread->open -= answered;
    if (exit != CLI_EXIT_DONE)
        return exit;
    if (thread->rate > 0)
        return conn->unsent != 0 ? send_and_watch(thread, conn) : CLI_EXIT_DONE;
    return refill(thread, conn, cli_now_ns());
}

/* How long to sleep at most: until the next request is due, or a tick. */
static struct timespec sleep_of(const struct bench_thread *thread, uint64_t now_ns)
{
    uint64_t ns = TICK_NS;
    if (thread->rate > 0 && thread->budget != 0 &&
        thread->open < thread->conn_count * thread->bench->setup->pipeline) {
        uint64_t due = due_ns(thread, thread->issued);
        uint64_t wait = due > now_ns ? due - now_ns : 0;
        ns = wait < ns ? wait : ns;
    }
    return (struct timespec){.tv_sec = 0, .tv_nsec = (long)ns};
}

static enum cli_exit turn(struct bench_thread *thread)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now_ns = cli_now_ns();
    struct timespec sleep = sleep_of(thread, now_ns);
    uint64_t before = thread->result.answers;
    int n = epoll_pwait2(thread->epoll, events, EVENTS_MAX, &sleep, NULL);
    if (n < 0 && errno != EINTR)
        return cli_fail(&thread->failure, CLI_EXIT_LOCAL, "epoll_wait: %s", strerror(errno));
    for (int i = 0; i < n; i++) {
        enum cli_exit exit = on_event(thread, &events[i]);
        if (exit != CLI_EXIT_DONE)
            return exit;
    }
    now_ns = cli_now_ns();
    if (thread->result.answers != before || thread->open == 0)
        thread->heard_ns = now_ns;
    else if (now_ns - thread->heard_ns > thread->bench->setup->timeout_ns)
        return cli_fail(&thread->failure, CLI_EXIT_UNREACHABLE,
                        "no answer in time (%u requests are open)", thread->open);
    atomic_store_explicit(&thread->answers, thread->result.answers, memory_order_relaxed);
    return thread->rate > 0 ? queue_due(thread, now_ns) : CLI_EXIT_DONE;
}

/* ---- a thread ---- */

static enum cli_exit thread_run(struct bench_thread *thread)
{
    struct bench *bench = thread->bench;
    uint64_t end_ns =
        bench->setup->duration_ns != 0 ? bench->start_ns + bench->setup->duration_ns : UINT64_MAX;
    enum cli_exit exit = CLI_EXIT_DONE;
    thread->heard_ns = cli_now_ns();
    for (uint32_t i = 0; thread->rate <= 0 && i < thread->conn_count && exit == CLI_EXIT_DONE; i++)
        exit = refill(thread, &thread->conns[i], cli_now_ns());
    while (exit == CLI_EXIT_DONE && (thread->budget != 0 || thread->open != 0)) {
        if (atomic_load_explicit(&bench->failed, memory_order_relaxed))
            break;
        if (atomic_load_explicit(&bench->stop, memory_order_relaxed) || cli_now_ns() >= end_ns)
            thread->budget = 0;
        if (thread->budget != 0 || thread->open != 0)
            exit = turn(thread);
    }
    thread->end_ns = cli_now_ns();
    return exit;
}

static void *thread_main(void *arg)
{
    struct bench_thread *thread = arg;
    struct bench *bench = thread->bench;
    if (thread_run(thread) != CLI_EXIT_DONE) {
        pthread_mutex_lock(&bench->failure_lock);
        if (!atomic_exchange(&bench->failed, true))
            *bench->failure = thread->failure;
        pthread_mutex_unlock(&bench->failure_lock);
    }
    return NULL;
}

static bool thread_init(struct bench_thread *thread, struct bench *bench, uint32_t number)
{
    const struct cli_bench_setup *setup = bench->setup;
    uint32_t all = setup->threads;
    thread->bench = bench;
    thread->conn_count = setup->connections / all + (number < setup->connections % all);
    thread->budget = setup->requests != 0 ? setup->requests / all + (number < setup->requests % all)
                                          : UINT64_MAX;
    thread->rate = (double)setup->rate / all;
    thread->conns = cdx_calloc(thread->conn_count, sizeof *thread->conns);
    for (uint32_t i = 0; thread->conns != NULL && i < thread->conn_count; i++)
        thread->conns[i].fd = -1;
    thread->epoll = epoll_create1(EPOLL_CLOEXEC);
    thread->share = (struct cli_bench_share){
        .plan = bench->plan,
        .result = &thread->result,
        .input = cdx_malloc(CLI_BENCH_READ_NBYTES),
        .failure = &thread->failure,
    };
    return thread->conns != NULL && thread->share.input != NULL && thread->epoll >= 0;
}

static void thread_free(struct bench_thread *thread)
{
    for (uint32_t i = 0; thread->conns != NULL && i < thread->conn_count; i++)
        cli_bench_conn_free(&thread->conns[i]);
    cdx_free(thread->conns);
    cdx_free(thread->share.input);
    if (thread->bench != NULL && thread->epoll >= 0)
        close(thread->epoll);
}

/* ---- all threads ---- */

static uint64_t answers_of(const struct bench_thread *threads, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += atomic_load_explicit(&threads[i].answers, memory_order_relaxed);
    return sum;
}

/* The main thread's part: shows progress, and passes Ctrl-C on. */
static void watch_threads(struct bench *bench, const struct bench_thread *threads)
{
    const struct cli_bench_setup *setup = bench->setup;
    struct cli_progress progress;
    cli_progress_init(&progress, setup->progress_fd, bench->start_ns);
    for (;;) {
        uint64_t now_ns = cli_now_ns();
        uint64_t elapsed_ns = now_ns - bench->start_ns;
        uint64_t answers = answers_of(threads, setup->threads);
        bool over =
            setup->requests != 0 ? answers >= setup->requests : elapsed_ns >= setup->duration_ns;
        if (over || cli_interrupted() || atomic_load(&bench->failed))
            break;
        const struct cli_progress_state state = {
            .unit = "requests",
            .keys = answers,
            .done = setup->requests != 0 ? answers : elapsed_ns / 1000000,
            .total = setup->requests != 0 ? setup->requests : setup->duration_ns / 1000000,
        };
        cli_progress_update(&progress, &state, now_ns);
        nanosleep(&(struct timespec){.tv_nsec = (long)WATCH_NS}, NULL);
    }
    if (cli_interrupted())
        atomic_store(&bench->stop, true);
    cli_progress_clear(&progress);
}

static enum cli_exit start_threads(struct bench *bench, struct bench_thread *threads)
{
    bench->start_ns = cli_now_ns();
    for (uint32_t i = 0; i < bench->setup->threads; i++) {
        int error = pthread_create(&threads[i].id, NULL, thread_main, &threads[i]);
        if (error != 0) {
            atomic_store(&bench->failed, true);
            return cli_fail(bench->failure, CLI_EXIT_LOCAL, "cannot start a thread: %s",
                            strerror(error));
        }
        threads[i].started = true;
    }
    return CLI_EXIT_DONE;
}

static void add_up(const struct bench *bench, const struct bench_thread *threads,
                   struct cli_bench_result *result)
{
    *result = (struct cli_bench_result){.interrupted = cli_interrupted()};
    for (uint32_t t = 0; t < bench->setup->threads; t++) {
        const struct cli_bench_result *part = &threads[t].result;
        uint64_t elapsed_ns = threads[t].end_ns - bench->start_ns;
        result->answers += part->answers;
        result->bytes_in += part->bytes_in;
        result->bytes_out += part->bytes_out;
        result->elapsed_ns = elapsed_ns > result->elapsed_ns ? elapsed_ns : result->elapsed_ns;
        for (size_t k = 0; k < bench->plan->call_count; k++) {
            cli_histogram_merge(&result->kinds[k].latency, &part->kinds[k].latency);
            result->kinds[k].rows += part->kinds[k].rows;
            for (size_t s = 0; s < CLI_BENCH_STATUS_MAX; s++)
                result->kinds[k].statuses[s] += part->kinds[k].statuses[s];
        }
    }
}

/* Each connection takes a descriptor: the soft limit is there to be raised by who needs more. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* connecting tells if it was not enough */
}

/* Connections first, all of them, then the clock. */
static enum cli_exit prepare(struct bench *bench, struct bench_thread *threads)
{
    uint32_t first = 0;
    raise_descriptor_limit();
    for (uint32_t i = 0; i < bench->setup->threads; i++) {
        if (!thread_init(&threads[i], bench, i))
            return cli_fail(bench->failure, CLI_EXIT_LOCAL, "out of memory or descriptors");
        enum cli_exit exit = connect_all(&threads[i], first);
        if (exit != CLI_EXIT_DONE) {
            *bench->failure = threads[i].failure;
            return exit;
        }
        first += threads[i].conn_count;
    }
    return CLI_EXIT_DONE;
}

enum cli_exit cli_bench_run(const struct cli_bench_plan *plan, const struct cli_bench_setup *setup,
                            struct cli_bench_result *result, struct cli_failure *failure)
{
    struct bench bench = {.plan = plan, .setup = setup, .failure = failure};
    struct bench_thread *threads = cdx_calloc(setup->threads, sizeof *threads);
    if (threads == NULL)
        return cli_fail(failure, CLI_EXIT_LOCAL, "out of memory");
    pthread_mutex_init(&bench.failure_lock, NULL);
    enum cli_exit exit = prepare(&bench, threads);
    if (exit == CLI_EXIT_DONE)
        exit = start_threads(&bench, threads);
    if (exit == CLI_EXIT_DONE)
        watch_threads(&bench, threads);
    for (uint32_t i = 0; i < setup->threads; i++)
        if (threads[i].started)
            pthread_join(threads[i].id, NULL);
    if (exit == CLI_EXIT_DONE && atomic_load(&bench.failed))
        exit = failure->exit;
    if (exit == CLI_EXIT_DONE)
        add_up(&bench, threads, result);
    for (uint32_t i = 0; i < setup->threads; i++)
        thread_free(&threads[i]);
    pthread_mutex_destroy(&bench.failure_lock);
    cdx_free(threads);
    return exit;
}
