/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One log line in the making: logfmt or JSON in a bounded buffer, well-formed
 * whatever the values hold and wherever it has to be cut.
 *
 *     text | time=… level=… msg=… key=value … | room      | kept for the end |
 *          0                                  ^ len       ^ end              ^ LOG_LINE_NBYTES_MAX
 */
#ifndef CONTROL_LOG_LINE_H
#define CONTROL_LOG_LINE_H

#include "log.h"

struct log_line {
    enum log_format format;
    bool cut; /* something did not fit */
    size_t len;
    size_t end;
    char text[LOG_LINE_NBYTES_MAX];
};

/** An empty line. */
void log_line_begin(struct log_line *line, enum log_format format);

/**
 * Appends a field. What does not fit is cut between two characters, and the line says so at its
 * end.
 */
void log_line_add(struct log_line *line, const struct log_field *field);

/** Ends the line with its newline; it is `text`, `len` bytes. */
void log_line_end(struct log_line *line);

/** The invariant; NULL, or a static text that names what is broken. For tests and assertions. */
const char *log_line_check(const struct log_line *line);

#endif
