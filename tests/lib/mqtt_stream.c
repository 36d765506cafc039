/* SPDX-License-Identifier: Apache-2.0 */
/* A direction of an MQTT connection, read and written again. */
#include "mqtt_stream.h"

#include <stdlib.h>

void mqtt_buffer_add(struct mqtt_buffer *buffer, struct cdx_bytes bytes)
{
    uint8_t *const data = realloc(buffer->data, buffer->len + bytes.len + 1);
    if (data == NULL)
        abort();
    if (bytes.len != 0)
        memcpy(data + buffer->len, bytes.data, bytes.len);
    buffer->data = data;
    buffer->len += bytes.len;
}

void mqtt_stream_init(struct mqtt_stream *stream)
{
    memset(stream, 0, sizeof *stream);
    mqtt_packet_parser_init(&stream->pieces);
    mqtt_packet_parser_init(&stream->bytes);
    cdx_spill_init(&stream->pieces_spill);
    cdx_spill_init(&stream->bytes_spill);
}

void mqtt_stream_free(struct mqtt_stream *stream)
{
    cdx_spill_free(&stream->pieces_spill);
    cdx_spill_free(&stream->bytes_spill);
    free(stream->read.data);
    free(stream->again.data);
}

bool mqtt_stream_is_between(const struct mqtt_stream *stream)
{
    return mqtt_packet_is_between(&stream->pieces) && mqtt_packet_is_between(&stream->bytes) &&
           stream->read.len == 0;
}

static bool refuse(struct mqtt_stream *stream, const char *why)
{
    stream->error = why;
    return false;
}

static bool refuse_for_error(struct mqtt_stream *stream, const struct mqtt_packet_parser *parser)
{
    struct cdx_parse_error error;
    mqtt_packet_error(parser, &error);
    return refuse(stream, error.reason);
}

/* Writes the packet again and takes as many bytes off what was read. */
static bool write_again(struct mqtt_stream *stream, const struct mqtt_packet *packet)
{
    const size_t size = mqtt_packet_size(packet);
    uint8_t *const room = malloc(size);
    if (room == NULL)
        abort();
    struct cdx_out out = {room, room + size};
    const bool is_same = size <= stream->read.len && mqtt_packet_encode(&out, packet) == CDX_OK &&
                         out.next == out.end && memcmp(room, stream->read.data, size) == 0;
    if (is_same) {
        mqtt_buffer_add(&stream->again, cdx_bytes_of(room, size));
        stream->read.len -= size;
        memmove(stream->read.data, stream->read.data + size, stream->read.len);
    }
    free(room);
    return is_same;
}

static bool feed_bytes(struct mqtt_stream *stream, struct cdx_bytes bytes)
{
    struct mqtt_packet packet;
    for (size_t at = 0; at < bytes.len; at++) {
        const uint8_t *next = bytes.data + at;
        const enum cdx_status status =
            mqtt_packet_feed(&stream->bytes, &stream->bytes_spill, &next, next + 1, &packet);
        if (status == CDX_OK)
            stream->packets_of_bytes++;
        else if (status != CDX_MORE)
            return refuse_for_error(stream, &stream->bytes);
    }
    return true;
}

bool mqtt_stream_feed(struct mqtt_stream *stream, struct cdx_bytes bytes,
                      void (*each)(void *arg, const struct mqtt_packet *packet), void *arg)
{
    struct mqtt_packet packet;
    const uint8_t *next = bytes.data;
    enum cdx_status status;
    mqtt_buffer_add(&stream->read, bytes);
    while ((status = mqtt_packet_feed(&stream->pieces, &stream->pieces_spill, &next,
                                      bytes.data + bytes.len, &packet)) == CDX_OK) {
        stream->packets++;
        stream->seen[packet.head >> 4]++;
        if (!write_again(stream, &packet))
            return refuse(stream, "written again, a packet is another");
        each(arg, &packet);
    }
    if (status != CDX_MORE)
        return refuse_for_error(stream, &stream->pieces);
    if (!feed_bytes(stream, bytes))
        return false;
    return stream->packets == stream->packets_of_bytes ||
           refuse(stream, "byte by byte there are other packets");
}
