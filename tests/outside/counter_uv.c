/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same client on a libuv loop: counter_uv HOST:PORT adds 5 to "plums" and prints the sum.
 */
#include <caudex/client_uv.h>
#include <caudex/counter_client.h>
#include <stdio.h>
#include <uv.h>

struct talk {
    struct cdx_uv *uv;
    int result;
};

static void on_reply(void *arg, enum cdx_status status, const struct counter_reply *reply)
{
    struct talk *talk = arg;
    if (status == CDX_OK && reply->status == COUNTER_STATUS_OK) {
        printf("plums = %llu\n", (unsigned long long)reply->body.total.sum);
        talk->result = 0;
    }
    cdx_uv_close(talk->uv, NULL, NULL);
}

static void on_event(void *arg, struct cdx_uv *uv, enum cdx_status status)
{
    (void)arg;
    if (status != CDX_OK) {
        fprintf(stderr, "%s\n", cdx_uv_error_text(uv));
        cdx_uv_close(uv, NULL, NULL);
    }
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    const struct counter_step five = {5};
    struct talk talk = {.result = 1};
    if (argc != 2 || cdx_uv_connect(loop, argv[1], &counter_client_protocol, NULL, on_event, &talk,
                                    &talk.uv) != CDX_OK)
        return 2;
    if (counter_add_send(cdx_uv_core(talk.uv), CDX_STR("plums"), &five, on_reply, &talk, NULL) !=
        CDX_OK)
        return 2;
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    return talk.result;
}
