/* SPDX-License-Identifier: Apache-2.0 */
/* The service manager's protocols: notifications, and sockets that are handed over. */
#include "systemd.h"

#include <setjmp.h>
#include <stdarg.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/test_systemd.XXXXXX";
static char path[64];
static struct systemd_socket sockets[SYSTEMD_FDS_MAX];
static size_t count;
static char error[SYSTEMD_ERROR_NBYTES];

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/socket", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

/* ---- notification ---- */

static struct sockaddr_un unix_address(const char *name, socklen_t *len)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, name, strlen(name));
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    return address;
}

static int open_receiver(const char *name)
{
    socklen_t len;
    struct sockaddr_un address = unix_address(name, &len);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    return fd;
}

static const char *receive(int fd)
{
    static char text[256];
    ssize_t len = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);

    text[len > 0 ? len : 0] = '\0';
    return text;
}

static void a_state_arrives_as_one_datagram(const char *name)
{
    struct systemd_notifier notifier;
    int fd = open_receiver(name);
    unsigned long long usec;
    char rest;

    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    systemd_notifier_init(&notifier);
    assert_null(getenv("NOTIFY_SOCKET"));
    systemd_notify(&notifier, "READY=1\nSTATUS=x");
    assert_string_equal(receive(fd), "READY=1\nSTATUS=x");
    systemd_notify_reloading(&notifier);
    assert_int_equal(sscanf(receive(fd), "RELOADING=1\nMONOTONIC_USEC=%llu%c", &usec, &rest), 1);
    assert_true(usec > 0);
    close(fd);
}

static void states_arrive_at_a_path(void **state)
{
    (void)state;
    a_state_arrives_as_one_datagram(path);
    unlink(path);
}

static void states_arrive_at_an_abstract_name(void **state)
{
    char name[64];

    (void)state;
    snprintf(name, sizeof name, "@test_systemd.%ld", (long)getpid());
    a_state_arrives_as_one_datagram(name);
}

static void without_a_usable_receiver_nothing_happens(void **state)
{
    static const char *const names[] = {"", "relative", "/nonexistent/socket",
                                        "/a-name-that-is-longer-than-any-socket-can-have-"
                                        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-"
                                        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
    struct systemd_notifier notifier;

    (void)state;
    unsetenv("NOTIFY_SOCKET");
    systemd_notifier_init(&notifier);
    systemd_notify(&notifier, "READY=1");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
        systemd_notifier_init(&notifier);
        systemd_notify(&notifier, "READY=1");
        systemd_notify_reloading(&notifier);
    }
}

/* ---- sockets: in a child, for descriptors from 3 on are whatever they are here ---- */

static int listen_in(int family, const char *host)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    socklen_t len = sizeof in;
    struct sockaddr *address = (struct sockaddr *)&in;
    struct sockaddr_un un;
    int fd = socket(family, SOCK_STREAM, 0);

    if (family == AF_INET6) {
        inet_pton(AF_INET6, host, &in6.sin6_addr);
        address = (struct sockaddr *)&in6;
        len = sizeof in6;
    } else if (family == AF_UNIX) {
        un = unix_address(host, &len);
        address = (struct sockaddr *)&un;
    } else {
        inet_pton(AF_INET, host, &in.sin_addr);
    }
    if (bind(fd, address, len) != 0 || listen(fd, 1) != 0)
        _exit(99);
    return fd;
}

/* `fds` become 3, 4, …; then the variables are set as systemd does. */
static enum cdx_status hand_over(const int *fds, int fd_count, const char *names, pid_t pid)
{
    char text[32];

    for (int i = 0; i < fd_count; i++) /* first out of the way, then into place */
        dup2(fds[i], 100 + i);
    for (int i = 0; i < fd_count; i++)
        dup2(100 + i, SYSTEMD_FDS_START + i);
    snprintf(text, sizeof text, "%d", fd_count);
    setenv("LISTEN_FDS", text, 1);
    snprintf(text, sizeof text, "%ld", (long)pid);
    setenv("LISTEN_PID", text, 1);
    if (names != NULL)
        setenv("LISTEN_FDNAMES", names, 1);
    return systemd_take_sockets(sockets, &count, error);
}

/* Runs `child` in a child process; it returns what it expected, in words, or NULL. */
static void in_child(const char *(*child)(void))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        const char *wrong = child();

        if (wrong != NULL)
            fprintf(stderr, "expected %s; error is '%s'\n", wrong, error);
        _exit(wrong != NULL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define EXPECT(condition)                                                                          \
    if (!(condition))                                                                              \
    return #condition

static bool place_is(const struct systemd_socket *taken, enum listen_family family,
                     const char *host, enum listen_handler handler)
{
    return taken->address.family == family && strcmp(taken->address.host, host) == 0 &&
           (taken->address.port != 0) == (family == LISTEN_TCP) &&
           taken->address.handler == handler;
}

static const char *take_four(void)
{
    const int fds[] = {listen_in(AF_INET, "127.0.0.1"), listen_in(AF_INET6, "::1"),
                       listen_in(AF_UNIX, path), listen_in(AF_INET6, "::")};

    EXPECT(hand_over(fds, 4, "echo:caudexd.socket:kv", getpid()) == CDX_OK);
    EXPECT(count == 4);
    EXPECT(place_is(&sockets[0], LISTEN_TCP, "127.0.0.1", LISTEN_ECHO));
    EXPECT(place_is(&sockets[1], LISTEN_TCP, "::1", LISTEN_KV));
    EXPECT(place_is(&sockets[2], LISTEN_UNIX, path, LISTEN_KV));
    EXPECT(place_is(&sockets[3], LISTEN_TCP, "::", LISTEN_KV));
    EXPECT(sockets[0].handler_named && !sockets[1].handler_named && sockets[2].handler_named);
    EXPECT(!sockets[3].handler_named);
    for (int i = 0; i < 4; i++) {
        EXPECT(sockets[i].fd == SYSTEMD_FDS_START + i);
        EXPECT((fcntl(sockets[i].fd, F_GETFD) & FD_CLOEXEC) != 0);
    }
    EXPECT(getenv("LISTEN_FDS") == NULL && getenv("LISTEN_PID") == NULL);
    EXPECT(getenv("LISTEN_FDNAMES") == NULL);
    return NULL;
}

static const char *ignore_those_of_another_process(void)
{
    const int fds[] = {listen_in(AF_INET, "127.0.0.1")};

    EXPECT(hand_over(fds, 1, "echo", getppid()) == CDX_OK);
    EXPECT(count == 0);
    EXPECT(getenv("LISTEN_FDS") == NULL);
    return NULL;
}

static const char *refuse_a_datagram_socket(void)
{
    const int fds[] = {socket(AF_INET, SOCK_DGRAM, 0)};

    EXPECT(hand_over(fds, 1, "x", getpid()) == CDX_INVALID);
    EXPECT(strcmp(error,
                  "LISTEN_FDS: descriptor 3 ('x'): expected a listening TCP or unix stream "
                  "socket") == 0);
    return NULL;
}

static const char *refuse_a_socket_that_does_not_listen(void)
{
    const int fds[] = {listen_in(AF_INET, "127.0.0.1"), socket(AF_INET, SOCK_STREAM, 0)};

    EXPECT(hand_over(fds, 2, NULL, getpid()) == CDX_INVALID);
    EXPECT(strcmp(error,
                  "LISTEN_FDS: descriptor 4 (''): expected a listening TCP or unix stream "
                  "socket") == 0);
    return NULL;
}

static const char *refuse_a_file(void)
{
    const int fds[] = {open("/dev/null", O_RDONLY)};

    EXPECT(hand_over(fds, 1, NULL, getpid()) == CDX_INVALID);
    return NULL;
}

static const char *refuse_too_many(void)
{
    char pid[32];

    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "17", 1);
    EXPECT(systemd_take_sockets(sockets, &count, error) == CDX_INVALID);
    EXPECT(strcmp(error, "LISTEN_FDS: got 17 sockets, expected at most 16") == 0);
    return NULL;
}

static const char *take_nothing_from_nonsense(void)
{
    char pid[32];

    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "-1", 1);
    EXPECT(systemd_take_sockets(sockets, &count, error) == CDX_OK && count == 0);
    setenv("LISTEN_PID", "x", 1);
    setenv("LISTEN_FDS", "1", 1);
    EXPECT(systemd_take_sockets(sockets, &count, error) == CDX_OK && count == 0);
    EXPECT(systemd_take_sockets(sockets, &count, error) == CDX_OK && count == 0);
    return NULL;
}

static void sockets_are_taken_with_address_and_handler(void **state)
{
    (void)state;
    in_child(take_four);
    unlink(path);
}

static void sockets_for_another_process_are_ignored(void **state)
{
    (void)state;
    in_child(ignore_those_of_another_process);
}

static void what_is_no_listening_stream_socket_is_refused(void **state)
{
    (void)state;
    in_child(refuse_a_datagram_socket);
    in_child(refuse_a_socket_that_does_not_listen);
    in_child(refuse_a_file);
    in_child(refuse_too_many);
}

static void nonsense_in_the_environment_means_no_sockets(void **state)
{
    (void)state;
    in_child(take_nothing_from_nonsense);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_arrive_at_a_path),
        cmocka_unit_test(states_arrive_at_an_abstract_name),
        cmocka_unit_test(without_a_usable_receiver_nothing_happens),
        cmocka_unit_test(sockets_are_taken_with_address_and_handler),
        cmocka_unit_test(sockets_for_another_process_are_ignored),
        cmocka_unit_test(what_is_no_listening_stream_socket_is_refused),
        cmocka_unit_test(nonsense_in_the_environment_means_no_sockets),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
