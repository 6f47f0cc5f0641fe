/* normalize.c - see normalize.h. utf8proc knows decompositions and compositions; the order of combining marks is
 * restored here, because utf8proc's own sort is quadratic in the number of marks. */
#include "text/normalize.h"

#include "base/buffer.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { LONGEST_DECOMPOSITION = 32, SHORT_RUN = 32, NESTING = 8 };

static enum status form_of(enum normal_form *form, const json_t *description, const char *origin, int depth) {
    static const char *const name[] = {
        [NORMAL_C] = "NFC", [NORMAL_D] = "NFD", [NORMAL_KC] = "NFKC", [NORMAL_KD] = "NFKD"};
    if (!description || json_is_null(description)) return STATUS_OK;
    const char *type = json_string_value(json_object_get(description, "type"));
    if (!type) return fail(STATUS_FORMAT, "%s: normalizer: field \"type\" is missing", origin);
    if (!strcmp(type, "Sequence") && depth < NESTING) {
        const json_t *child;
        size_t i;
        json_array_foreach(json_object_get(description, "normalizers"), i, child)
            TRY(form_of(form, child, origin, depth + 1));
        return STATUS_OK;
    }
    for (size_t i = NORMAL_C; i < COUNT_OF(name); i++) {
        if (strcmp(type, name[i]) != 0) continue;
        if (*form != NORMAL_NONE && *form != (enum normal_form)i)
            return fail(STATUS_UNSUPPORTED, "%s: normalizer: %s after another form", origin, name[i]);
        *form = (enum normal_form)i;
        return STATUS_OK;
    }
    return fail(STATUS_UNSUPPORTED, "%s: normalizer \"%.32s\" (known: NFC, NFD, NFKC, NFKD)", origin, type);
}

enum status normal_form_from_json(enum normal_form *form, const json_t *description, const char *origin) {
    *form = NORMAL_NONE;
    return form_of(form, description, origin, 0);
}

/* ------- one stretch of text */

struct points {
    int32_t *point;
    size_t count, capacity;
};

static int combining_class(int32_t code_point) {
    return utf8proc_get_property(code_point)->combining_class;
}

/* Stable, by counting: point[0..count) all have a combining class. */
static enum status sort_long_run(int32_t *point, size_t count) {
    size_t start[257] = {0};
    int32_t *sorted = malloc(count * sizeof *sorted);
    if (!sorted) return fail(STATUS_MEMORY, "no memory to normalise text");
    for (size_t i = 0; i < count; i++) start[(combining_class(point[i]) & 0xFF) + 1]++;
    for (int c = 0; c < 256; c++) start[c + 1] += start[c];
    for (size_t i = 0; i < count; i++) sorted[start[combining_class(point[i]) & 0xFF]++] = point[i];
    memcpy(point, sorted, count * sizeof *sorted);
    free(sorted);
    return STATUS_OK;
}

static enum status sort_run(int32_t *point, size_t count) {
    if (count > SHORT_RUN) return sort_long_run(point, count);
    for (size_t i = 1; i < count; i++) {
        int32_t moving = point[i];
        size_t k = i;
        for (; k > 0 && combining_class(point[k - 1]) > combining_class(moving); k--) point[k] = point[k - 1];
        point[k] = moving;
    }
    return STATUS_OK;
}

static enum status order_marks(struct points *points) {
    size_t begin = 0;
    for (size_t i = 0; i <= points->count; i++) {
        if (i < points->count && combining_class(points->point[i])) continue;
        if (i - begin > 1) TRY(sort_run(points->point + begin, i - begin));
        begin = i + 1;
    }
    return STATUS_OK;
}

static enum status decompose(struct points *points, bool compatible, const unsigned char *text,
                             size_t bytes) {
    int options = compatible ? UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT : UTF8PROC_DECOMPOSE;
    int length, boundary = 0;
    points->count = 0;
    for (size_t at = 0; at < bytes; at += (size_t)length) {
        int32_t c = (int32_t)utf8_decode(text + at, &length);
        if (points->capacity - points->count < LONGEST_DECOMPOSITION) {
            size_t capacity = points->capacity * 2 + 4 * LONGEST_DECOMPOSITION;
            int32_t *point = realloc(points->point, capacity * sizeof *point);
            if (!point) return fail(STATUS_MEMORY, "no memory to normalise text");
            points->point = point;
            points->capacity = capacity;
        }
        utf8proc_ssize_t count = utf8proc_decompose_char(
            c, points->point + points->count, LONGEST_DECOMPOSITION, (utf8proc_option_t)options, &boundary);
        if (count < 0 || count > LONGEST_DECOMPOSITION) { /* utf8proc refuses no scalar value */
            points->point[points->count] = c;
            count = 1;
        }
        points->count += (size_t)count;
    }
    return STATUS_OK;
}

static enum status normalize_stretch(enum normal_form form, struct points *points, const unsigned char *text,
                                     size_t bytes, struct buffer *out) {
    unsigned char encoded[4];
    TRY(decompose(points, form == NORMAL_KC || form == NORMAL_KD, text, bytes));
    TRY(order_marks(points));
    if (form == NORMAL_C || form == NORMAL_KC) {
        utf8proc_ssize_t count = utf8proc_normalize_utf32(points->point, (utf8proc_ssize_t)points->count,
                                                          UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        if (count >= 0) points->count = (size_t)count;
    }
    for (size_t i = 0; i < points->count; i++)
        buffer_append(out, encoded, (size_t)utf8_encode((uint32_t)points->point[i], encoded));
    return STATUS_OK;
}

/* ------- the whole text */

/* The next stretch at or behind `from` that needs work: from the character before the first unsettled one to the next
 * settled one. NFC never joins or moves anything across a settled character's front. */
static bool next_stretch(enum normal_form form, const struct unicode_classes *classes,
                         const unsigned char *text, size_t bytes, size_t from, size_t *begin, size_t *end) {
    size_t previous = from, at = from;
    bool inside = false;
    while (at < bytes) {
        int length = 1;
        bool unsettled = false;
        if (text[at] >= 0x80) {
            uint32_t c = utf8_decode(text + at, &length);
            unsettled = form != NORMAL_C || class_of(classes, c) & CLASS_UNSETTLED;
        }
        if (unsettled && !inside) *begin = previous;
        if (!unsettled && inside) break;
        inside = unsettled;
        previous = at;
        at += (size_t)length;
    }
    *end = at;
    return inside;
}

static enum status normalize_into(enum normal_form form, const struct unicode_classes *classes,
                                  const char *text, size_t bytes, size_t begin, size_t end,
                                  struct buffer *out) {
    struct points points = {0};
    enum status status = STATUS_OK;
    size_t done = 0;
    do {
        buffer_append(out, text + done, begin - done);
        status = normalize_stretch(form, &points, (const unsigned char *)text + begin, end - begin, out);
        done = end;
    } while (status == STATUS_OK &&
             next_stretch(form, classes, (const unsigned char *)text, bytes, done, &begin, &end));
    buffer_append(out, text + done, bytes - done);
    free(points.point);
    return status == STATUS_OK ? buffer_check(out, "normalised text") : status;
}

enum status normalize(enum normal_form form, const struct unicode_classes *classes, struct arena *arena,
                      const char *text, size_t bytes, const char **result, size_t *result_bytes) {
    struct buffer out = {.limit = SIZE_MAX / 2};
    size_t begin, end;
    *result = text;
    *result_bytes = bytes;
    if (form == NORMAL_NONE ||
        !next_stretch(form, classes, (const unsigned char *)text, bytes, 0, &begin, &end))
        return STATUS_OK;
    enum status status = normalize_into(form, classes, text, bytes, begin, end, &out);
    if (status == STATUS_OK) {
        *result = arena_copy(arena, out.data, out.bytes);
        *result_bytes = out.bytes;
        if (!*result) status = fail(STATUS_MEMORY, "no memory for %zu bytes of normalised text", out.bytes);
    }
    buffer_free(&out);
    return status;
}
