/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of completion at the prompt: from the table, and from a server's children. */
#include "cli_complete.h"

#include "peer.h"
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What the peer has below a key. */
static const struct {
    const char *parent;
    const char *child;
    uint64_t keys;
    uint8_t stored;
} tree[] = {
    {"", "/img", 3, KV_STORED_YES},         {"", "relative", 2, KV_STORED_NO},
    {"/", "/img", 3, KV_STORED_YES},        {"/", "/index.html", 1, KV_STORED_YES},
    {"/", "/with blank", 1, KV_STORED_YES}, {"/img", "/img/cats", 1, KV_STORED_YES},
    {"/img", "/img/dogs", 1, KV_STORED_NO},
};

static enum peer_next answer(void *arg, const struct kv_request *request, struct cdx_out *out)
{
    struct kv_page_end end = {.rows = 0, .remainder = KV_REMAINDER_NONE};
    (void)arg;
    assert(request->type == KV_CALL_CHILDREN);
    for (size_t i = 0; i < COUNT(tree); i++) {
        const struct kv_child child = {.keys = tree[i].keys, .stored = tree[i].stored};
        if (!cdx_bytes_equal(request->key, cdx_cstr(tree[i].parent)))
            continue;
        assert(kv_children_row_encode(out, request->rid, cdx_cstr(tree[i].child), &child) ==
               CDX_OK);
        end.rows++;
    }
    assert(kv_children_ok_encode(out, request->rid, &end) == CDX_OK);
    return PEER_GO_ON;
}

static void words_are_completed(void **state)
{
    static const struct {
        const char *line;
        size_t count;       /* of candidates */
        const char *insert; /* what the word becomes */
    } cases[] = {
        {"g", 1, "get "},
        {"ge", 1, "get "},
        {"matc", 2, "match"},
        {"zzz", 0, ""},
        {"help for", 1, "formats "},
        {"help ma", 2, "match"},
        {"list --li", 1, "--limit "},
        {"list --limit 3 --ke", 1, "--keys "},
        {"--color a", 2, "a"},
        {"--color n", 1, "never "},
        {"--color never ge", 1, "get "},
        {"load --format j", 1, "json "},
        {"list --limit ", 0, ""},
        {"stats ", 0, ""},
        {"get /i", 3, "/i"},
        {"get /ind", 1, "/index.html "},
        {"get /img", 1, "/img/"},
        {"get /img/", 2, "/img/"},
        {"get /img/c", 1, "/img/cats "},
        {"get /img/d", 1, "/img/dogs/"},
        {"get /w", 1, "\"/with blank\" "},
        {"get \"/with", 1, "\"/with blank\" "},
        {"get r", 1, "relative/"},
        {"get ", 3, ""},
        {"get", 1, "get "},
        {"put /img/c", 1, "/img/cats "},
        {"put --ttl 5s -e /img/c", 1, "/img/cats "},
        {"put /img/cats /img/c", 0, ""},
        {"touch /img/c", 1, "/img/cats "},
        {"swap /img/c", 1, "/img/cats "},
        {"swap /img/c /img/c", 0, ""},
        {"-s x:1 swap --format tsv /img/c", 1, "/img/cats "},
        {"swap --em", 1, "--empty "},
        {"get /nowhere/x", 0, ""},
        {"get \\q", 0, ""},
    };
    (void)state;
    struct peer peer;
    struct cli cli = {0};
    peer_open(&peer, answer, NULL);
    cli_link_init(&cli.link);
    cli.defaults = (struct cli_settings){.server = peer.address, .timeout_ns = 5000000000u};
    for (size_t i = 0; i < COUNT(cases); i++) {
        static struct cli_candidates candidates;
        struct cli_buf insert = {0};
        cli_complete(&cli, cdx_cstr(cases[i].line), &candidates);
        if (candidates.count != cases[i].count)
            fail_msg("[%s]: %zu candidates", cases[i].line, candidates.count);
        cli_candidates_insert(&insert, &candidates);
        cli_buf_byte(&insert, 0);
        assert_string_equal((const char *)insert.data, cases[i].insert);
        cli_buf_free(&insert);
        cli_candidates_free(&candidates);
    }
    cli_disconnect(&cli);
    peer_close(&peer);
}

static void the_words_place_is_where_it_begins(void **state)
{
    static const struct {
        const char *line;
        size_t start;
    } cases[] = {{"", 0}, {"ge", 0}, {"get ", 4}, {"  help  ma", 8}, {"help \"ma", 5}};
    (void)state;
    struct cli cli = {0};
    cli_link_init(&cli.link);
    cli.defaults = (struct cli_settings){.server = "unix:/nowhere", .timeout_ns = 1000000};
    for (size_t i = 0; i < COUNT(cases); i++) {
        static struct cli_candidates candidates;
        cli_complete(&cli, cdx_cstr(cases[i].line), &candidates);
        assert_int_equal(candidates.start, cases[i].start);
        cli_candidates_free(&candidates);
    }
}

static void no_server_means_no_keys(void **state)
{
    static struct cli_candidates candidates;
    (void)state;
    struct cli cli = {0};
    cli_link_init(&cli.link);
    cli.defaults = (struct cli_settings){.server = "unix:/nowhere", .timeout_ns = 1000000};
    cli_complete(&cli, CDX_STR("get /i"), &candidates);
    assert_int_equal(candidates.count, 0);
    cli_candidates_free(&candidates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_completed),
        cmocka_unit_test(the_words_place_is_where_it_begins),
        cmocka_unit_test(no_server_means_no_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
