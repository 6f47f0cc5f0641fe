/* The matchers that are written by hand find what PCRE2 finds, and the class table says what PCRE2's properties say. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/buffer.h"
#include "text/pretokenize.h"
#include "text/utf8.h"

#include <pcre2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CODE_POINTS = 0x110000 };

/* ------- properties */

/* Sets known[c] where PCRE2's Unicode has assigned c. */
struct property {
    const char *pattern;
    unsigned class;
};
static const struct property property[] = {
    {"\\p{L}", CLASS_LETTER},         {"\\p{M}", CLASS_MARK},   {"\\p{N}", CLASS_NUMBER},
    {"\\p{P}", CLASS_PUNCTUATION},    {"\\p{S}", CLASS_SYMBOL}, {"\\p{White_Space}", CLASS_SPACE},
    {"[^\\p{Cn}\\p{Cs}]", UINT32_MAX}};

static bool *assigned; /* [CODE_POINTS]: also in PCRE2's version of Unicode */

static pcre2_code *compile(const char *pattern) {
    int error;
    size_t offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error, &offset, NULL);
    assert_non_null(code);
    return code;
}

static bool matches(const pcre2_code *code, pcre2_match_data *data, uint32_t code_point) {
    unsigned char text[4];
    size_t bytes = (size_t)utf8_encode(code_point, text);
    return pcre2_match(code, text, bytes, 0, PCRE2_NO_UTF_CHECK, data, NULL) > 0;
}

static int find_assigned(void **state) {
    (void)state;
    assigned = calloc(CODE_POINTS, sizeof *assigned);
    pcre2_code *code = compile("[^\\p{Cn}\\p{Cs}]");
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    for (uint32_t c = 0; c < CODE_POINTS; c++)
        if (c < 0xD800 || c > 0xDFFF) assigned[c] = matches(code, data, c);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return 0;
}

static int free_assigned(void **state) {
    (void)state;
    free(assigned);
    return 0;
}

static void test_classes_are_pcre2s(void **state) {
    (void)state;
    struct unicode_classes classes;
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int seen = 0;
    assert_int_equal(unicode_classes_open(&classes, NULL, 0), STATUS_OK);
    for (size_t i = 0; i + 1 < COUNT_OF(property); i++) {
        pcre2_code *code = compile(property[i].pattern);
        (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
        for (uint32_t c = 0; c < CODE_POINTS; c++) {
            if (!assigned[c]) continue;
            bool ours = class_of(&classes, c) & property[i].class;
            if (ours != matches(code, data, c)) fail_msg("U+%04X: %s", c, property[i].pattern);
            seen += ours;
        }
        pcre2_code_free(code);
    }
    assert_true(seen > 130000);
    assert_int_equal(class_of(&classes, 0x2EBF0) & 0x3F, CLASS_LETTER); /* of Unicode 15.1 */
    assert_int_equal(class_of(&classes, 0x10D40) & 0x3F, CLASS_NUMBER); /* of Unicode 16 */
    assert_int_equal(class_of(&classes, 0xE000) & 0x3F, 0);
    assert_int_equal(class_of(&classes, 0x10FFFF) & 0x3F, 0);
    pcre2_match_data_free(data);
    unicode_classes_close(&classes);
}

static void test_custom_classes(void **state) {
    (void)state;
    struct unicode_classes classes;
    struct code_range_list custom[2] = {0};
    assert_int_equal(code_range_append(&custom[0], 'a', 'c'), STATUS_OK);
    assert_int_equal(code_range_append(&custom[1], 0x10FFFE, UINT32_MAX), STATUS_OK);
    assert_int_equal(unicode_classes_open(&classes, custom, 2), STATUS_OK);
    assert_int_equal(class_of(&classes, 'c') & (CLASS_CUSTOM * 3), CLASS_CUSTOM);
    assert_int_equal(class_of(&classes, 'd') & (CLASS_CUSTOM * 3), 0);
    assert_int_equal(class_of(&classes, 0x10FFFF) & (CLASS_CUSTOM * 3), CLASS_CUSTOM * 2);
    unicode_classes_close(&classes);
    free(custom[0].range);
    free(custom[1].range);
}

/* ------- matchers */

static uint64_t random_next(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static uint32_t random_code_point(uint64_t *seed) {
    static const uint32_t often[] = {
        ' ',  ' ',    '\n',   '\r',   '\t',   '\'',   '1',    '2',    's',    'S',    'l',     'e', 'r',
        'v',  0x17F,  0x85,   0xA0,   0x3000, 0x2028, 0x301,  0x4E00, 0x9FA5, '!',    '$',     '<', '_',
        0xB2, 0x3042, 0x30FB, 0x3040, 0xFF01, 0x200B, 0x180E, 0xE9,   0x660,  0xD7A3, 0x1F600, 'A'};
    for (;;) {
        uint32_t c = 0;
        switch (random_next(seed) % 5) {
        case 0:
        case 1: c = often[random_next(seed) % COUNT_OF(often)]; break;
        case 2: c = (uint32_t)random_next(seed) % 0x250; break;
        case 3: c = (uint32_t)random_next(seed) % 0x10000; break;
        default: c = (uint32_t)random_next(seed) % CODE_POINTS; break;
        }
        if (assigned[c]) return c;
    }
}

struct pieces {
    size_t end[4096];
    int count;
    size_t bytes;
};

static enum status collect(void *context, const unsigned char *piece, size_t bytes) {
    struct pieces *pieces = context;
    (void)piece;
    pieces->bytes += bytes;
    pieces->end[pieces->count++] = pieces->bytes;
    return STATUS_OK;
}

static struct pretokenizer *open_patterns(const char *const *pattern, enum pretokenizer_engine engine) {
    struct pretokenizer *pretokenizer;
    json_t *list = json_array();
    for (; *pattern; pattern++)
        json_array_append_new(list, json_pack("{s:s, s:{s:s}, s:s}", "type", "Split", "pattern", "Regex",
                                              *pattern, "behavior", "Isolated"));
    json_array_append_new(
        list, json_pack("{s:s, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "use_regex", 0));
    json_t *description = json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", list);
    if (pretokenizer_from_json(&pretokenizer, description, engine, "test")) fail_msg("%s", status_message());
    json_decref(description);
    return pretokenizer;
}

static void compare_engines(const char *const *pattern, int texts) {
    struct pretokenizer *fast = open_patterns(pattern, PRETOKENIZE_FAST),
                        *slow = open_patterns(pattern, PRETOKENIZE_PCRE2);
    uint64_t seed = 42;
    for (int i = 0; i < texts; i++) {
        unsigned char text[256];
        size_t bytes = 0;
        struct pieces ours = {.count = 0}, theirs = {.count = 0};
        struct arena arena = {0};
        for (int n = (int)(random_next(&seed) % 24); n >= 0; n--) {
            uint32_t c = random_code_point(&seed);
            for (int repeats = random_next(&seed) % 6 ? 1 : 3; repeats; repeats--)
                bytes += (size_t)utf8_encode(c, text + bytes);
        }
        assert_int_equal(pretokenizer_run(fast, text, bytes, &arena, collect, &ours), STATUS_OK);
        assert_int_equal(pretokenizer_run(slow, text, bytes, &arena, collect, &theirs), STATUS_OK);
        bool same = ours.count == theirs.count &&
                    !memcmp(ours.end, theirs.end, (size_t)ours.count * sizeof ours.end[0]);
        if (!same || ours.bytes != bytes) fail_msg("%s: \"%.*s\"", *pattern, (int)bytes, text);
        arena_free(&arena);
    }
    pretokenizer_close(fast);
    pretokenizer_close(slow);
}

#define DEEPSEEK_WORDS                                                                                       \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "      \
    "?[\\p{P}\\p{S}]+[\r\n]*"                                                                                \
    "|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
#define WORDS(number)                                                                                        \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" number                                     \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static void test_matchers_are_pcre2s(void **state) {
    (void)state;
    static const char *const pattern[][8] = {
        {DEEPSEEK_WORDS},
        {"\\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+", DEEPSEEK_WORDS},
        {WORDS("\\p{N}")},
        {WORDS("\\p{N}{1,3}")},
        {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"},
        {"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\\sA-Za-z0-9]+|\\s+(?!\\S)|\\s+"},
        {"[\r\n]", "\\s?[A-Za-zµÀ-ÖØ-öø-ƺ]+", "\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", "\\s+$",
         "[一-龥ࠀ-一가-퟿]+", "\\p{N}"},
        {"\\s+$"},
        {"\\s?\\p{L}+"},
        {"\\s?[\\p{P}a-c\\]\\-]{1,3}"},
        {"[\\p{N}\\r\\n]"},
        {"\\s?[ \\t\u3000-\u3002]+"},
    };
    for (size_t i = 0; i < COUNT_OF(pattern); i++) compare_engines(pattern[i], 3000);
}

/* ------- names */

static enum status join(void *context, const unsigned char *piece, size_t bytes) {
    struct buffer *joined = context;
    if (joined->bytes) buffer_append_char(joined, '|');
    buffer_append(joined, piece, bytes);
    return STATUS_OK;
}

/* What GGUF's names stand for; the pieces are those of the reference with the published files. */
static void test_names(void **state) {
    (void)state;
    static const char text[] = "It's 12345 \r\n\t日本ア・ ok. \u00B2";
    static const struct {
        const char *name, *pieces;
    } row[] = {
        {"deepseek-v3", "It|'s| |123|45| \r\n|\t|日本ア|・| ok|.| |\u00B2"},
        {"deepseek-llm", "It|'|s| |1|2|3|4|5| |\r|\n|\t|日本ア・| ok|.| |\u00B2"},
        {"deepseek-coder", "It|'|s| |1|2|3|4|5| |\r|\n|\t|日本ア|・| ok|.| |\u00B2"},
        {"deepseek-r1-qwen", "It|'s| |1|2|3|4|5| \r\n|\t日本ア|・| ok|.| |\u00B2"},
        {"qwen2", "It|'s| |1|2|3|4|5| \r\n|\t日本ア|・| ok|.| |\u00B2"},
        {"llama-bpe", "It|'s| |123|45| \r\n|\t日本ア|・| ok|.| |\u00B2"},
        {"gpt-2", "It|'s| 12345| \r\n|\t|日本ア|・| ok|.| \u00B2"},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct pretokenizer *pretokenizer;
        const struct pretokenizer_preset *preset;
        struct buffer joined = {0};
        struct arena arena = {0};
        assert_int_equal(pretokenizer_from_name(&pretokenizer, &preset, row[i].name, "test"), STATUS_OK);
        assert_string_equal(preset->name, row[i].name);
        assert_int_equal(
            pretokenizer_run(pretokenizer, (const unsigned char *)text, strlen(text), &arena, join, &joined),
            STATUS_OK);
        assert_string_equal(joined.data, row[i].pieces);
        buffer_free(&joined);
        pretokenizer_close(pretokenizer);
        arena_free(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes_are_pcre2s),
        cmocka_unit_test(test_custom_classes),
        cmocka_unit_test(test_matchers_are_pcre2s),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, find_assigned, free_assigned);
}
