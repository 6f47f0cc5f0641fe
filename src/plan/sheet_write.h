/* sheet_write.h - a computed sheet as text, as JSON and as a page. Pure functions over the sheet; the caller prints. */
#ifndef HADAL_PLAN_SHEET_WRITE_H
#define HADAL_PLAN_SHEET_WRITE_H

#include "base/buffer.h"
#include "plan/sheet.h"

#include <jansson.h>

enum { SHEET_NUMBER_BYTES = 48 };

/* A number for people: "16,177", "1.6e19", "56.3 %" when the unit says so. Returns `text`. */
const char *sheet_number(double value, const char *unit, char text[SHEET_NUMBER_BYTES]);
/* The words of a row with {name} replaced by the value of that name. */
void sheet_write_words(struct buffer *buffer, const struct sheet *sheet, const struct sheet_row *row);

void sheet_write_text(struct buffer *buffer, const struct sheet *sheet, bool formulas);
json_t *sheet_json(const struct sheet *sheet); /* NULL: no memory */

/* One self-contained HTML page: every input can be changed in it, and everything follows. */
void sheet_write_page(struct buffer *buffer, const struct sheet *sheet);

#endif
