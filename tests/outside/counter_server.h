/* SPDX-License-Identifier: Apache-2.0 */
/** A server of counters: one connection after the other, each until it ends. */
#ifndef COUNTER_SERVER_H
#define COUNTER_SERVER_H

/** Serves `connections` connections that `listener` accepts. 0: all ended well; 1: one did not. */
int counter_serve(int listener, int connections);

#endif
