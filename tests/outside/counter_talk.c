/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, asked from another process with the generated client over TCP.
 *
 *     counter_talk                     0: every answer was right
 *     counter_talk serve CONNECTIONS   prints its port and serves so many connections
 */
#include "counter_server.h"
#include <caudex/counter_client.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static int listen_anywhere(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(listener >= 0);
    REQUIRE(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(listener, 1) == 0);
    REQUIRE(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    *port = ntohs(address.sin_port);
    return listener;
}

static bool print_row(void *arg, const struct counter_reply *row)
{
    ++*(int *)arg;
    printf("%.*s = %llu\n", (int)row->name.len, (const char *)row->name.data,
           (unsigned long long)row->body.total.sum);
    return true;
}

static void talk(struct counter_client *client)
{
    const struct counter_step three = {3};
    const struct counter_step four = {4};
    struct counter_reply reply;
    int rows = 0;
    REQUIRE(counter_add(client, CDX_STR("apples"), &three, &reply) == CDX_OK);
    REQUIRE(reply.status == COUNTER_STATUS_OK && reply.body.total.sum == 3);
    REQUIRE(counter_add(client, CDX_STR("pears"), &four, &reply) == CDX_OK);
    REQUIRE(counter_add(client, CDX_STR("apples"), &four, &reply) == CDX_OK);
    REQUIRE(reply.body.total.sum == 7);
    REQUIRE(counter_get(client, CDX_STR("plums"), &reply) == CDX_OK);
    REQUIRE(reply.status == COUNTER_STATUS_UNKNOWN);
    REQUIRE(cdx_bytes_equal(reply.data, CDX_STR("no such counter")));
    REQUIRE(counter_list(client, print_row, &rows, &reply) == CDX_OK);
    REQUIRE(reply.status == COUNTER_STATUS_OK && rows == 2);
}

int main(int argc, char **argv)
{
    unsigned port;
    const int listener = listen_anywhere(&port);
    if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        printf("%u\n", port);
        fflush(stdout);
        return counter_serve(listener, atoi(argv[2]));
    }
    const pid_t server = fork();
    REQUIRE(server >= 0);
    if (server == 0)
        return counter_serve(listener, 1);

    char address[32];
    struct counter_client *client;
    int status;
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    REQUIRE(counter_connect(address, NULL, &client) == CDX_OK);
    talk(client);
    counter_close(client);
    REQUIRE(waitpid(server, &status, 0) == server && status == 0);
    return 0;
}
