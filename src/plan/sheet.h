/* sheet.h - a plan as a sheet: inputs, and results that are formulas over what stands above them.
 *
 * A sheet's rows are constant data. Whoever prints a sheet, as text, JSON or a page, prints its formulas and sources as
 * well, so that no figure is without its derivation. A row may carry what a source published for it: then the two are
 * compared, and rows of words say what does not add up, each under its condition. Owned by one thread. */
#ifndef HADAL_PLAN_SHEET_H
#define HADAL_PLAN_SHEET_H

#include "base/status.h"

#include <stdbool.h>

enum row_kind {
    ROW_HEADING,
    ROW_INPUT,
    ROW_RESULT,
    ROW_WORDS /* `label` is said when `formula` is above 0 */
};

struct sheet_row {
    enum row_kind kind;
    const char *name;  /* of inputs and results, as formulas use it */
    const char *label; /* what it is, in words */
    const char *unit;  /* "$", "tokens"; "%": the value is a fraction */
    double value;      /* of an input, until it is set */
    const char *formula;
    const char *source; /* where an input or a published figure is from; NULL: an assumption, a definition */
    double published;   /* 0: nothing */
    double tolerance;   /* relative difference from `published` that is rounding */
};

struct sheet_kind {
    const char *name;    /* "v3-training" */
    const char *title;   /* one line */
    const char *summary; /* what question it answers */
    const struct sheet_row *row;
    int rows;
    const char *chart; /* names of the results that a chart compares, separated by spaces; NULL: none */
};

/* The figures published by others, each derived from stated assumptions. NULL past the end, or unknown. */
const struct sheet_kind *preset_at(int index);
const struct sheet_kind *preset_find(const char *name);

extern const struct sheet_kind sheet_fit, sheet_serve, sheet_train;

enum { SHEET_ROWS_MOST = 128 };

struct sheet {
    const struct sheet_kind *kind;
    const char *subject; /* what was filled in, for the title; NULL: nothing */
    double value[SHEET_ROWS_MOST];
    const char *source[SHEET_ROWS_MOST]; /* of values that were filled in; NULL: the row's own */
    bool changed; /* an input is not what the sheet came with, so published figures are not its own */
};

/* Starts with the inputs of the rows; nothing is computed yet. */
void sheet_start(struct sheet *sheet, const struct sheet_kind *kind);
/* STATUS_USAGE for a name that is no input, and for a value that is no finite number from 0 up. */
must_use enum status sheet_set(struct sheet *sheet, const char *name, double value, const char *source);
/* "name=1.5e3", "name=56.3%". */
must_use enum status sheet_set_text(struct sheet *sheet, const char *text);
/* All results, in order. STATUS_INPUT names the first that comes out as no finite number. */
must_use enum status sheet_compute(struct sheet *sheet);

/* The row of an input or result; -1: there is none. */
int sheet_find(const struct sheet_kind *kind, const char *name);
/* The value of an input or result; the name must exist. */
double sheet_value(const struct sheet *sheet, const char *name);

/* What the published figure is against the computed one. */
enum verdict { VERDICT_NONE, VERDICT_AGREES, VERDICT_DIFFERS };
enum verdict sheet_verdict(const struct sheet *sheet, int row);

#endif
