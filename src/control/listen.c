/* SPDX-License-Identifier: Apache-2.0 */
/* Listening addresses: reading and writing them. */
#include "listen.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

_Static_assert(LISTEN_HOST_NBYTES == sizeof(((struct sockaddr_un *)0)->sun_path),
               "a path that fits here fits the kernel");

const char *const listen_handler_names[] = {"echo", "reply", "kv", "resp", "memcache", NULL};

/** Longest option after an address, with its NUL: `handler=` and a name. */
#define OPTION_NBYTES_MAX 32u
/** Longest host or path with its port: brackets, colon and five digits. */
#define PLACE_NBYTES_MAX (LISTEN_HOST_NBYTES + 8u)

#define EXPECTED_FORM "ADDRESS:PORT, [IPV6]:PORT, *:PORT or unix:/PATH"
#define EXPECTED_PORT "a port from 0 to 65535 after the last ':'"
#define EXPECTED_HOST "a literal IPv4 address, an IPv6 address in brackets or * before the port"
#define EXPECTED_PATH "an absolute path of at most 107 bytes after 'unix:'"
#define EXPECTED_OPTION "',handler=' or ',mode=' after the address, each at most once"
#define EXPECTED_HANDLER "handler=echo, handler=reply, handler=kv, handler=resp or handler=memcache"
#define EXPECTED_MODE "mode= with an octal number from 0 to 0777"
#define EXPECTED_NO_MODE "mode= only after unix:/PATH"

static bool parse_port(const char *text, uint16_t *port)
{
    unsigned n = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    for (; *text != '\0'; text++)
        n = n * 10 + (unsigned)(*text - '0');
    if (n > UINT16_MAX)
        return false;
    *port = (uint16_t)n;
    return true;
}

/* `host` is what stands before the port; written to `out` without brackets, in its shortest form.
 */
static bool parse_host(char *host, char out[LISTEN_HOST_NBYTES])
{
    unsigned char binary[sizeof(struct in6_addr)];
    size_t len = strlen(host);
    int family = AF_INET;

    if (strcmp(host, "*") == 0) {
        memcpy(out, host, sizeof "*");
        return true;
    }
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        host++;
        family = AF_INET6;
    }
    return inet_pton(family, host, binary) == 1 &&
           inet_ntop(family, binary, out, LISTEN_HOST_NBYTES) != NULL;
}

static const char *parse_tcp(char *place, struct listen_address *address)
{
    char *colon = strrchr(place, ':');

    if (colon == NULL)
        return EXPECTED_FORM;
    if (!parse_port(colon + 1, &address->port))
        return EXPECTED_PORT;
    *colon = '\0';
    return parse_host(place, address->host) ? NULL : EXPECTED_HOST;
}

static const char *parse_unix(const char *path, struct listen_address *address)
{
    if (path[0] != '/' || path[1] == '\0' || strlen(path) >= LISTEN_HOST_NBYTES)
        return EXPECTED_PATH;
    address->family = LISTEN_UNIX;
    memcpy(address->host, path, strlen(path) + 1);
    return NULL;
}

static const char *parse_place(const char *text, size_t len, struct listen_address *address)
{
    static const char unix_prefix[] = "unix:";
    const size_t prefix_len = sizeof unix_prefix - 1;
    bool is_unix = strncmp(text, unix_prefix, prefix_len) == 0;
    char place[PLACE_NBYTES_MAX];

    if (len >= sizeof place)
        return is_unix ? EXPECTED_PATH : EXPECTED_FORM;
    memcpy(place, text, len);
    place[len] = '\0';
    return is_unix ? parse_unix(place + prefix_len, address) : parse_tcp(place, address);
}

static const char *parse_handler(const char *name, struct listen_address *address)
{
    for (size_t i = 0; listen_handler_names[i] != NULL; i++) {
        if (strcmp(name, listen_handler_names[i]) == 0) {
            address->handler = (enum listen_handler)i;
            return NULL;
        }
    }
    return EXPECTED_HANDLER;
}

static const char *parse_mode(const char *digits, struct listen_address *address)
{
    uint32_t mode = 0;

    if (address->family != LISTEN_UNIX)
        return EXPECTED_NO_MODE;
    if (digits[0] == '\0' || strlen(digits) > 4)
        return EXPECTED_MODE;
    for (; *digits != '\0'; digits++) {
        if (*digits < '0' || *digits > '7')
            return EXPECTED_MODE;
        mode = mode * 8 + (uint32_t)(*digits - '0');
    }
    if (mode > 0777)
        return EXPECTED_MODE;
    address->mode = mode;
    return NULL;
}

/* The options behind the address: `text` is empty or begins with a comma. */
static const char *parse_options(const char *text, struct listen_address *address)
{
    static const char handler_key[] = "handler=", mode_key[] = "mode=";
    const size_t handler_len = sizeof handler_key - 1, mode_len = sizeof mode_key - 1;
    bool handler_seen = false, mode_seen = false;
    const char *wrong = NULL;

    while (*text == ',' && wrong == NULL) {
        size_t len = strcspn(++text, ",");
        char option[OPTION_NBYTES_MAX];

        if (len >= sizeof option)
            return EXPECTED_OPTION;
        memcpy(option, text, len);
        option[len] = '\0';
        if (!handler_seen && strncmp(option, handler_key, handler_len) == 0) {
            handler_seen = true;
            wrong = parse_handler(option + handler_len, address);
        } else if (!mode_seen && strncmp(option, mode_key, mode_len) == 0) {
            mode_seen = true;
            wrong = parse_mode(option + mode_len, address);
        } else {
            wrong = EXPECTED_OPTION;
        }
        text += len;
    }
    return wrong;
}

bool listen_parse(const char *text, struct listen_address *address, const char **expected)
{
    struct listen_address parsed = {.mode = LISTEN_MODE_DEFAULT, .handler = LISTEN_KV};
    size_t place_len = strcspn(text, ",");
    const char *wrong = parse_place(text, place_len, &parsed);

    if (wrong == NULL)
        wrong = parse_options(text + place_len, &parsed);
    if (wrong != NULL) {
        *expected = wrong;
        return false;
    }
    *address = parsed;
    return true;
}

void listen_format(const struct listen_address *address, char text[LISTEN_TEXT_NBYTES])
{
    const char *handler = listen_handler_names[address->handler];
    bool bracket = strchr(address->host, ':') != NULL;

    if (address->family == LISTEN_UNIX)
        snprintf(text, LISTEN_TEXT_NBYTES, "unix:%s,handler=%s,mode=0%o", address->host, handler,
                 address->mode);
    else
        snprintf(text, LISTEN_TEXT_NBYTES, "%s%s%s:%u,handler=%s", bracket ? "[" : "",
                 address->host, bracket ? "]" : "", address->port, handler);
}

/* Both take every address of both families. */
static bool is_every_address(const struct listen_address *address)
{
    return strcmp(address->host, "*") == 0 || strcmp(address->host, "::") == 0;
}

bool listen_same_place(const struct listen_address *a, const struct listen_address *b)
{
    bool same_host = strcmp(a->host, b->host) == 0 || (is_every_address(a) && is_every_address(b));

    return a->family == b->family && a->port == b->port && same_host;
}

bool listen_is_local(const struct listen_address *address)
{
    return address->family == LISTEN_UNIX || strncmp(address->host, "127.", 4) == 0 ||
           strcmp(address->host, "::1") == 0;
}
