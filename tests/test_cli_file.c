/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of files: whole or untouched, and checkpoints that are told from other files. */
#include "cli_file.h"

#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static unsigned files_here(void)
{
    FILE *list = popen("ls -A | wc -l", "r");
    unsigned count = 0;
    assert_int_equal(fscanf(list, "%u", &count), 1);
    pclose(list);
    return count;
}

static void a_new_file_appears_when_it_is_committed(void **state)
{
    (void)state;
    struct cli_new_file file;
    struct cli_failure failure;
    folder_write("out", "old");
    chmod("out", 0640);
    assert_int_equal(cli_new_file_open(&file, "out", &failure), CLI_EXIT_DONE);
    assert_true(cli_write_all(file.fd, CDX_STR("new")));
    folder_assert("out", "old");
    assert_int_equal(cli_new_file_commit(&file, &failure), CLI_EXIT_DONE);
    folder_assert("out", "new");
    struct stat info;
    assert_int_equal(stat("out", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(files_here(), 1);
    cli_new_file_discard(&file); /* nothing is under construction any more */
    folder_assert("out", "new");
}

static void a_discarded_file_leaves_nothing(void **state)
{
    (void)state;
    struct cli_new_file file;
    struct cli_failure failure;
    folder_write("out", "old");
    assert_int_equal(cli_new_file_open(&file, "out", &failure), CLI_EXIT_DONE);
    assert_true(cli_write_all(file.fd, CDX_STR("new")));
    cli_new_file_discard(&file);
    folder_assert("out", "old");
    assert_int_equal(files_here(), 1);
}

static void new_files_obey_the_umask(void **state)
{
    (void)state;
    struct cli_new_file file;
    struct cli_failure failure;
    struct stat info;
    mode_t before = umask(027);
    assert_int_equal(cli_new_file_open(&file, "out", &failure), CLI_EXIT_DONE);
    assert_int_equal(cli_new_file_commit(&file, &failure), CLI_EXIT_DONE);
    umask(before);
    assert_int_equal(stat("out", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
}

/* The pipe stands for devices: a faulty program, run as root, would put a file in /dev/null's
 * place. */
static void links_stay_links_and_pipes_stay_pipes(void **state)
{
    (void)state;
    struct cli_new_file file;
    struct cli_failure failure;
    struct stat info;
    folder_write("real", "old");
    assert_int_equal(symlink("real", "link"), 0);
    assert_int_equal(cli_new_file_open(&file, "link", &failure), CLI_EXIT_DONE);
    assert_true(cli_write_all(file.fd, CDX_STR("new")));
    assert_int_equal(cli_new_file_commit(&file, &failure), CLI_EXIT_DONE);
    assert_int_equal(lstat("link", &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    folder_assert("real", "new");
    assert_int_equal(mkfifo("pipe", 0600), 0);
    int reader = open("pipe", O_RDONLY | O_NONBLOCK);
    char read_back[8] = "";
    assert_true(reader >= 0);
    assert_int_equal(cli_new_file_open(&file, "pipe", &failure), CLI_EXIT_DONE);
    assert_true(cli_write_all(file.fd, CDX_STR("passed")));
    assert_int_equal(cli_new_file_commit(&file, &failure), CLI_EXIT_DONE);
    assert_int_equal(read(reader, read_back, sizeof read_back), 6);
    assert_string_equal(read_back, "passed");
    close(reader);
    assert_int_equal(lstat("pipe", &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
}

static void a_place_that_cannot_be_written_is_told(void **state)
{
    (void)state;
    struct cli_new_file file;
    struct cli_failure failure;
    assert_int_equal(cli_new_file_open(&file, "no/such/folder", &failure), CLI_EXIT_LOCAL);
    assert_string_equal(failure.text,
                        "'no/such/folder': cannot create a file beside it: No such "
                        "file or directory");
    assert_int_equal(mkdir("folder", 0755), 0);
    assert_int_equal(cli_new_file_open(&file, "folder", &failure), CLI_EXIT_LOCAL);
    assert_string_equal(failure.text, "'folder': cannot open: Is a directory");
}

static void inputs_that_cannot_be_read_are_told(void **state)
{
    (void)state;
    int fd;
    struct cli_failure failure;
    struct cli_buf buf = {0};
    assert_int_equal(cli_open_input("nothing", &fd, &failure), CLI_EXIT_LOCAL);
    assert_string_equal(failure.text, "'nothing': cannot open: No such file or directory");
    assert_int_equal(cli_open_input(".", &fd, &failure), CLI_EXIT_LOCAL);
    assert_string_equal(failure.text, "'.': cannot read: Is a directory");
    folder_write("five", "12345");
    assert_int_equal(cli_open_input("five", &fd, &failure), CLI_EXIT_DONE);
    assert_int_equal(cli_read_all(fd, "five", 5, &buf, &failure), CLI_EXIT_DONE);
    assert_int_equal(buf.len, 5);
    cli_close_input(fd);
    cli_buf_clear(&buf);
    assert_int_equal(cli_open_input("five", &fd, &failure), CLI_EXIT_DONE);
    assert_int_equal(cli_read_all(fd, "five", 4, &buf, &failure), CLI_EXIT_LOCAL);
    assert_string_equal(failure.text, "'five': has more than 4 bytes, the limit");
    cli_close_input(fd);
    cli_buf_free(&buf);
}

static void checkpoints_read_back(void **state)
{
    (void)state;
    struct cli_failure failure;
    struct cli_checkpoint at = {.line = 7};
    assert_int_equal(cli_checkpoint_read("cp", "in", &at, &failure), CLI_EXIT_DONE);
    assert_int_equal(at.line, 0);
    const struct cli_checkpoint written = {.line = UINT64_MAX, .offset = 123456789012};
    assert_int_equal(cli_checkpoint_write("cp", "odd\n\xFFname", &written, &failure),
                     CLI_EXIT_DONE);
    assert_int_equal(cli_checkpoint_read("cp", "odd\n\xFFname", &at, &failure), CLI_EXIT_DONE);
    assert_int_equal(at.line, written.line);
    assert_int_equal(at.offset, written.offset);
}

static void what_is_no_checkpoint_of_this_input_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "caudex load checkpoint\n",
        "caudex load checkpoint\nline 1\noffset x\ninput in\n",
        "something else\nline 1\noffset 2\ninput in\n",
        "caudex load checkpoint\nline 1\n",
    };
    (void)state;
    struct cli_failure failure;
    struct cli_checkpoint at;
    for (size_t i = 0; i < COUNT(texts); i++) {
        folder_write("cp", texts[i]);
        assert_int_equal(cli_checkpoint_read("cp", "in", &at, &failure), CLI_EXIT_LOCAL);
        assert_string_equal(failure.text,
                            "'cp': is no checkpoint of caudex load; name another "
                            "file, or remove it");
    }
    assert_int_equal(cli_checkpoint_write("cp", "in", &(struct cli_checkpoint){1, 2}, &failure),
                     CLI_EXIT_DONE);
    assert_int_equal(cli_checkpoint_read("cp", "in2", &at, &failure), CLI_EXIT_LOCAL);
    assert_string_equal(failure.text,
                        "'cp': is the checkpoint of another input; name another "
                        "file, or remove it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_new_file_appears_when_it_is_committed),
        IN_FOLDER(a_discarded_file_leaves_nothing),
        IN_FOLDER(new_files_obey_the_umask),
        IN_FOLDER(links_stay_links_and_pipes_stay_pipes),
        IN_FOLDER(a_place_that_cannot_be_written_is_told),
        IN_FOLDER(inputs_that_cannot_be_read_are_told),
        IN_FOLDER(checkpoints_read_back),
        IN_FOLDER(what_is_no_checkpoint_of_this_input_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
