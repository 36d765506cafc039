/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest libuv echo server: what is read is written back by uv_try_write
 * inside the read callback. An independent ceiling for caudexd's own `echo`.
 *
 * Usage: echo_uv PORT. Prints the port it listens on; ends with SIGTERM.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define BUFFER_NBYTES 65536

static char buffer[BUFFER_NBYTES]; /* one loop, and every read is answered before the next */

struct rest {
    uv_write_t request;
    char bytes[];
};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(buffer, sizeof buffer);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_written(uv_write_t *request, int status)
{
    (void)status;
    free(request->data);
}

static void write_rest(uv_stream_t *stream, const char *bytes, size_t n)
{
    struct rest *rest = malloc(sizeof *rest + n);
    if (rest == NULL)
        abort();
    memcpy(rest->bytes, bytes, n);
    rest->request.data = rest;
    uv_buf_t buf = uv_buf_init(rest->bytes, (unsigned)n);
    if (uv_write(&rest->request, stream, &buf, 1, on_written) != 0)
        free(rest);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    if (n < 0) {
        uv_close((uv_handle_t *)stream, on_closed);
        return;
    }
    if (n == 0)
        return;
    uv_buf_t out = uv_buf_init(buf->base, (unsigned)n);
    int sent = uv_try_write(stream, &out, 1);
    if (sent < 0 && sent != UV_EAGAIN)
        return;
    size_t done = sent > 0 ? (size_t)sent : 0;
    if (done < (size_t)n)
        write_rest(stream, buf->base + done, (size_t)n - done);
}

static void on_connection(uv_stream_t *listener, int status)
{
    if (status != 0)
        return;
    uv_tcp_t *peer = malloc(sizeof *peer);
    if (peer == NULL)
        abort();
    uv_tcp_init(listener->loop, peer);
    if (uv_accept(listener, (uv_stream_t *)peer) != 0) {
        uv_close((uv_handle_t *)peer, on_closed);
        return;
    }
    uv_tcp_nodelay(peer, 1);
    uv_read_start((uv_stream_t *)peer, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    uv_tcp_t listener;
    struct sockaddr_in address;
    int length = sizeof address;
    uv_loop_t *loop = uv_default_loop();
    signal(SIGPIPE, SIG_IGN);
    uv_ip4_addr("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0, &address);
    uv_tcp_init(loop, &listener);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&listener, 1024, on_connection) != 0 ||
        uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &length) != 0) {
        fprintf(stderr, "echo_uv: cannot listen\n");
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
