/* SPDX-License-Identifier: Apache-2.0 */
/** An allocator that fails on demand and counts what is still held. */
#ifndef TESTS_HEAP_FAIL_H
#define TESTS_HEAP_FAIL_H

#include <stddef.h>

/** Puts the counting allocator behind the seam; nothing fails yet. */
void heap_fail_install(void);

/** Puts the C library's back. Everything allocated since install must have been freed. */
void heap_fail_remove(void);

/** The `n`-th allocation from now on fails (1: the next), and so does every later one when `sticky`. 0: none fails. */
void heap_fail_at(size_t n, int sticky);

/** Every allocation of more than `nbytes` fails from now on; 0: none. */
void heap_fail_above(size_t nbytes);

/** True when the failure asked for has happened. */
int heap_fail_happened(void);

/** Blocks held now. */
size_t heap_fail_blocks(void);

/** Bytes held now, as the C library counts them. */
size_t heap_fail_nbytes(void);

#endif
