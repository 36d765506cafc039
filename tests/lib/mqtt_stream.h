/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One direction of an MQTT connection, read by the generated parser twice at once, in the pieces
 * that came and byte by byte, and written again by the generated encoder: both must see the same
 * packets, and what is written must be what was read, byte for byte.
 */
#ifndef TESTS_MQTT_STREAM_H
#define TESTS_MQTT_STREAM_H

#include <caudex/mqtt.h>

/** Types of packets: the upper four bits of the first byte. */
#define MQTT_STREAM_TYPES 16u

/** Bytes in a row. */
struct mqtt_buffer {
    uint8_t *data;
    size_t len;
};

struct mqtt_stream {
    struct mqtt_packet_parser pieces, bytes;
    struct cdx_spill pieces_spill, bytes_spill;
    struct mqtt_buffer read;  /* what belongs to no packet yet */
    struct mqtt_buffer again; /* packets written again; the user takes them away */
    uint64_t packets;
    uint64_t packets_of_bytes;
    unsigned seen[MQTT_STREAM_TYPES]; /* packets by type */
    const char *error;                /* why the stream was refused; NULL: it was not */
};

void mqtt_stream_init(struct mqtt_stream *stream);
void mqtt_stream_free(struct mqtt_stream *stream);

/** Calls `packet` for each packet that `bytes` complete. False: see `error`. */
bool mqtt_stream_feed(struct mqtt_stream *stream, struct cdx_bytes bytes,
                      void (*packet)(void *arg, const struct mqtt_packet *packet), void *arg);

/** Whether the stream ends between packets. */
bool mqtt_stream_is_between(const struct mqtt_stream *stream);

/** Appends; no memory ends the program. */
void mqtt_buffer_add(struct mqtt_buffer *buffer, struct cdx_bytes bytes);

#endif
