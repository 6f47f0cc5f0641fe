/* csv.c - see csv.h. */
#include "eval/csv.h"

#include <string.h>

void csv_start(struct csv_reader *reader, const char *text, size_t bytes, const char *origin) {
    static const char mark[] = "\xef\xbb\xbf"; /* which spreadsheets put in front */
    if (bytes >= 3 && !memcmp(text, mark, 3)) {
        text += 3;
        bytes -= 3;
    }
    *reader = (struct csv_reader){text, text + bytes, origin, 1};
}

const char *csv_field(const struct csv_row *row, int index) {
    return index >= 0 && index < row->fields ? row->text.data + row->field[index] : "";
}

void csv_row_free(struct csv_row *row) {
    buffer_free(&row->text);
    *row = (struct csv_row){0};
}

/* Behind the opening quote; ends behind the closing one. */
static enum status read_quoted(struct csv_reader *reader, struct csv_row *row) {
    const int64_t opened = reader->line;
    for (; reader->at < reader->end; reader->at++) {
        const char c = *reader->at;
        if (c == '\n') reader->line++;
        if (c == '"') {
            reader->at++;
            if (reader->at == reader->end || *reader->at != '"') return STATUS_OK;
        }
        buffer_append_char(&row->text, c);
    }
    return fail(STATUS_FORMAT, "%.400s, line %lld: a quote is opened and never closed", reader->origin,
                (long long)opened);
}

static bool ends_field(char c) {
    return c == ',' || c == '\n' || c == '\r';
}

static enum status read_field(struct csv_reader *reader, struct csv_row *row) {
    if (row->fields == CSV_FIELDS_MOST)
        return fail(STATUS_LIMIT, "%.400s, line %lld: more than %d fields", reader->origin,
                    (long long)reader->line, CSV_FIELDS_MOST);
    row->field[row->fields++] = row->text.bytes;
    if (reader->at < reader->end && *reader->at == '"') {
        reader->at++;
        TRY(read_quoted(reader, row));
    }
    while (reader->at < reader->end && !ends_field(*reader->at))
        buffer_append_char(&row->text, *reader->at++);
    buffer_append_char(&row->text, '\0');
    return STATUS_OK;
}

static void skip_line_end(struct csv_reader *reader) {
    if (reader->at < reader->end && *reader->at == '\r') reader->at++;
    if (reader->at < reader->end && *reader->at == '\n') {
        reader->at++;
        reader->line++;
    }
}

enum status csv_next(struct csv_reader *reader, struct csv_row *row, bool *found) {
    while (reader->at < reader->end && (*reader->at == '\n' || *reader->at == '\r')) skip_line_end(reader);
    buffer_clear(&row->text);
    row->fields = 0;
    row->line = reader->line;
    *found = reader->at < reader->end;
    if (!*found) return STATUS_OK;
    TRY(read_field(reader, row));
    while (reader->at < reader->end && *reader->at == ',') {
        reader->at++;
        TRY(read_field(reader, row));
    }
    skip_line_end(reader);
    return buffer_check(&row->text, "a row of a table");
}
