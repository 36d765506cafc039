/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One address to listen on, as people write it:
 *
 *     127.0.0.1:7117                      IPv4
 *     [::1]:7117                          IPv6
 *     *:7117                              every IPv4 and IPv6 address; so does [::], which
 *                                         fails where there is no IPv6
 *     unix:/run/caudex/caudexd.sock,mode=0660
 *     127.0.0.1:7118,handler=echo         what answers there; kv when not said
 *
 * Addresses are literal: a name that resolves differently tomorrow is no
 * address to bind to.
 */
#ifndef CONTROL_LISTEN_H
#define CONTROL_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- limits ---- */

/** Host or socket path, with its NUL: what sockaddr_un.sun_path holds. */
#define LISTEN_HOST_NBYTES 108u
/** What listen_format() writes at most, with its NUL: host, port, handler and mode. */
#define LISTEN_TEXT_NBYTES 160u
/** Permission bits of a unix socket when nothing is said: its user and group. */
#define LISTEN_MODE_DEFAULT 0660u

/* ---- types ---- */

enum listen_family { LISTEN_TCP, LISTEN_UNIX };

/** What answers at an address. The order is that of listen_handler_names. */
enum listen_handler { LISTEN_ECHO, LISTEN_REPLY, LISTEN_KV, LISTEN_RESP, LISTEN_MEMCACHE };

struct listen_address {
    enum listen_family family;
    /** A literal IPv4 or IPv6 address without brackets, `*` for all, or the socket's path. */
    char host[LISTEN_HOST_NBYTES];
    uint16_t port; /* LISTEN_TCP; 0: any free one */
    uint32_t mode; /* LISTEN_UNIX */
    enum listen_handler handler;
};

/** The handlers' names, NULL at the end. */
extern const char *const listen_handler_names[];

/* ---- operations ---- */

/**
 * Reads the whole of `text`. False when it is no address: `*address` is
 * untouched and `*expected` is a static text that completes "expected …".
 */
bool listen_parse(const char *text, struct listen_address *address, const char **expected);

/** Writes the address so that listen_parse() reads the same one back. */
void listen_format(const struct listen_address *address, char text[LISTEN_TEXT_NBYTES]);

/** True when both name the same place; handler and mode do not matter. */
bool listen_same_place(const struct listen_address *a, const struct listen_address *b);

/** True when only programs on this machine can connect. */
bool listen_is_local(const struct listen_address *address);

#endif
