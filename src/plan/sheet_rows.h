/* sheet_rows.h - how the files of constant rows write them, and the order of the presets. */
#ifndef HADAL_PLAN_SHEET_ROWS_H
#define HADAL_PLAN_SHEET_ROWS_H

#include "plan/sheet.h"

#define HEADING(text)                                                                                        \
    { .kind = ROW_HEADING, .label = text }
#define INPUT(id, text, of, number, from)                                                                    \
    { ROW_INPUT, id, text, of, .value = number, .source = from }
#define RESULT(id, text, of, expression)                                                                     \
    { ROW_RESULT, id, text, of, .formula = expression }
#define CHECKED(id, text, of, expression, number, within, from)                                              \
    {                                                                                                        \
        ROW_RESULT, id, text, of, .formula = expression, .source = from, .published = number,                \
                                  .tolerance = within                                                        \
    }
/* `text` is said when `condition` is above 0. */
#define WORDS(condition, text)                                                                               \
    { .kind = ROW_WORDS, .label = text, .formula = condition }

/* presets_market.c: those that follow presets.c's own. */
const struct sheet_kind *preset_market_at(int index);

#endif
