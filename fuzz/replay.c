/* SPDX-License-Identifier: Apache-2.0 */
/* main() for a fuzz harness without a fuzzer: runs it once on every file, and on every file of
 * every folder, named. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Larger files are no seeds. */
#define INPUT_NBYTES_MAX (16u << 20)
/* Folders hold files, not folders. */
#define PATH_NBYTES_MAX 4096u

static size_t inputs;

static int complain(const char *path)
{
    (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return 1;
}

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return complain(path);
    uint8_t *data = malloc(INPUT_NBYTES_MAX);
    const size_t size = data != NULL ? fread(data, 1, INPUT_NBYTES_MAX, file) : 0;
    const int failed = data == NULL || ferror(file);
    (void)fclose(file);
    /* A block of just the size, so that a sanitizer sees what lies behind it. */
    uint8_t *input = failed ? NULL : malloc(size != 0 ? size : 1);
    if (input != NULL) {
        memcpy(input, data, size);
        (void)LLVMFuzzerTestOneInput(input, size);
        inputs++;
    }
    const int status = input != NULL ? 0 : complain(path);
    free(data);
    free(input);
    return status;
}

static int replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return complain(path);
    int failed = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        char name[PATH_NBYTES_MAX];
        struct stat info;
        const int n = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (n < 0 || (size_t)n >= sizeof name || stat(name, &info) != 0)
            failed |= complain(path);
        else if (S_ISREG(info.st_mode))
            failed |= replay_file(name);
    }
    (void)closedir(folder);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        struct stat info;
        if (argv[i][0] == '-')
            continue; /* libFuzzer's options mean nothing here */
        if (stat(argv[i], &info) != 0)
            failed |= complain(argv[i]);
        else
            failed |= S_ISDIR(info.st_mode) ? replay_folder(argv[i]) : replay_file(argv[i]);
    }
    (void)printf("%zu inputs replayed\n", inputs);
    return failed;
}
