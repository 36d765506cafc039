/* SPDX-License-Identifier: Apache-2.0 */
/* The transport on libuv. */
#include <caudex/client_uv.h>
