/* SPDX-License-Identifier: Apache-2.0 */
/* Data sets of bench_store: mapping one. */
#include "store_set.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct set set_open(const char *path)
{
    struct stat stat;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0) {
        perror(path);
        exit(1);
    }
    void *file = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    const struct set set = {file, file};
    if (file == MAP_FAILED || (size_t)stat.st_size < sizeof *set.head ||
        set.head->magic != SET_MAGIC) {
        fprintf(stderr, "%s: no data set of bench_store_keys\n", path);
        exit(1);
    }
    return set;
}
