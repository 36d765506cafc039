/* SPDX-License-Identifier: Apache-2.0 */
/** kv's two parsers behind the face that split.h drives. */
#ifndef TESTS_KV_SPLIT_H
#define TESTS_KV_SPLIT_H

#include "split.h"

/** Logs `request type=17 rid=7 key=2f val=…`, and the body's fields of typed calls. */
extern const struct split_parser kv_split_request;
/** Logs `response status=0 rid=7 key=2f val=…`. */
extern const struct split_parser kv_split_response;

#endif
