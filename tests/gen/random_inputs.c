/* SPDX-License-Identifier: Apache-2.0 */
/* main() for a generated fuzz harness: many inputs made of the bytes that a protocol's frames are made of. */
#include <caudex/rp.h>

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUTS 30000u
#define INPUT_NBYTES_MAX 96u

static uint32_t state = 1;

static uint32_t below(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

/* Mostly zeros and small numbers: lengths and enums that can be right. */
static uint8_t random_byte(void)
{
    switch (below(8)) {
    case 0:
        return (uint8_t)below(256);
    case 1:
        return rp_calls[below(RP_CALLS_COUNT)];
    case 2:
    case 3:
        return (uint8_t)below(8);
    default:
        return 0;
    }
}

int main(void)
{
    for (unsigned i = 0; i < INPUTS; i++) {
        const size_t size = below(INPUT_NBYTES_MAX + 1);
        uint8_t *input = malloc(size != 0 ? size : 1);
        if (input == NULL)
            return 1;
        for (size_t at = 0; at < size; at++)
            input[at] = random_byte();
        (void)LLVMFuzzerTestOneInput(input, size);
        free(input);
    }
    return 0;
}
