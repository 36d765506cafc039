/* SPDX-License-Identifier: Apache-2.0 */
/** The CPU time of a server, which is a process of its own. */
#ifndef BENCH_LOAD_CPU_H
#define BENCH_LOAD_CPU_H

#include <stdint.h>

/** What all threads of the process have used so far, in ns; 0 for no process. Ends the program if
 * there is none such. */
uint64_t load_cpu_ns(int pid);

#endif
