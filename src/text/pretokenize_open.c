/* pretokenize_open.c - builds a pre-tokenizer from tokenizer.json's description or from GGUF's name for it. */
#include "text/pretokenize_stage.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define DIGIT_PATTERN  "\\p{N}"
#define DIGITS_PATTERN "\\p{N}+"
#define GPT2_PATTERN   "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define WORDS_PATTERN(number)                                                                                \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" number                                     \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

enum { NESTING = 8 };

static enum status add_item(struct pretokenizer *pretokenizer, const json_t *item, int depth,
                            bool *byte_level);

static enum status add_sequence(struct pretokenizer *pretokenizer, const json_t *item, int depth,
                                bool *byte_level) {
    const json_t *list = json_object_get(item, "pretokenizers"), *child;
    size_t i;
    if (!json_is_array(list))
        return fail(STATUS_FORMAT, "%s: pre_tokenizer: field \"pretokenizers\" must be an array",
                    pretokenizer->origin);
    if (depth == NESTING)
        return fail(STATUS_LIMIT, "%s: pre_tokenizer: nested more than %d deep", pretokenizer->origin,
                    NESTING);
    json_array_foreach(list, i, child) TRY(add_item(pretokenizer, child, depth + 1, byte_level));
    return STATUS_OK;
}

static enum status read_behaviour(struct pretokenizer *pretokenizer, const json_t *item,
                                  enum split_behaviour *behaviour) {
    static const char *const name[] = {[SPLIT_ISOLATED] = "Isolated",
                                       [SPLIT_REMOVED] = "Removed",
                                       [SPLIT_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
                                       [SPLIT_MERGED_WITH_NEXT] = "MergedWithNext",
                                       [SPLIT_CONTIGUOUS] = "Contiguous"};
    const char *text = json_string_value(json_object_get(item, "behavior"));
    for (size_t i = 0; text && i < COUNT_OF(name); i++) {
        if (strcmp(text, name[i]) != 0) continue;
        *behaviour = (enum split_behaviour)i;
        return STATUS_OK;
    }
    return fail(STATUS_UNSUPPORTED, "%s: pre_tokenizer: Split: unknown behavior \"%.32s\"",
                pretokenizer->origin, text ? text : "");
}

static enum status add_split(struct pretokenizer *pretokenizer, const json_t *item) {
    const json_t *pattern = json_object_get(item, "pattern"), *regex = json_object_get(pattern, "Regex");
    const json_t *text = regex ? regex : json_object_get(pattern, "String");
    enum split_behaviour behaviour = SPLIT_ISOLATED;
    bool invert;
    if (!json_is_string(text) || strlen(json_string_value(text)) != json_string_length(text))
        return fail(STATUS_FORMAT,
                    "%s: pre_tokenizer: Split: \"pattern\" must have a \"Regex\" or a \"String\"",
                    pretokenizer->origin);
    TRY(read_behaviour(pretokenizer, item, &behaviour));
    TRY(json_get_bool_or((struct json_reader){item, pretokenizer->origin}, "invert", false, &invert));
    if (regex) return pretokenizer_add_pattern(pretokenizer, json_string_value(text), behaviour, invert);
    struct stage *stage;
    TRY(pretokenizer_add_stage(pretokenizer, &stage));
    stage->behaviour = behaviour;
    stage->invert = invert;
    pretokenizer->uses_pcre2 = true;
    return stage_compile(stage, json_string_value(text), true, pretokenizer->origin);
}

static enum status add_byte_level(struct pretokenizer *pretokenizer, const json_t *item, bool *byte_level) {
    struct json_reader reader = {item, pretokenizer->origin};
    bool prefix_space, use_regex;
    TRY(json_get_bool_or(reader, "add_prefix_space", true, &prefix_space));
    TRY(json_get_bool_or(reader, "use_regex", true, &use_regex));
    *byte_level = true;
    if (prefix_space) {
        struct stage *stage; /* without a matcher it puts the space */
        TRY(pretokenizer_add_stage(pretokenizer, &stage));
    }
    return use_regex ? pretokenizer_add_pattern(pretokenizer, GPT2_PATTERN, SPLIT_ISOLATED, false)
                     : STATUS_OK;
}

static enum status add_digits(struct pretokenizer *pretokenizer, const json_t *item) {
    bool individual;
    TRY(json_get_bool_or((struct json_reader){item, pretokenizer->origin}, "individual_digits", false,
                         &individual));
    return pretokenizer_add_pattern(pretokenizer, individual ? DIGIT_PATTERN : DIGITS_PATTERN, SPLIT_ISOLATED,
                                    false);
}

static enum status add_item(struct pretokenizer *pretokenizer, const json_t *item, int depth,
                            bool *byte_level) {
    const char *type = json_string_value(json_object_get(item, "type"));
    if (!type)
        return fail(STATUS_FORMAT, "%s: pre_tokenizer: field \"type\" is missing", pretokenizer->origin);
    if (!strcmp(type, "Sequence")) return add_sequence(pretokenizer, item, depth, byte_level);
    if (*byte_level)
        return fail(STATUS_UNSUPPORTED, "%s: pre_tokenizer: \"%.32s\" after ByteLevel", pretokenizer->origin,
                    type);
    if (!strcmp(type, "Split")) return add_split(pretokenizer, item);
    if (!strcmp(type, "Digits")) return add_digits(pretokenizer, item);
    if (!strcmp(type, "ByteLevel")) return add_byte_level(pretokenizer, item, byte_level);
    return fail(STATUS_UNSUPPORTED,
                "%s: pre_tokenizer: unknown type \"%.32s\" (known: Sequence, Split, Digits, ByteLevel)",
                pretokenizer->origin, type);
}

/* The classes that the stages asked for become table bits; then the openers' fields are empty. */
static enum status finish(struct pretokenizer *pretokenizer) {
    TRY(unicode_classes_open(&pretokenizer->classes, pretokenizer->custom, pretokenizer->customs));
    for (int i = 0; i < pretokenizer->customs; i++) free(pretokenizer->custom[i].range);
    pretokenizer->customs = 0;
    pretokenizer->origin = NULL;
    return STATUS_OK;
}

static struct pretokenizer *create(enum pretokenizer_engine engine, const char *origin) {
    struct pretokenizer *pretokenizer = calloc(1, sizeof *pretokenizer);
    if (!pretokenizer) return NULL;
    pretokenizer->engine = engine;
    pretokenizer->origin = origin;
    return pretokenizer;
}

static enum status give(struct pretokenizer **result, struct pretokenizer *pretokenizer, enum status status) {
    if (status == STATUS_OK) status = finish(pretokenizer);
    if (status != STATUS_OK) {
        pretokenizer_close(pretokenizer);
        pretokenizer = NULL;
    }
    *result = pretokenizer;
    return status;
}

enum status pretokenizer_from_json(struct pretokenizer **result, const json_t *description,
                                   enum pretokenizer_engine engine, const char *origin) {
    bool byte_level = false;
    *result = NULL;
    struct pretokenizer *pretokenizer = create(engine, origin);
    if (!pretokenizer) return fail(STATUS_MEMORY, "%s: no memory for the pre-tokenizer", origin);
    enum status status = add_item(pretokenizer, description, 0, &byte_level);
    if (status == STATUS_OK && !byte_level)
        status =
            fail(STATUS_UNSUPPORTED, "%s: pre_tokenizer: only byte-level tokenizers are supported", origin);
    return give(result, pretokenizer, status);
}

/* ------- by name */

enum { PATTERNS = 8 };
static const struct named {
    struct pretokenizer_preset preset;
    const char *pattern[PATTERNS];
} presets[] = {
    {{"deepseek-v3", false, false, false},
     {"\\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
      " ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
    {{"deepseek-llm", false, false, false},
     {"[\\r\\n]",
      "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯ"
      "Ա-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅ"
      "Ὀ-Ὅὐ-ὗὙὛὝὟ-\u1F7Dᾀ-ᾴᾶ-ᾼ\u1FBEῂ-ῄῆ-ῌῐ-\u1FD3ῖ-\u1FDB"
      "ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212A-ℭℯ-ℴℹℼ-ℿ"
      "ⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿ"
      "ﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟"
      "𞤀-𞥃]+",
      "\\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", "\\s+$", "[一-龥ࠀ-一가-퟿]+", DIGIT_PATTERN}},
    {{"deepseek-coder", false, false, false},
     {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[一-龥ࠀ-一가-퟿]+", DIGIT_PATTERN}},
    {{"deepseek-r1-qwen", false, true, false}, {WORDS_PATTERN("\\p{N}")}},
    {{"qwen2", false, true, false}, {WORDS_PATTERN("\\p{N}")}},
    {{"llama-bpe", true, false, true}, {WORDS_PATTERN("\\p{N}{1,3}")}},
    {{"llama3", true, false, true}, {WORDS_PATTERN("\\p{N}{1,3}")}},
    {{"llama-v3", true, false, true}, {WORDS_PATTERN("\\p{N}{1,3}")}},
    {{"gpt-2", false, false, false}, {GPT2_PATTERN}},
};

const char *pretokenizer_preset_name(int index) {
    return index >= 0 && (size_t)index < COUNT_OF(presets) ? presets[index].preset.name : NULL;
}

enum status pretokenizer_from_name(struct pretokenizer **result, const struct pretokenizer_preset **preset,
                                   const char *name, const char *origin) {
    const struct named *named = NULL;
    *result = NULL;
    for (size_t i = 0; i < COUNT_OF(presets); i++)
        if (!strcmp(presets[i].preset.name, name)) named = &presets[i];
    if (!named)
        return fail(
            STATUS_UNSUPPORTED,
            "%s: tokenizer.ggml.pre is \"%.32s\"; known are deepseek-v3, deepseek-llm, deepseek-coder, "
            "deepseek-r1-qwen, qwen2, llama-bpe, gpt-2",
            origin, name);
    struct pretokenizer *pretokenizer = create(PRETOKENIZE_FAST, origin);
    if (!pretokenizer) return fail(STATUS_MEMORY, "%s: no memory for the pre-tokenizer", origin);
    enum status status = STATUS_OK;
    for (int i = 0; i < PATTERNS && named->pattern[i] && status == STATUS_OK; i++)
        status = pretokenizer_add_pattern(pretokenizer, named->pattern[i], SPLIT_ISOLATED, false);
    *preset = &named->preset;
    return give(result, pretokenizer, status);
}
