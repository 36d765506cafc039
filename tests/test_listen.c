/* SPDX-License-Identifier: Apache-2.0 */
/* Listening addresses: what is read, every reason for refusing, and writing them. */
#include "listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define FORM "ADDRESS:PORT, [IPV6]:PORT, *:PORT or unix:/PATH"
#define PORT "a port from 0 to 65535 after the last ':'"
#define HOST "a literal IPv4 address, an IPv6 address in brackets or * before the port"
#define PATH "an absolute path of at most 107 bytes after 'unix:'"
#define OPTION "',handler=' or ',mode=' after the address, each at most once"
#define HANDLER "handler=echo, handler=reply, handler=kv, handler=resp or handler=memcache"
#define MODE "mode= with an octal number from 0 to 0777"

static const struct {
    const char *text;
    const char *expected;  /* why it is refused; NULL: it is good */
    const char *formatted; /* how it is written back */
} cases[] = {
    {"127.0.0.1:7117", NULL, "127.0.0.1:7117,handler=kv"},
    {"0.0.0.0:0", NULL, "0.0.0.0:0,handler=kv"},
    {"127.0.0.1:65535,handler=echo", NULL, "127.0.0.1:65535,handler=echo"},
    {"127.0.0.1:6379,handler=resp", NULL, "127.0.0.1:6379,handler=resp"},
    {"127.0.0.1:11211,handler=memcache", NULL, "127.0.0.1:11211,handler=memcache"},
    {"[::1]:7117", NULL, "[::1]:7117,handler=kv"},
    {"[::]:7117,handler=reply", NULL, "[::]:7117,handler=reply"},
    {"[0:0::0001]:7117", NULL, "[::1]:7117,handler=kv"},
    {"[2001:DB8::]:7117", NULL, "[2001:db8::]:7117,handler=kv"},
    {"*:7117", NULL, "*:7117,handler=kv"},
    {"unix:/run/x.sock", NULL, "unix:/run/x.sock,handler=kv,mode=0660"},
    {"unix:/run/a:b,mode=0600", NULL, "unix:/run/a:b,handler=kv,mode=0600"},
    {"unix:/x,mode=777,handler=echo", NULL, "unix:/x,handler=echo,mode=0777"},
    {"unix:/x,mode=0", NULL, "unix:/x,handler=kv,mode=00"},
    {"", FORM, NULL},
    {"7117", FORM, NULL},
    {"127.0.0.1", FORM, NULL},
    {"/run/x.sock", FORM, NULL},
    {"127.0.0.1:", PORT, NULL},
    {"127.0.0.1:65536", PORT, NULL},
    {"127.0.0.1:100000", PORT, NULL},
    {"127.0.0.1:-1", PORT, NULL},
    {"127.0.0.1:http", PORT, NULL},
    {"127.0.0.1:7117 ", PORT, NULL},
    {":7117", HOST, NULL},
    {"localhost:7117", HOST, NULL},
    {"127.0.0.256:7117", HOST, NULL},
    {"127.1:7117", HOST, NULL},
    {"::1:7117", HOST, NULL},
    {"[::1:7117", HOST, NULL},
    {"[]:7117", HOST, NULL},
    {"[*]:7117", HOST, NULL},
    {"[127.0.0.1]:7117", HOST, NULL},
    {"[fe80::1%eth0]:7117", HOST, NULL},
    {"**:7117", HOST, NULL},
    {"unix:", PATH, NULL},
    {"unix:/", PATH, NULL},
    {"unix:run/x.sock", PATH, NULL},
    {"127.0.0.1:7117,", OPTION, NULL},
    {"127.0.0.1:7117,echo", OPTION, NULL},
    {"127.0.0.1:7117,handler=echo,handler=kv", OPTION, NULL},
    {"127.0.0.1:7117,a-very-long-option-that-nobody-needs=1", OPTION, NULL},
    {"unix:/x,mode=0600,mode=0600", OPTION, NULL},
    {"127.0.0.1:7117,handler=", HANDLER, NULL},
    {"127.0.0.1:7117,handler=KV", HANDLER, NULL},
    {"unix:/x,mode=", MODE, NULL},
    {"unix:/x,mode=0888", MODE, NULL},
    {"unix:/x,mode=1777", MODE, NULL},
    {"unix:/x,mode=00777", MODE, NULL},
    {"unix:/x,mode=rw", MODE, NULL},
    {"127.0.0.1:7117,mode=0600", "mode= only after unix:/PATH", NULL},
};

static void each_address_is_read_or_refused_with_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct listen_address address;
        const char *expected = NULL;
        char text[LISTEN_TEXT_NBYTES];

        memset(&address, 0x5a, sizeof address);
        if (listen_parse(cases[i].text, &address, &expected)) {
            if (cases[i].expected != NULL)
                fail_msg("'%s' was read", cases[i].text);
            listen_format(&address, text);
            assert_string_equal(text, cases[i].formatted);
        } else {
            if (cases[i].expected == NULL)
                fail_msg("'%s' was refused: %s", cases[i].text, expected);
            assert_string_equal(expected, cases[i].expected);
            for (size_t j = 0; j < sizeof address; j++)
                assert_int_equal(((unsigned char *)&address)[j], 0x5a);
        }
    }
}

static void written_addresses_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases) && cases[i].expected == NULL; i++) {
        struct listen_address address;
        const char *expected;
        char text[LISTEN_TEXT_NBYTES];

        assert_true(listen_parse(cases[i].formatted, &address, &expected));
        listen_format(&address, text);
        assert_string_equal(text, cases[i].formatted);
    }
}

/* "unix:" and a path of `len` bytes, then `tail`. */
static void make_path(char *text, size_t len, const char *tail)
{
    strcpy(text, "unix:/");
    memset(text + 6, 'x', len - 1);
    strcpy(text + 5 + len, tail);
}

static void socket_paths_end_at_the_kernels_limit(void **state)
{
    char text[400], written[LISTEN_TEXT_NBYTES];
    struct listen_address address;
    const char *expected;

    (void)state;
    make_path(text, LISTEN_HOST_NBYTES - 1, ",handler=reply,mode=0777");
    assert_true(listen_parse(text, &address, &expected));
    listen_format(&address, written);
    assert_string_equal(written, text);
    make_path(text, LISTEN_HOST_NBYTES, "");
    assert_false(listen_parse(text, &address, &expected));
    assert_string_equal(expected, PATH);
    make_path(text, 300, "");
    assert_false(listen_parse(text, &address, &expected));
    assert_string_equal(expected, PATH);
}

static void overlong_hosts_are_refused(void **state)
{
    char text[300];
    struct listen_address address;
    const char *expected;

    (void)state;
    memset(text, '1', sizeof text);
    strcpy(text + 290, ":7117");
    assert_false(listen_parse(text, &address, &expected));
    assert_string_equal(expected, FORM);
}

static struct listen_address read(const char *text)
{
    struct listen_address address;
    const char *expected;

    assert_true(listen_parse(text, &address, &expected));
    return address;
}

static void the_place_is_family_host_and_port(void **state)
{
    struct listen_address tcp = read("127.0.0.1:7117"), path = read("unix:/x");
    struct listen_address other;

    (void)state;
    other = read("127.0.0.1:7117,handler=echo");
    assert_true(listen_same_place(&tcp, &other));
    other = read("127.0.0.1:7118");
    assert_false(listen_same_place(&tcp, &other));
    other = read("127.0.0.2:7117");
    assert_false(listen_same_place(&tcp, &other));
    other = read("*:7117");
    assert_false(listen_same_place(&tcp, &other));
    tcp = read("[::]:7117");
    assert_true(listen_same_place(&tcp, &other));
    other = read("unix:/x,mode=0600");
    assert_true(listen_same_place(&path, &other));
    other = read("unix:/y");
    assert_false(listen_same_place(&path, &other));
}

static void only_loopback_and_unix_sockets_are_local(void **state)
{
    static const struct {
        const char *text;
        bool local;
    } places[] = {{"127.0.0.1:1", true}, {"127.9.9.9:1", true}, {"[::1]:1", true},
                  {"unix:/x", true},     {"*:1", false},        {"0.0.0.0:1", false},
                  {"[::]:1", false},     {"10.0.0.1:1", false}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct listen_address address = read(places[i].text);

        assert_int_equal(listen_is_local(&address), places[i].local);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_is_read_or_refused_with_its_reason),
        cmocka_unit_test(written_addresses_read_back),
        cmocka_unit_test(socket_paths_end_at_the_kernels_limit),
        cmocka_unit_test(overlong_hosts_are_refused),
        cmocka_unit_test(the_place_is_family_host_and_port),
        cmocka_unit_test(only_loopback_and_unix_sockets_are_local),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
