/* SPDX-License-Identifier: Apache-2.0 */
/** A folder of its own for each test, which is the current one while it runs. */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

/** Set-up of a test: makes the folder and goes there. */
int folder_enter(void **state);

/** Its tear-down: removes the folder with all that is in it. */
int folder_leave(void **state);

/** A cmocka test in a folder of its own. */
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_enter, folder_leave)

/** Makes a file of the text, in the place of the one that is there. */
void folder_write(const char *name, const char *text);

/** Fails the test unless the file holds the text, of at most 255 bytes. */
void folder_assert(const char *name, const char *text);

#endif
