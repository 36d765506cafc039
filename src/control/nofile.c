/* SPDX-License-Identifier: Apache-2.0 */
/* The limit of open files. */
#include "nofile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

uint64_t nofile_needed(uint64_t connections, uint64_t workers, uint64_t listeners)
{
    return connections + workers * (NOFILE_PER_WORKER + listeners) + NOFILE_RESERVE;
}

enum cdx_status nofile_raise(uint64_t needed, char error[NOFILE_ERROR_NBYTES])
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= needed)
            return CDX_OK;
        if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < needed) {
            snprintf(error, NOFILE_ERROR_NBYTES,
                     "too few open files are allowed: connections-max needs %" PRIu64
                     ", the hard limit is %" PRIu64 "; raise it (LimitNOFILE=%" PRIu64
                     " in a systemd unit, 'ulimit -Hn %" PRIu64
                     "' in a shell) or lower connections-max",
                     needed, (uint64_t)limit.rlim_max, needed, needed);
            return CDX_FULL;
        }
        limit.rlim_cur = (rlim_t)needed;
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
            return CDX_OK;
    }
    snprintf(error, NOFILE_ERROR_NBYTES, "cannot raise the limit of open files to %" PRIu64 ": %s",
             needed, strerror(errno));
    return CDX_SYSTEM;
}
