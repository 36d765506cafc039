/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Typed values as people write them: `64KiB`, `30s`, `yes`. Reading one gives
 * a number in the base unit; writing one gives the shortest text that reads
 * back as the same number.
 */
#ifndef CONTROL_VALUE_H
#define CONTROL_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- limits ---- */

/** Longest text that value_format() writes, in bytes with its NUL: 20 digits and a unit. */
#define VALUE_TEXT_NBYTES 32u

/* ---- types ---- */

enum value_type {
    VALUE_COUNT,    /* a whole number */
    VALUE_SIZE,     /* bytes: B, KiB, MiB, GiB; a bare number is bytes */
    VALUE_DURATION, /* milliseconds: ms, s, min, h; the unit is compulsory */
    VALUE_SECONDS,  /* seconds: s, min, h; the unit is compulsory */
    VALUE_BOOL,     /* 0 or 1: yes, no, true, false, on, off */
};

/* ---- operations ---- */

/**
 * Reads the whole of `text`. False when it is not a value of `type`; `*value` is untouched
 * then.
 */
bool value_parse(enum value_type type, const char *text, uint64_t *value);

/** Writes `value` with the largest unit that divides it, such as `64KiB`. */
void value_format(enum value_type type, uint64_t value, char text[VALUE_TEXT_NBYTES]);

#endif
