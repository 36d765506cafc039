/* SPDX-License-Identifier: Apache-2.0 */
/** Peers' addresses as people write them. */
#ifndef CLIENT_ADDRESS_H
#define CLIENT_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

/* ---- limits ---- */

/** Longest host name or socket path, in bytes with its NUL: a DNS name has 253, a path 107. */
#define CDX__HOST_NBYTES_MAX 256u
/** An address written out: host, brackets, colon, port; in bytes with its NUL. */
#define CDX__NAME_NBYTES_MAX (CDX__HOST_NBYTES_MAX + 8u)

/* ---- types ---- */

struct cdx__address {
    bool is_unix;
    uint16_t port;                   /* not for Unix sockets */
    char host[CDX__HOST_NBYTES_MAX]; /* a name, an address without brackets, or the socket's path */
    char name[CDX__NAME_NBYTES_MAX]; /* the whole address, with its port, for error texts */
};

/* ---- operations ---- */

/**
 * Reads "host", "host:port", "[ipv6]", "[ipv6]:port" or "unix:path". NULL, and `*address`
 * is set; or a static text that says what is expected.
 */
const char *cdx__address_parse(const char *text, uint16_t default_port,
                               struct cdx__address *address);

#endif
