/* SPDX-License-Identifier: Apache-2.0 */
/** Texts of errors for people: which peer, and what is the matter. */
#ifndef CLIENT_TEXT_H
#define CLIENT_TEXT_H

#include <caudex/client.h>

/** What `code`, an errno, means: a static text. */
const char *cdx__text_of_errno(int code);

/** Writes "name: cause" to `text` (NULL: nowhere) of CDX_CLIENT_TEXT_NBYTES_MAX bytes. */
void cdx__text_write(char *text, const char *name, const char *cause);

/**
 * Writes why the connection to `name` has ended, "" while it has not. `cause`
 * is what the system says about it, or NULL.
 */
void cdx__text_of_core(char *text, const struct cdx_core *core, const char *name,
                       const char *cause);

#endif
