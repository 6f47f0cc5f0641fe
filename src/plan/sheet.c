/* sheet.c - inputs in, results out; see sheet.h. */
#include "plan/sheet.h"

#include "plan/expression.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the first `rows` rows; -1: none. */
static int find(const struct sheet_kind *kind, const char *name, int rows) {
    for (int i = 0; i < rows; i++)
        if (kind->row[i].name && !strcmp(kind->row[i].name, name)) return i;
    return -1;
}

int sheet_find(const struct sheet_kind *kind, const char *name) {
    return find(kind, name, kind->rows);
}

void sheet_start(struct sheet *sheet, const struct sheet_kind *kind) {
    MUST(kind->rows <= SHEET_ROWS_MOST);
    *sheet = (struct sheet){.kind = kind};
    for (int i = 0; i < kind->rows; i++) sheet->value[i] = kind->row[i].value;
}

enum status sheet_set(struct sheet *sheet, const char *name, double value, const char *source) {
    int row = sheet_find(sheet->kind, name);
    if (row < 0) return fail(STATUS_USAGE, "%s has no input \"%.60s\"", sheet->kind->name, name);
    if (sheet->kind->row[row].kind != ROW_INPUT)
        return fail(STATUS_USAGE, "%s: %s is computed: %s", sheet->kind->name, name,
                    sheet->kind->row[row].formula);
    if (!(value >= 0) || !isfinite(value))
        return fail(STATUS_USAGE, "%s: %s is %g, and must be a number from 0 up", sheet->kind->name, name,
                    value);
    if (sheet->value[row] != value) sheet->changed = true;
    sheet->value[row] = value;
    sheet->source[row] = source;
    return STATUS_OK;
}

enum status sheet_set_text(struct sheet *sheet, const char *text) {
    const char *equals = strchr(text, '=');
    char name[64], *end;
    if (!equals || equals == text || (size_t)(equals - text) >= sizeof name)
        return fail(STATUS_USAGE, "--set %.60s: write NAME=NUMBER", text);
    memcpy(name, text, (size_t)(equals - text));
    name[equals - text] = 0;
    double value = strtod(equals + 1, &end);
    if (end != equals + 1 && *end == '%') {
        value /= 100;
        end++;
    }
    if (end == equals + 1 || *end)
        return fail(STATUS_USAGE, "--set %.60s: \"%.40s\" is no number", text, equals + 1);
    return sheet_set(sheet, name, value, "--set");
}

struct above {
    const struct sheet *sheet;
    int rows;
};

static bool look_up(void *context, const char *name, double *value) {
    const struct above *above = context;
    int row = find(above->sheet->kind, name, above->rows);
    if (row >= 0) *value = above->sheet->value[row];
    return row >= 0;
}

enum status sheet_compute(struct sheet *sheet) {
    for (int i = 0; i < sheet->kind->rows; i++) {
        const struct sheet_row *row = &sheet->kind->row[i];
        struct above above = {sheet, i};
        if (!row->formula) continue;
        TRY(expression_evaluate(row->formula, look_up, &above, &sheet->value[i]));
        if (row->kind == ROW_RESULT && !isfinite(sheet->value[i]))
            return fail(STATUS_INPUT, "%s: %s = %s is not finite with these inputs", sheet->kind->name,
                        row->name, row->formula);
    }
    return STATUS_OK;
}

double sheet_value(const struct sheet *sheet, const char *name) {
    int row = sheet_find(sheet->kind, name);
    MUST(row >= 0);
    return sheet->value[row];
}

enum verdict sheet_verdict(const struct sheet *sheet, int row) {
    const struct sheet_row *of = &sheet->kind->row[row];
    if (of->published == 0 || sheet->changed) return VERDICT_NONE;
    bool agrees = fabs(sheet->value[row] / of->published - 1) <= of->tolerance;
    return agrees ? VERDICT_AGREES : VERDICT_DIFFERS;
}
