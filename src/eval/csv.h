/* csv.h - tables of comma-separated values, as RFC 4180 and spreadsheets write them: fields may stand in double quotes, where
 * commas, line ends and doubled quotes are text. Pure functions over one text, which a stranger wrote. */
#ifndef HADAL_EVAL_CSV_H
#define HADAL_EVAL_CSV_H

#include "base/buffer.h"

#include <stdint.h>

enum { CSV_FIELDS_MOST = 256 };

struct csv_row {
    struct buffer text;            /* of all fields, each with a NUL behind it */
    size_t field[CSV_FIELDS_MOST]; /* where each begins in it */
    int fields;
    int64_t line; /* that it begins on, from 1 */
};

struct csv_reader {
    const char *at, *end;
    const char *origin;
    int64_t line;
};

void csv_start(struct csv_reader *reader, const char *text, size_t bytes, const char *origin);
/* The next row that is not empty; *found false: there is none. STATUS_FORMAT for quotes that do not close. */
must_use enum status csv_next(struct csv_reader *reader, struct csv_row *row, bool *found);
const char *csv_field(const struct csv_row *row, int index); /* "" past the end */
void csv_row_free(struct csv_row *row);                      /* zeroed allowed */

#endif
