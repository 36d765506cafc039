/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The ready file tells scripts that the server accepts connections, and where:
 * one address a line. It appears complete or not at all.
 */
#ifndef CONTROL_READYFILE_H
#define CONTROL_READYFILE_H

#include <caudex/status.h>
#include <limits.h>

/* ---- limits ---- */

/** Longest text that says why the file cannot be written. */
#define READYFILE_ERROR_NBYTES (PATH_MAX + 128)

/* ---- operations ---- */

/** Writes `text` beside the file, then renames it. CDX_OK, or CDX_SYSTEM with `error`. */
CDX_MUST_CHECK enum cdx_status readyfile_write(const char *path, const char *text,
                                               char error[READYFILE_ERROR_NBYTES]);

/** Removes the file; also one that a killed server left. A missing file is fine. */
void readyfile_remove(const char *path);

#endif
