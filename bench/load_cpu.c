/* SPDX-License-Identifier: Apache-2.0 */
/* What a server's threads have used, from /proc. */
#include "load_cpu.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t load_cpu_ns(int pid)
{
    char path[300];
    uint64_t sum = 0;
    if (pid == 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        fprintf(stderr, "bench_load: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        unsigned long long ns = 0;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", pid, e->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            if (fscanf(file, "%llu", &ns) == 1)
                sum += ns;
            fclose(file);
        }
    }
    closedir(dir);
    return sum;
}
