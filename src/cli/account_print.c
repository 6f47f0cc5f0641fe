/* account_print.c - answers of `hadal account`: JSON as tables and as CSV. */
#include "cli/account.h"

#include "server/account/admin.h"

#include <stdio.h>
#include <string.h>

enum { CELL_BYTES = 64, COLUMNS_LIMIT = 32 };

static const char *cell(const json_t *value, char text[CELL_BYTES]) {
    if (json_is_string(value)) return json_string_value(value);
    if (json_is_integer(value)) {
        snprintf(text, CELL_BYTES, "%lld", (long long)json_integer_value(value));
        return text;
    }
    return json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "-";
}

/* What looks like a number stands on the right. */
static bool is_number(const char *text) {
    return *text && strspn(text, "0123456789.-") == strlen(text);
}

static void print_fields(const json_t *answer) {
    const char *name;
    json_t *value;
    char text[CELL_BYTES];
    json_object_foreach((json_t *)answer, name, value) {
        if (!json_is_object(value) && !json_is_array(value)) printf("%-18s %s\n", name, cell(value, text));
    }
}

static void print_table(const json_t *rows) {
    int width[COLUMNS_LIMIT];
    const char *name;
    json_t *value;
    char text[CELL_BYTES];
    for (size_t i = 0; i < json_array_size(rows); i++) {
        int column = 0;
        json_object_foreach(json_array_get(rows, i), name, value) {
            const int bytes = (int)strlen(cell(value, text)), head = (int)strlen(name);
            if (column == COLUMNS_LIMIT) break;
            if (i == 0) width[column] = head;
            if (bytes > width[column]) width[column] = bytes;
            column++;
        }
    }
    for (size_t i = 0; i <= json_array_size(rows); i++) {
        int column = 0;
        json_object_foreach(json_array_get(rows, i ? i - 1 : 0), name, value) {
            const char *shown = i ? cell(value, text) : name;
            if (column == COLUMNS_LIMIT) break;
            const bool right = is_number(cell(value, text));
            printf(right ? "%s%*s" : "%s%-*s", column ? "  " : "", width[column], shown);
            column++;
        }
        putchar('\n');
    }
}

static void print_findings(const json_t *findings) {
    for (size_t i = 0; i < json_array_size(findings); i++)
        printf("%s\n", json_string_value(json_array_get(findings, i)));
}

enum status account_print_text(const json_t *answer) {
    const json_t *rows = json_object_get(answer, "data");
    const json_t *total = json_object_get(answer, "total");
    const char *explained = json_string_value(json_object_get(answer, "explained"));
    const char *content = json_string_value(json_object_get(answer, "content"));
    print_findings(json_object_get(answer, "findings"));
    if (json_array_size(rows) > 0)
        print_table(rows);
    else if (json_is_object(total))
        printf("nothing was measured and nothing charged in this time\n");
    else if (explained || content)
        fputs(explained ? explained : content, stdout);
    else
        print_fields(answer);
    if (json_is_object(total) && json_array_size(rows) > 0) {
        printf("\n");
        print_fields(total);
    }
    return STATUS_OK;
}

enum status account_print_csv(const json_t *answer) {
    struct buffer text = {0};
    if (!json_is_array(json_object_get(answer, "data"))) return fail(STATUS_USAGE, "--csv is for lists");
    enum status status = admin_print_csv(answer, &text);
    if (status == STATUS_OK && text.bytes) fwrite(text.data, 1, text.bytes, stdout);
    buffer_free(&text);
    return status;
}
