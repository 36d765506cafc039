/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Between the store's read and write sections within a turn. All reads of a turn
 * see one version; a write ends the read section, and the next read begins a new one, so a
 * connection reads its own writes. Writes without a read between them are one
 * write section.
 */
#ifndef HANDLER_HANDLER_SECTION_H
#define HANDLER_HANDLER_SECTION_H

#include "store.h"

/**
 * Writes after which lookups that are fetched ahead end a write section: other loops' writers wait
 * no longer than for these.
 */
#define HANDLER_SECTION_WRITES_MAX 64u

struct handler_section {
    struct store *store;         /* borrowed */
    struct store_reader *reader; /* borrowed */
    bool reading;                /* inside a read section … */
    bool writing;                /* … or the store's writer: never both */
    uint32_t writes;             /* commands in the present write section */
    uint64_t reads;              /* read sections so far */
};

/** Publishes the writes so far, if any. */
static inline void handler_section_write_end(struct handler_section *section)
{
    if (section->writing) {
        store_write_end(section->store);
        section->writing = false;
    }
}

/** Lets the version that is read go, if any. */
static inline void handler_section_read_end(struct handler_section *section)
{
    if (section->reading) {
        store_read_end(section->reader);
        section->reading = false;
    }
}

/** Fixes the version to read, if none is fixed: the present one, with all earlier writes. */
static inline void handler_section_read(struct handler_section *section)
{
    if (!section->reading) {
        handler_section_write_end(section);
        store_read_begin(section->reader);
        section->reading = true;
        section->reads++;
    }
}

/** Lets any other version go and reads that of a snapshot, until handler_section_read_end(). */
static inline void handler_section_read_at(struct handler_section *section,
                                           const struct store_snapshot *snapshot)
{
    handler_section_read_end(section);
    handler_section_write_end(section);
    store_read_begin_at(section->reader, snapshot);
    section->reading = true;
    section->reads++;
}

/** Becomes the store's writer, until the next read or handler_section_write_end(). */
static inline void handler_section_write(struct handler_section *section)
{
    if (!section->writing) {
        handler_section_read_end(section);
        store_write_begin(section->store);
        section->writing = true;
        section->writes = 0;
    }
    section->writes++;
}

#endif
