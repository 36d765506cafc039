/* SPDX-License-Identifier: Apache-2.0 */
/* Typed values: numbers with units, and booleans. */
#include "value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first, so that value_format() finds the shortest text. */
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};
static const struct unit size_units[] = {{"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10},
                                         {"B", 1},          {"", 1},           {NULL, 0}};
static const struct unit duration_units[] = {
    {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit second_units[] = {{"h", 3600}, {"min", 60}, {"s", 1}, {NULL, 0}};

static const struct unit *units_of(enum value_type type)
{
    switch (type) {
    case VALUE_SIZE:
        return size_units;
    case VALUE_DURATION:
        return duration_units;
    case VALUE_SECONDS:
        return second_units;
    case VALUE_COUNT:
    case VALUE_BOOL:
        break;
    }
    return count_units;
}

static bool parse_digits(const char **next, uint64_t *value)
{
    const char *p = *next;
    uint64_t n = 0;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(n, UINT64_C(10), &n) ||
            __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
            return false;
    }
    *next = p;
    *value = n;
    return true;
}

static bool parse_number(const struct unit *units, const char *text, uint64_t *value)
{
    uint64_t n;

    if (!parse_digits(&text, &n))
        return false;
    while (*text == ' ')
        text++;
    for (; units->name != NULL; units++) {
        if (strcmp(units->name, text) == 0)
            return !__builtin_mul_overflow(n, units->factor, value);
    }
    return false;
}

static bool parse_bool(const char *text, uint64_t *value)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i], text) == 0) {
            *value = i % 2;
            return true;
        }
    }
    return false;
}

bool value_parse(enum value_type type, const char *text, uint64_t *value)
{
    uint64_t parsed = 0;

    if (!(type == VALUE_BOOL ? parse_bool(text, &parsed)
                             : parse_number(units_of(type), text, &parsed)))
        return false;
    *value = parsed;
    return true;
}

void value_format(enum value_type type, uint64_t value, char text[VALUE_TEXT_NBYTES])
{
    const struct unit *unit = units_of(type);

    if (type == VALUE_BOOL) {
        snprintf(text, VALUE_TEXT_NBYTES, "%s", value != 0 ? "yes" : "no");
        return;
    }
    while (unit->factor > 1 && (value == 0 || value % unit->factor != 0))
        unit++;
    snprintf(text, VALUE_TEXT_NBYTES, "%" PRIu64 "%s", value / unit->factor, unit->name);
}
