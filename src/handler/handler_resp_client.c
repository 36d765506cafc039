/* SPDX-License-Identifier: Apache-2.0 */
/* The process's resp connections, as `CLIENT` tells of them. */
#include "handler_resp.h"
#include "handler_resp_text.h"

#include <caudex/heap.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

/* Longest row of `CLIENT LIST`, with three names. */
#define ROW_NBYTES_MAX (512u + 3u * HANDLER_RESP_NAME_NBYTES_MAX)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct handler_resp_client *clients; /* the newest first */
static uint64_t last_id;

void handler_resp_client_begin(struct handler *h, struct handler_resp_client *client)
{
    uint64_t now = store_now(h->section.store);
    *client = (struct handler_resp_client){.begun_ms = now};
    atomic_init(&client->active_ms, now);
    atomic_init(&client->last, NULL);
    pthread_mutex_lock(&lock);
    client->id = ++last_id;
    client->next = clients;
    client->link = &clients;
    if (clients != NULL)
        clients->link = &client->next;
    clients = client;
    pthread_mutex_unlock(&lock);
}

static void forget_names(struct handler_resp_client *client)
{
    cdx_free(client->name);
    cdx_free(client->library);
    cdx_free(client->library_version);
    client->name = client->library = client->library_version = NULL;
}

void handler_resp_client_end(struct handler_resp_client *client)
{
    pthread_mutex_lock(&lock);
    *client->link = client->next;
    if (client->next != NULL)
        client->next->link = client->link;
    forget_names(client);
    pthread_mutex_unlock(&lock);
}

void handler_resp_client_reset(struct handler_resp_client *client)
{
    pthread_mutex_lock(&lock);
    cdx_free(client->name);
    client->name = NULL;
    pthread_mutex_unlock(&lock);
}

/* ---- names ---- */

static bool is_printable(struct cdx_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '!' || text.data[i] > '~')
            return false;
    }
    return true;
}

/* Puts a copy of `text` into `*name`, nothing if it is empty; `what` is what the error calls it. */
static bool set_name(struct handler *h, char **name, struct cdx_bytes text, const char *what)
{
    char *copy = NULL;
    if (!is_printable(text)) {
        handler_resp_error_of(h, "ERR %s cannot contain spaces, newlines or special characters.",
                              what);
        return false;
    }
    if (text.len > HANDLER_RESP_NAME_NBYTES_MAX) {
        handler_resp_error_of(h, "ERR %s cannot be longer than %u bytes.", what,
                              HANDLER_RESP_NAME_NBYTES_MAX);
        return false;
    }
    if (text.len != 0) {
        copy = cdx_malloc(text.len + 1);
        if (copy == NULL) {
            handler_resp_error(h, RESP_ERROR_MEMORY);
            return false;
        }
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
    }
    pthread_mutex_lock(&lock);
    cdx_free(*name);
    *name = copy;
    pthread_mutex_unlock(&lock);
    return true;
}

bool handler_resp_client_name(struct handler *h, struct cdx_bytes name)
{
    return set_name(h, &h->session->client.name, name, "Client names");
}

void handler_resp_client_setname(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)count;
    if (handler_resp_client_name(h, args[2]))
        handler_resp_ok(h);
}

/* Only the connection's own thread changes its names, so it needs no lock to read them. */
void handler_resp_client_getname(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    const char *name = h->session->client.name;
    (void)args;
    (void)count;
    if (name != NULL)
        handler_resp_bulk_text(h, name);
    else
        handler_resp_null(h);
}

void handler_resp_client_setinfo(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct handler_resp_client *client = &h->session->client;
    bool done;
    (void)count;
    if (handler_resp_text_is(args[2], "lib-name")) {
        done = set_name(h, &client->library, args[3], "lib-name");
    } else if (handler_resp_text_is(args[2], "lib-ver")) {
        done = set_name(h, &client->library_version, args[3], "lib-ver");
    } else {
        handler_resp_error_of(h, "ERR Unrecognized option '%.*s'",
                              (int)(args[2].len < 128 ? args[2].len : 128),
                              (const char *)args[2].data);
        return;
    }
    if (done)
        handler_resp_ok(h);
}

void handler_resp_client_id(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)args;
    (void)count;
    handler_resp_integer(h, (int64_t)h->session->client.id);
}

/* ---- lists ---- */

static const char *text_of(const char *name)
{
    return name != NULL ? name : "";
}

/* Appends the client's row to the scratch; false: no memory. Under the lock. */
static bool append_row(struct handler *h, const struct handler_resp_client *client)
{
    uint64_t now = store_now(h->section.store);
    uint64_t active = atomic_load_explicit(&client->active_ms, memory_order_relaxed);
    const struct handler_resp_command *last =
        atomic_load_explicit(&client->last, memory_order_relaxed);
    char *at = (char *)handler_output_reserve(&h->scratch, ROW_NBYTES_MAX);
    if (at == NULL)
        return false;
    int n = snprintf(at, ROW_NBYTES_MAX,
                     "id=%" PRIu64 " name=%s age=%" PRIu64 " idle=%" PRIu64
                     " flags=N db=0 sub=0 psub=0 multi=-1 cmd=%s user=default lib-name=%s "
                     "lib-ver=%s resp=2\n",
                     client->id, text_of(client->name), (now - client->begun_ms) / 1000,
                     now > active ? (now - active) / 1000 : 0, last != NULL ? last->name : "NULL",
                     text_of(client->library), text_of(client->library_version));
    h->scratch.len += (size_t)n;
    return true;
}

static void answer_scratch(struct handler *h, bool whole)
{
    if (whole)
        handler_resp_bulk(h, cdx_bytes_of(h->scratch.data, h->scratch.len));
    else
        handler_resp_error(h, RESP_ERROR_MEMORY);
}

void handler_resp_client_info(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    (void)args;
    (void)count;
    h->scratch.len = 0;
    pthread_mutex_lock(&lock);
    bool whole = append_row(h, &h->session->client);
    pthread_mutex_unlock(&lock);
    answer_scratch(h, whole);
}

/* Which clients are wanted. */
struct list_filter {
    const struct cdx_bytes *ids; /* NULL: any */
    size_t id_count;
    bool none;
};

static bool take_type(struct handler *h, struct cdx_bytes type, struct list_filter *filter)
{
    static const char *const others[] = {"master", "replica", "slave", "pubsub"};
    if (handler_resp_text_is(type, "normal"))
        return true;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        filter->none |= handler_resp_text_is(type, others[i]);
    if (!filter->none)
        handler_resp_error_of(h, "ERR Unknown client type '%.*s'",
                              (int)(type.len < 128 ? type.len : 128), (const char *)type.data);
    return filter->none;
}

/* False: an error was answered. */
static bool take_filter(struct handler *h, const struct cdx_bytes *args, size_t count,
                        struct list_filter *filter)
{
    int64_t id;
    *filter = (struct list_filter){.ids = NULL};
    if (count == 2)
        return true;
    if (count == 4 && handler_resp_text_is(args[2], "type"))
        return take_type(h, args[3], filter);
    if (count < 4 || !handler_resp_text_is(args[2], "id")) {
        handler_resp_error(h, RESP_ERROR_SYNTAX);
        return false;
    }
    for (size_t i = 3; i < count; i++) {
        if (!handler_resp_text_number(args[i], &id)) {
            handler_resp_error(h, "ERR Invalid client ID");
            return false;
        }
    }
    filter->ids = args + 3;
    filter->id_count = count - 3;
    return true;
}

static bool is_wanted(const struct list_filter *filter, const struct handler_resp_client *client)
{
    int64_t id = 0;
    for (size_t i = 0; i < filter->id_count; i++) {
        if (handler_resp_text_number(filter->ids[i], &id) && (uint64_t)id == client->id)
            return true;
    }
    return filter->ids == NULL && !filter->none;
}

void handler_resp_client_list(struct handler *h, const struct cdx_bytes *args, size_t count)
{
    struct list_filter filter;
    bool whole = true;
    if (count > 3 + HANDLER_RESP_CLIENT_IDS_MAX) {
        handler_resp_error_of(h, "ERR more than %u client IDs", HANDLER_RESP_CLIENT_IDS_MAX);
        return;
    }
    if (!take_filter(h, args, count, &filter))
        return;
    h->scratch.len = 0;
    pthread_mutex_lock(&lock);
    for (const struct handler_resp_client *c = clients; c != NULL && whole; c = c->next) {
        if (is_wanted(&filter, c))
            whole = append_row(h, c);
    }
    pthread_mutex_unlock(&lock);
    answer_scratch(h, whole);
}
