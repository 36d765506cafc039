/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define UNIQUE "XXXXXX"

int folder_enter(void **state)
{
    static char folder[] = "/tmp/caudex-test-" UNIQUE;
    memcpy(folder + sizeof folder - sizeof UNIQUE, UNIQUE, sizeof UNIQUE);
    *state = folder;
    return mkdtemp(folder) != NULL ? chdir(folder) : -1;
}

int folder_leave(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", (const char *)*state);
    return chdir("/") != 0 || system(command) != 0;
}

void folder_write(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void folder_assert(const char *name, const char *text)
{
    char content[256];
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    size_t n = fread(content, 1, sizeof content - 1, file);
    fclose(file);
    content[n] = '\0';
    assert_string_equal(content, text);
}
