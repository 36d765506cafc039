/* SPDX-License-Identifier: Apache-2.0 */
/* Reading peers' addresses. */
#include "client_address.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define EXPECTED_FORM "expected HOST, HOST:PORT, [IPV6]:PORT or unix:PATH"
#define EXPECTED_PORT "expected a port from 1 to 65535 after the last ':'"
#define EXPECTED_BRACKETS "expected brackets around an IPv6 address, as in [::1]:7117"
#define EXPECTED_HOST "expected a host name of at most 253 bytes"
#define EXPECTED_PATH "expected a path of at most 107 bytes after 'unix:'"

static bool parse_port(const char *text, uint16_t *port)
{
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    unsigned number = 0;
    for (; *text != '\0'; text++)
        number = number * 10 + (unsigned)(*text - '0');
    if (number == 0 || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

static const char *parse_unix(const char *path, struct cdx__address *address)
{
    const size_t len = strlen(path);
    if (len == 0 || len >= sizeof((struct sockaddr_un *)0)->sun_path)
        return EXPECTED_PATH;
    address->is_unix = true;
    memcpy(address->host, path, len + 1);
    (void)snprintf(address->name, sizeof address->name, "unix:%s", path);
    return NULL;
}

static const char *parse_tcp(const char *text, struct cdx__address *address)
{
    const bool bracketed = text[0] == '[';
    const char *host = bracketed ? text + 1 : text;
    const size_t len = strcspn(host, bracketed ? "]" : ":");
    const char *rest = host + len;
    if (bracketed && *rest++ != ']')
        return EXPECTED_FORM;
    if (!bracketed && *rest == ':' && strchr(rest + 1, ':') != NULL)
        return EXPECTED_BRACKETS;
    if (len == 0)
        return EXPECTED_FORM;
    if (len >= CDX__HOST_NBYTES_MAX)
        return EXPECTED_HOST;
    if (*rest != '\0' && *rest != ':')
        return EXPECTED_FORM;
    if (*rest == ':' && !parse_port(rest + 1, &address->port))
        return EXPECTED_PORT;
    memcpy(address->host, host, len);
    (void)snprintf(address->name, sizeof address->name, bracketed ? "[%s]:%u" : "%s:%u",
                   address->host, (unsigned)address->port);
    return NULL;
}

const char *cdx__address_parse(const char *text, uint16_t default_port,
                               struct cdx__address *address)
{
    static const char unix_prefix[] = "unix:";
    struct cdx__address parsed = {.port = default_port};
    const char *expected = strncmp(text, unix_prefix, sizeof unix_prefix - 1) == 0
                               ? parse_unix(text + sizeof unix_prefix - 1, &parsed)
                               : parse_tcp(text, &parsed);
    if (expected == NULL)
        *address = parsed;
    return expected;
}
