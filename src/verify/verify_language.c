/* verify_language.c - does a text keep to one language? By its script: a word of Latin letters counts as much as one Chinese
 * character, since R1's reward counts words (arXiv 2501.12948 section 2.3.2). Digits, signs and formulas count for none. */
#include "text/utf8.h"
#include "verify/verify.h"

#include <string.h>

enum status check_language(const json_t *line, const char *origin) {
    const char *language = json_string_value(json_object_get(line, "language"));
    if (language && (!strcmp(language, "en") || !strcmp(language, "zh"))) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: \"language\" must be en or zh", origin);
}

static bool is_latin(uint32_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0x24f);
}

static bool is_chinese(uint32_t c) {
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x323af);
}

/* Letters of other scripts, roughly: whatever else lies where scripts lie. */
static bool is_other(uint32_t c) {
    return (c >= 0x370 && c <= 0x1fff) || (c >= 0x3040 && c <= 0x318f) || (c >= 0xac00 && c <= 0xd7a3);
}

enum status score_language(struct verifiers *verifiers, const struct verify_request *request, double *score) {
    const unsigned char *at = (const unsigned char *)request->text, *end = at + request->bytes;
    bool chinese = !strcmp(json_string_value(json_object_get(request->line, "language")), "zh"),
         inside = false;
    int64_t latin = 0, han = 0, other = 0;
    (void)verifiers;
    while (at < end) {
        int length, decoded;
        bool whole = utf8_classify(at, (size_t)(end - at), &length) == UTF8_WHOLE;
        uint32_t c = whole ? utf8_decode(at, &decoded) : 0;
        at += length;
        bool letter = is_latin(c), foreign = is_other(c);
        if (letter && !inside) latin++;
        if (foreign && !inside) other++;
        inside = letter || foreign;
        han += is_chinese(c);
    }
    int64_t all = latin + han + other;
    *score = all ? (double)(chinese ? han : latin) / (double)all : 0;
    return STATUS_OK;
}
