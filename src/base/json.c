/* json.c - checked getters over jansson; see json.h. */
#include "base/json.h"

#include "base/buffer.h"

#include <math.h>
#include <string.h>

/* JSON knows no largest number: whole ones that no integer holds are read as real ones, which an exponent says. */
static void write_large_as_reals(struct buffer *out, const char *text, size_t bytes) {
    enum { DIGITS = 18 }; /* that any integer has room for */
    bool string = false;
    for (size_t i = 0; i < bytes;) {
        size_t length = 1;
        if (text[i] == '"') string = !string;
        if (string && text[i] == '\\' && i + 1 < bytes) length = 2;
        if (!string && text[i] >= '0' && text[i] <= '9') {
            size_t digits = 0;
            while (i + digits < bytes && text[i + digits] >= '0' && text[i + digits] <= '9') digits++;
            for (length = digits;
                 i + length < bytes && text[i + length] && strchr("0123456789.eE+-", text[i + length]);)
                length++;
            buffer_append(out, text + i, length);
            if (digits > DIGITS && length == digits) buffer_append_text(out, "e0");
        } else {
            buffer_append(out, text + i, length);
        }
        i += length;
    }
}

enum status json_parse(const char *text, size_t bytes, const char *origin, json_t **root) {
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_error_t error;
    *root = json_loadb(text, bytes, flags, &error);
    if (!*root && json_error_code(&error) == json_error_numeric_overflow) {
        struct buffer copy = {0};
        write_large_as_reals(&copy, text, bytes);
        if (!copy.failed) *root = json_loadb(copy.data, copy.bytes, flags, &error);
        buffer_free(&copy);
    }
    if (*root) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: not valid JSON at line %d, column %d: %s", origin, error.line,
                error.column, error.text);
}

enum status json_read_file(const char *path, size_t limit_bytes, json_t **root) {
    struct buffer buffer;
    TRY(buffer_read_file(&buffer, path, limit_bytes));
    enum status status = json_parse(buffer.data, buffer.bytes, path, root);
    buffer_free(&buffer);
    return status;
}

static const json_t *field_of(struct json_reader reader, const char *field) {
    const json_t *value = json_object_get(reader.object, field);
    return json_is_null(value) ? NULL : value;
}

enum status json_get_int(struct json_reader reader, const char *field, int64_t low, int64_t high,
                         int64_t *value) {
    const json_t *found = field_of(reader, field);
    if (!found) return fail(STATUS_FORMAT, "%s: field \"%s\" is missing", reader.origin, field);
    /* some writers store whole numbers as 8.0 */
    double real = json_number_value(found);
    if (!json_is_integer(found) && !(json_is_real(found) && real == floor(real) && fabs(real) < 1e15))
        return fail(STATUS_FORMAT, "%s: field \"%s\" must be a whole number", reader.origin, field);
    int64_t whole = json_is_integer(found) ? json_integer_value(found) : (int64_t)real;
    if (whole < low || whole > high)
        return fail(STATUS_FORMAT, "%s: field \"%s\" is %lld, allowed are %lld to %lld", reader.origin, field,
                    (long long)whole, (long long)low, (long long)high);
    *value = whole;
    return STATUS_OK;
}

enum status json_get_int_or(struct json_reader reader, const char *field, int64_t low, int64_t high,
                            int64_t fallback, int64_t *value) {
    *value = fallback;
    return field_of(reader, field) ? json_get_int(reader, field, low, high, value) : STATUS_OK;
}

enum status json_get_real_or(struct json_reader reader, const char *field, double low, double high,
                             double fallback, double *value) {
    const json_t *found = field_of(reader, field);
    *value = fallback;
    if (!found) return STATUS_OK;
    if (!json_is_number(found))
        return fail(STATUS_FORMAT, "%s: field \"%s\" must be a number", reader.origin, field);
    double real = json_number_value(found);
    if (!(real >= low && real <= high))
        return fail(STATUS_FORMAT, "%s: field \"%s\" is %g, allowed are %g to %g", reader.origin, field, real,
                    low, high);
    *value = real;
    return STATUS_OK;
}

enum status json_get_bool_or(struct json_reader reader, const char *field, bool fallback, bool *value) {
    const json_t *found = field_of(reader, field);
    *value = fallback;
    if (!found) return STATUS_OK;
    if (!json_is_boolean(found))
        return fail(STATUS_FORMAT, "%s: field \"%s\" must be true or false", reader.origin, field);
    *value = json_is_true(found);
    return STATUS_OK;
}

enum status json_get_text_or(struct json_reader reader, const char *field, const char *fallback,
                             const char **value) {
    const json_t *found = field_of(reader, field);
    *value = fallback;
    if (!found) return STATUS_OK;
    if (!json_is_string(found))
        return fail(STATUS_FORMAT, "%s: field \"%s\" must be a string", reader.origin, field);
    *value = json_string_value(found);
    return STATUS_OK;
}
