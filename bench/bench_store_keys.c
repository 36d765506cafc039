/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a data set for bench_store: N keys, and Q questions of each kind.
 *
 *     bench_store_keys uri   N Q FILE   generated URI paths, prefixes shared as Zipf's law has it
 *     bench_store_keys real  N Q FILE   paths of the files and directories of this machine
 *     bench_store_keys phone N Q FILE   dialling prefixes: digits, without segments
 *
 * Generated sets are the same every time. Prints what the set is like, as JSON.
 * When there are fewer than N real paths, those; when more, a random choice.
 */
#include "store_peer.h"
#include "store_set.h"

#include <fts.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ---- chance ---- */

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t state = 42;

static uint64_t next_random(void)
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t n)
{
    return next_random() % n;
}

/* A rank of 0 … n-1, rank r about 1/(r+1) times as often as the first. */
static unsigned zipf(unsigned n)
{
    const double u = (double)(next_random() >> 11) / 9007199254740992.0;
    const unsigned rank = (unsigned)(exp(u * log((double)n + 1.0)) - 1.0);
    return rank < n ? rank : n - 1;
}

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("bench_store_keys: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* ---- texts: what becomes a section ---- */

struct texts {
    uint64_t *index; /* offset << 16 | length */
    uint64_t count, index_max;
    uint8_t *text;
    uint64_t nbytes, text_max;
};

static void texts_add(struct texts *texts, struct cdx_bytes text)
{
    if (texts->count == texts->index_max) {
        texts->index_max = texts->index_max * 2 + 1024;
        texts->index = must(realloc(texts->index, texts->index_max * sizeof *texts->index));
    }
    if (texts->nbytes + text.len > texts->text_max) {
        texts->text_max = texts->text_max * 2 + (1u << 20);
        texts->text = must(realloc(texts->text, texts->text_max));
    }
    texts->index[texts->count++] = texts->nbytes << 16 | text.len;
    memcpy(texts->text + texts->nbytes, text.data, text.len);
    texts->nbytes += text.len;
}

static struct cdx_bytes texts_at(const struct texts *texts, uint64_t i)
{
    return cdx_bytes_of(texts->text + (texts->index[i] >> 16), texts->index[i] & 0xffff);
}

/* The first `count` entries become a random choice in random order. */
static void texts_shuffle(struct texts *texts, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t j = i + below(texts->count - i), other = texts->index[j];
        texts->index[j] = texts->index[i];
        texts->index[i] = other;
    }
}

/* The texts again, in the order of the index: the first `count` of them. */
static struct texts texts_in_order(const struct texts *texts, uint64_t count)
{
    struct texts copy = {0};
    for (uint64_t i = 0; i < count; i++)
        texts_add(&copy, texts_at(texts, i));
    return copy;
}

static void texts_free(struct texts *texts)
{
    free(texts->index);
    free(texts->text);
}

/* ---- seen: texts by hash; two of 64 bits do not meet by chance ---- */

struct seen {
    uint64_t *hash; /* open addressing, 0: free */
    uint64_t count, slots;
};

static uint64_t *seen_slot(const struct seen *seen, uint64_t hash)
{
    uint64_t i = hash & (seen->slots - 1);
    while (seen->hash[i] != 0 && seen->hash[i] != hash)
        i = (i + 1) & (seen->slots - 1);
    return &seen->hash[i];
}

static void seen_grow(struct seen *seen)
{
    struct seen bigger = {NULL, seen->count, seen->slots != 0 ? seen->slots * 2 : 1024};
    bigger.hash = must(calloc(bigger.slots, sizeof *bigger.hash));
    for (uint64_t i = 0; i < seen->slots; i++) {
        if (seen->hash[i] != 0)
            *seen_slot(&bigger, seen->hash[i]) = seen->hash[i];
    }
    free(seen->hash);
    *seen = bigger;
}

static uint64_t hash_mixed(uint64_t hash)
{
    hash = (hash ^ (hash >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return (hash ^ (hash >> 29)) | 1;
}

#define HASH_START UINT64_C(0xcbf29ce484222325) /* FNV-1a */

static uint64_t hash_byte(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * UINT64_C(0x100000001b3);
}

static uint64_t hash_of(struct cdx_bytes text)
{
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < text.len; i++)
        hash = hash_byte(hash, text.data[i]);
    return hash_mixed(hash);
}

static bool seen_has(const struct seen *seen, struct cdx_bytes text)
{
    return seen->slots != 0 && *seen_slot(seen, hash_of(text)) != 0;
}

/* False: it was there. */
static bool seen_add(struct seen *seen, uint64_t hash)
{
    if (seen->count * 4 >= seen->slots * 3)
        seen_grow(seen);
    uint64_t *slot = seen_slot(seen, hash);
    if (*slot != 0)
        return false;
    *slot = hash;
    seen->count++;
    return true;
}

/* ---- keys ---- */

/*
 * Every 32nd key is the directory of a path rather than the path, when that is
 * not stored yet: a few inner nodes answer for what lies below them.
 */
static void add_uris(struct texts *keys, struct seen *seen, uint64_t n)
{
    static const char *const tops[] = {"api", "static", "media", "internal", "img", "v1", "cdn"};
    char path[128];
    for (uint64_t i = 0; keys->count < n; i++) {
        int len = snprintf(path, sizeof path, "/%s/service-%u", tops[zipf(7)], zipf(200));
        const unsigned more = (unsigned)below(20);
        len += snprintf(path + len, sizeof path - (size_t)len, "/tenant-%04u", zipf(3000));
        if (more >= 4)
            len += snprintf(path + len, sizeof path - (size_t)len, "/g%u", zipf(300));
        if (more >= 18)
            len += snprintf(path + len, sizeof path - (size_t)len, "/v%u", zipf(4));
        if (i % 32 != 0 || !seen_add(seen, hash_of(cdx_bytes_of(path, (size_t)len)))) {
            /* a bijection of i: every path is distinct and their order is random */
            const uint64_t id = (i * UINT64_C(0x9e3779b1)) & UINT64_C(0xffffffff);
            len += snprintf(path + len, sizeof path - (size_t)len, "/%08" PRIx64 "%s", id,
                            below(2) != 0 ? ".json" : "");
            seen_add(seen, hash_of(cdx_bytes_of(path, (size_t)len)));
        }
        texts_add(keys, cdx_bytes_of(path, (size_t)len));
    }
}

/* Files and directories of the root's file system; names above the limit are left out. */
static void add_real(struct texts *keys, struct seen *seen)
{
    char root[] = "/", *const roots[] = {root, NULL};
    FTS *walk = must(fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV | FTS_NOSTAT, NULL));
    for (const FTSENT *entry = fts_read(walk); entry != NULL; entry = fts_read(walk)) {
        const struct cdx_bytes path = cdx_bytes_of(entry->fts_path, entry->fts_pathlen);
        if (entry->fts_info == FTS_DP || entry->fts_level == 0 || path.len > PEER_KEY_NBYTES_MAX)
            continue;
        if (seen_add(seen, hash_of(path)))
            texts_add(keys, path);
    }
    fts_close(walk);
}

static size_t add_digits(char *digits, size_t len, size_t len_wanted)
{
    while (len < len_wanted)
        digits[len++] = (char)('0' + below(10));
    return len;
}

/* Country codes by weight, then areas by Zipf's law, then blocks of any digits: 5 to 10 in all. */
static void add_phones(struct texts *keys, struct seen *seen, uint64_t n)
{
    static const char *const countries[] = {"1",   "86", "91", "49", "44",  "33", "7",   "81",
                                            "55",  "39", "34", "62", "52",  "90", "48",  "380",
                                            "351", "20", "27", "84", "234", "92", "880", "61"};
    char digits[24];
    while (keys->count < n) {
        const unsigned country = zipf(24);
        size_t len =
            (size_t)snprintf(digits, sizeof digits, "%s%u", countries[country], 100 + zipf(900));
        len = add_digits(digits, len, len + 1 + zipf(6));
        const struct cdx_bytes key = cdx_bytes_of(digits, len);
        if (seen_add(seen, hash_of(key)))
            texts_add(keys, key);
    }
}

/* ---- questions ---- */

/* A path below the key, one or two segments deeper; a whole number for dialling prefixes. */
static size_t make_deeper(struct cdx_bytes key, bool paths, char *question)
{
    memcpy(question, key.data, key.len);
    if (!paths)
        return add_digits(question, key.len, key.len > 10 ? key.len + 2 : 11 + below(3));
    size_t len = key.len + (size_t)sprintf(question + key.len, "/%04x", (unsigned)below(1 << 16));
    if (below(2) != 0)
        len += (size_t)sprintf(question + len, "/page-%u.html", (unsigned)below(1000));
    return len;
}

/* A name that is not stored, beside the key or beyond its last digit. */
static size_t make_sibling(const struct seen *seen, struct cdx_bytes key, bool paths,
                           char *question)
{
    const size_t parent = paths ? peer_boundary(key, key.len) : 0;
    size_t len;
    do {
        if (paths) {
            memcpy(question, key.data, parent);
            len = parent + (size_t)sprintf(question + parent, "/%08" PRIx64, below(1ull << 32));
        } else {
            memcpy(question, key.data, key.len);
            len = add_digits(question, key.len - 1, 11 + below(3));
        }
    } while (seen_has(seen, cdx_bytes_of(question, len)));
    return len;
}

static struct texts make_matches(const struct texts *gets, const struct seen *seen, bool paths)
{
    struct texts matches = {0};
    char question[PEER_KEY_NBYTES_MAX + 64];
    for (uint64_t i = 0; i < gets->count; i++) {
        const struct cdx_bytes key = texts_at(gets, i);
        const uint64_t kind = below(4);
        size_t len = key.len;
        if (kind == 0)
            memcpy(question, key.data, key.len);
        else if (kind <= 2)
            len = make_deeper(key, paths, question);
        else
            len = make_sibling(seen, key, paths, question);
        texts_add(&matches, cdx_bytes_of(question, len));
    }
    return matches;
}

static struct texts make_misses(const struct texts *gets, const struct seen *seen, bool paths)
{
    struct texts misses = {0};
    char question[PEER_KEY_NBYTES_MAX + 64];
    for (uint64_t i = 0; i < gets->count; i++) {
        const size_t len = make_sibling(seen, texts_at(gets, i), paths, question);
        texts_add(&misses, cdx_bytes_of(question, len));
    }
    return misses;
}

/* The first segment that most of the first keys have. */
static struct cdx_bytes most_common_top(const struct texts *keys)
{
    struct cdx_bytes best = cdx_empty();
    uint64_t best_count = 0;
    const uint64_t sample = keys->count < 100 ? keys->count : 100;
    for (uint64_t i = 0; i < sample; i++) {
        struct cdx_bytes top = texts_at(keys, i);
        const uint8_t *end = top.len > 1 ? memchr(top.data + 1, '/', top.len - 1) : NULL;
        if (end == NULL)
            continue;
        top.len = (size_t)(end - top.data);
        uint64_t count = 0;
        for (uint64_t j = 0; j < sample; j++) {
            const struct cdx_bytes other = texts_at(keys, j);
            count += other.len > top.len && other.data[top.len] == '/' &&
                     memcmp(other.data, top.data, top.len) == 0;
        }
        if (count > best_count) {
            best_count = count;
            best = top;
        }
    }
    return best;
}

/* ---- output ---- */

/* Writes one section's index and text; both begin at a multiple of 8. */
static void write_section(FILE *file, struct set_head *head, enum set_section section,
                          const struct texts *texts)
{
    static const uint8_t padding[8];
    head->section[section].count = texts->count;
    head->section[section].index_at = (uint64_t)ftell(file);
    fwrite(texts->index, sizeof *texts->index, texts->count, file);
    head->section[section].text_at = (uint64_t)ftell(file);
    fwrite(texts->text, 1, texts->nbytes, file);
    fwrite(padding, 1, (8 - texts->nbytes % 8) % 8, file);
}

static bool write_set(const char *path, struct set_head *head, const struct texts *sections)
{
    static const uint8_t padding[SET_PADDING_NBYTES];
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return false;
    fwrite(head, sizeof *head, 1, file);
    for (unsigned i = 0; i < SET_SECTIONS; i++)
        write_section(file, head, (enum set_section)i, &sections[i]);
    fwrite(padding, 1, sizeof padding, file);
    rewind(file);
    fwrite(head, sizeof *head, 1, file);
    const bool good = ferror(file) == 0;
    return fclose(file) == 0 && good;
}

/* Boundaries of all keys, each counted once: what a tree of segments has as nodes. */
static uint64_t count_boundaries(const struct texts *keys)
{
    struct seen seen = {0};
    for (uint64_t i = 0; i < keys->count; i++) {
        const struct cdx_bytes key = texts_at(keys, i);
        uint64_t hash = HASH_START;
        for (size_t k = 0; k < key.len; k++) {
            if (key.data[k] == '/' && k > 0)
                seen_add(&seen, hash_mixed(hash));
            hash = hash_byte(hash, key.data[k]);
        }
        seen_add(&seen, hash_mixed(hash));
    }
    free(seen.hash);
    return seen.count;
}

static void print_statistics(const struct texts *keys, bool paths)
{
    uint64_t segments = 0, len_max = 0;
    for (uint64_t i = 0; i < keys->count; i++) {
        const struct cdx_bytes key = texts_at(keys, i);
        len_max = key.len > len_max ? key.len : len_max;
        for (size_t k = 0; k < key.len; k++)
            segments += key.data[k] == '/';
    }
    const double n = (double)keys->count;
    printf("{\"keys\": %" PRIu64 ", \"key_nbytes_mean\": %.1f, \"key_nbytes_max\": %" PRIu64
           ", \"segments_mean\": %.2f, \"nodes_per_key\": %.2f}\n",
           keys->count, (double)keys->nbytes / n, len_max, (double)segments / n,
           paths ? (double)count_boundaries(keys) / n : 1.0);
}

/* Of the named kind, at most `n`, in random order; false: there is none of that name. */
static bool make_keys(const char *kind, struct texts *keys, struct seen *seen, uint64_t n)
{
    if (strcmp(kind, "real") == 0)
        add_real(keys, seen);
    else if (strcmp(kind, "uri") == 0)
        add_uris(keys, seen, n);
    else if (strcmp(kind, "phone") == 0)
        add_phones(keys, seen, n);
    else
        return false;
    const uint64_t count = keys->count < n ? keys->count : n;
    texts_shuffle(keys, count);
    keys->count = count;
    return true;
}

/* The keys, and questions about some of them in another order. */
static void make_sections(struct texts *keys, const struct seen *seen, bool paths,
                          uint64_t questions, struct texts *sections)
{
    sections[SET_KEYS] = texts_in_order(keys, keys->count);
    texts_shuffle(keys, keys->count);
    sections[SET_GET] = texts_in_order(keys, keys->count < questions ? keys->count : questions);
    sections[SET_MATCH] = make_matches(&sections[SET_GET], seen, paths);
    sections[SET_MISS] = make_misses(&sections[SET_GET], seen, paths);
}

int main(int argc, char **argv)
{
    struct texts keys = {0}, sections[SET_SECTIONS];
    struct seen seen = {0};
    const uint64_t n = argc == 5 ? strtoull(argv[2], NULL, 10) : 0;
    const uint64_t questions = argc == 5 ? strtoull(argv[3], NULL, 10) : 0;
    if (n == 0 || questions == 0 || !make_keys(argv[1], &keys, &seen, n)) {
        fputs("usage: bench_store_keys uri|real|phone KEYS QUESTIONS FILE\n", stderr);
        return 2;
    }
    const bool paths = strcmp(argv[1], "phone") != 0;
    make_sections(&keys, &seen, paths, questions, sections);
    struct set_head head = {.magic = SET_MAGIC, .paths = paths};
    const struct cdx_bytes drop = most_common_top(&sections[SET_KEYS]);
    head.drop_nbytes = drop.len;
    if (drop.len != 0)
        memcpy(head.drop, drop.data, drop.len);
    const bool written = write_set(argv[4], &head, sections);
    if (written)
        print_statistics(&sections[SET_KEYS], paths);
    else
        perror(argv[4]);
    for (unsigned i = 0; i < SET_SECTIONS; i++)
        texts_free(&sections[i]);
    texts_free(&keys);
    free(seen.hash);
    return written ? 0 : 1;
}
