/* SPDX-License-Identifier: Apache-2.0 */
/** Buffers that end exactly at an inaccessible page: one byte too far is a crash. */
#ifndef TESTS_GUARD_H
#define TESTS_GUARD_H

#include <stddef.h>
#include <stdint.h>

struct guard {
    uint8_t *map;
    size_t map_nbytes;
    size_t nbytes; /* usable, right before the guard page */
};

/** Room for `nbytes` before a guard page; aborts when the system refuses. */
struct guard guard_open(size_t nbytes);
void guard_close(struct guard *guard);

/** Copies `n` bytes to the very end of the room and returns their address there. */
uint8_t *guard_place(const struct guard *guard, const void *bytes, size_t n);

#endif
