/* SPDX-License-Identifier: Apache-2.0 */
/* Guard pages behind test input. */
#include "guard.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard guard_open(size_t nbytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t usable = (nbytes + page - 1) / page * page;
    struct guard g = {.map_nbytes = usable + page, .nbytes = usable};
    void *map = mmap(NULL, g.map_nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        abort();
    g.map = map;
    if (mprotect(g.map + usable, page, PROT_NONE) != 0)
        abort();
    return g;
}

void guard_close(struct guard *guard)
{
    munmap(guard->map, guard->map_nbytes);
    guard->map = NULL;
}

uint8_t *guard_place(const struct guard *guard, const void *bytes, size_t n)
{
    if (n > guard->nbytes)
        abort();
    uint8_t *at = guard->map + guard->nbytes - n;
    if (n != 0)
        memcpy(at, bytes, n);
    return at;
}
