/* sheet_write.c - sheets as text and JSON; see sheet_write.h. */
#include "plan/sheet_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_WIDTH = 62, VALUE_WIDTH = 14, SOURCES_MOST = 64, LINE_WIDTH = 100 };

/* Commas between thousands. */
static void group(double whole, char text[SHEET_NUMBER_BYTES]) {
    char plain[SHEET_NUMBER_BYTES];
    int digits = snprintf(plain, sizeof plain, "%.0f", fabs(whole)), out = 0;
    if (whole < 0) text[out++] = '-';
    for (int i = 0; i < digits; i++) {
        if (i && (digits - i) % 3 == 0) text[out++] = ',';
        text[out++] = plain[i];
    }
    text[out] = 0;
}

/* 1.600e+19 as 1.6e19. */
static void scientific(double value, char text[SHEET_NUMBER_BYTES]) {
    char mantissa[24];
    int exponent = (int)floor(log10(fabs(value)));
    snprintf(mantissa, sizeof mantissa, "%.4g", value / pow(10, exponent));
    snprintf(text, SHEET_NUMBER_BYTES, "%se%d", mantissa, exponent);
}

/* Six digits where that is the number itself, otherwise four. */
static void brief(double value, char text[SHEET_NUMBER_BYTES]) {
    char exact[24];
    snprintf(exact, sizeof exact, "%.6g", value);
    snprintf(text, SHEET_NUMBER_BYTES, "%.*g", fabs(atof(exact) - value) <= fabs(value) * 1e-12 ? 6 : 4,
             value);
}

const char *sheet_number(double value, const char *unit, char text[SHEET_NUMBER_BYTES]) {
    bool percent = unit && !strcmp(unit, "%");
    if (percent) value *= 100;
    double size = fabs(value);
    if (!isfinite(value))
        snprintf(text, SHEET_NUMBER_BYTES, "-");
    else if (size >= 1e15)
        scientific(value, text);
    else if (size >= 1e9)
        snprintf(text, SHEET_NUMBER_BYTES, size >= 1e12 ? "%.4g trillion" : "%.4g billion",
                 value / (size >= 1e12 ? 1e12 : 1e9));
    else if (size >= 1e3)
        group(round(value), text);
    else if (percent && size >= 10 && value != floor(value))
        snprintf(text, SHEET_NUMBER_BYTES, "%.1f", value);
    else
        brief(value, text);
    if (percent) strcat(text, " %");
    return text;
}

void sheet_write_words(struct buffer *buffer, const struct sheet *sheet, const struct sheet_row *row) {
    for (const char *at = row->label; *at; at++) {
        const char *end = *at == '{' ? strchr(at, '}') : NULL;
        char name[64], text[SHEET_NUMBER_BYTES];
        if (!end || (size_t)(end - at) >= sizeof name) {
            buffer_append_char(buffer, *at);
            continue;
        }
        memcpy(name, at + 1, (size_t)(end - at) - 1);
        name[end - at - 1] = 0;
        int of = sheet_find(sheet->kind, name);
        MUST(of >= 0);
        buffer_append_text(buffer, sheet_number(sheet->value[of], sheet->kind->row[of].unit, text));
        at = end;
    }
}

/* ---- text ---- */

struct sources {
    const char *of[SOURCES_MOST];
    int count;
};

/* The source's number in the list at the end; 0: none. */
static int source_number(struct sources *sources, const char *source) {
    if (!source) return 0;
    for (int i = 0; i < sources->count; i++)
        if (!strcmp(sources->of[i], source)) return i + 1;
    if (sources->count == SOURCES_MOST) return 0;
    sources->of[sources->count] = source;
    return ++sources->count;
}

static void wrap(struct buffer *buffer, const char *text, int indent) {
    int column = LINE_WIDTH;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column + 1 + (int)word > LINE_WIDTH) {
            if (column < LINE_WIDTH || text[0]) buffer_append_char(buffer, '\n');
            for (int i = 0; i < indent; i++) buffer_append_char(buffer, ' ');
            column = indent;
        } else {
            buffer_append_char(buffer, ' ');
            column++;
        }
        buffer_append(buffer, text, word);
        column += (int)word;
        text += word + (text[word] == ' ');
    }
}

static void write_value(struct buffer *buffer, const struct sheet *sheet, int i, struct sources *sources) {
    const struct sheet_row *row = &sheet->kind->row[i];
    const char *source = sheet->source[i] ? sheet->source[i] : row->source;
    char number[SHEET_NUMBER_BYTES];
    bool percent = !strcmp(row->unit, "%");
    enum verdict verdict = sheet_verdict(sheet, i);
    buffer_printf(buffer, "  %-*s %*s", LABEL_WIDTH, row->label, VALUE_WIDTH,
                  sheet_number(sheet->value[i], row->unit, number));
    if (*row->unit && !percent) buffer_printf(buffer, " %s", row->unit);
    if (row->published != 0) {
        buffer_printf(buffer, " (published: %s", sheet_number(row->published, row->unit, number));
        if (verdict == VERDICT_AGREES) buffer_append_text(buffer, ", agrees");
        if (verdict == VERDICT_DIFFERS)
            buffer_printf(buffer, ", differs by %.2g %%", (sheet->value[i] / row->published - 1) * 100);
        buffer_append_char(buffer, ')');
    }
    int cited = source_number(sources, source);
    if (cited) buffer_printf(buffer, " [%d]", cited);
    buffer_append_char(buffer, '\n');
}

void sheet_write_text(struct buffer *buffer, const struct sheet *sheet, bool formulas) {
    struct sources sources = {0};
    buffer_printf(buffer, "%s%s%s\n", sheet->kind->title, sheet->subject ? ": " : "",
                  sheet->subject ? sheet->subject : "");
    for (int i = 0; i < sheet->kind->rows; i++) {
        const struct sheet_row *row = &sheet->kind->row[i];
        struct buffer words = {0};
        if (row->kind == ROW_HEADING) buffer_printf(buffer, "\n%s\n", row->label);
        if (row->kind == ROW_INPUT || row->kind == ROW_RESULT) write_value(buffer, sheet, i, &sources);
        if (row->kind == ROW_WORDS && sheet->value[i] > 0) {
            sheet_write_words(&words, sheet, row);
            wrap(buffer, words.failed ? "" : words.data, 2);
            buffer_append_char(buffer, '\n');
        }
        if (formulas && row->kind == ROW_INPUT) buffer_printf(buffer, "      %s\n", row->name);
        if (formulas && row->kind == ROW_RESULT)
            buffer_printf(buffer, "      %s = %s\n", row->name, row->formula);
        buffer_free(&words);
    }
    if (sources.count) buffer_append_text(buffer, "\nSources\n");
    for (int i = 0; i < sources.count; i++) buffer_printf(buffer, "  [%d] %s\n", i + 1, sources.of[i]);
}

/* ---- JSON ---- */

static void set_text(json_t *object, const char *name, const char *text) {
    if (text && *text) json_object_set_new(object, name, json_string(text));
}

static json_t *row_json(const struct sheet *sheet, int i) {
    static const char *const verdict[] = {"not compared", "agrees", "differs"};
    const struct sheet_row *row = &sheet->kind->row[i];
    json_t *object = json_object();
    set_text(object, "name", row->name);
    set_text(object, "label", row->label);
    set_text(object, "unit", row->unit);
    json_object_set_new(object, "value", json_real(sheet->value[i]));
    set_text(object, "formula", row->formula);
    set_text(object, "source", sheet->source[i] ? sheet->source[i] : row->source);
    if (row->published != 0) {
        json_object_set_new(object, "published", json_real(row->published));
        json_object_set_new(object, "tolerance", json_real(row->tolerance));
        set_text(object, "verdict", verdict[sheet_verdict(sheet, i)]);
    }
    return object;
}

json_t *sheet_json(const struct sheet *sheet) {
    json_t *object = json_object(), *inputs = json_array(), *results = json_array(), *words = json_array();
    set_text(object, "plan", sheet->kind->name);
    set_text(object, "title", sheet->kind->title);
    set_text(object, "subject", sheet->subject);
    for (int i = 0; i < sheet->kind->rows; i++) {
        const struct sheet_row *row = &sheet->kind->row[i];
        struct buffer text = {0};
        if (row->kind == ROW_INPUT) json_array_append_new(inputs, row_json(sheet, i));
        if (row->kind == ROW_RESULT) json_array_append_new(results, row_json(sheet, i));
        if (row->kind == ROW_WORDS && sheet->value[i] > 0) {
            sheet_write_words(&text, sheet, row);
            if (!text.failed) json_array_append_new(words, json_string(text.data));
        }
        buffer_free(&text);
    }
    json_object_set_new(object, "inputs", inputs);
    json_object_set_new(object, "results", results);
    json_object_set_new(object, "words", words);
    return object;
}
