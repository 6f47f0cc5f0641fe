/* tokenizer.json and text: bytes up to the first 0xFF are a tokenizer.json, what follows is a text for it. Without 0xFF the
 * whole is a text for two tokenizers that are right. Any file is refused with a sentence or encodes any text; what a right
 * one encodes decodes to the same text. */
#include "text/tokenizer.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define WORDS                                                                                                \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "                                    \
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"                                                           \
    "\\s+(?!\\S)|\\s+"

/* The letter that stands for a byte in a vocabulary file. */
static size_t letter_of(int byte, char *letter) {
    uint32_t next = 256;
    for (int b = 0; b <= byte; b++) {
        bool itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        if (b == byte) return (size_t)utf8_encode(itself ? (uint32_t)byte : next, (unsigned char *)letter);
        next += !itself;
    }
    return 0;
}

static json_t *byte_vocabulary(void) {
    static const char *const joined[] = {"Ġt", "he", "Ġthe", "aa", "aaaa", "ĠĠ", "Ã©", "in"};
    json_t *vocab = json_object();
    for (int byte = 0; byte < 256; byte++) {
        char letter[8] = "";
        letter[letter_of(byte, letter)] = 0;
        json_object_set_new(vocab, letter, json_integer(byte));
    }
    for (size_t i = 0; i < COUNT_OF(joined); i++)
        json_object_set_new(vocab, joined[i], json_integer(256 + (json_int_t)i));
    return vocab;
}

static struct tokenizer *right_tokenizer(const char *pattern, bool whole_words) {
    struct tokenizer *tokenizer;
    json_t *root = json_pack(
        "{s:{s:o, s:b, s:[s,s,s,s,s,s,s,s]}, s:{s:s, s:[{s:s, s:s, s:{s:s}}, {s:s, s:b, s:b}]},"
        " s:[{s:i, s:s, s:b}, {s:i, s:s, s:b, s:b, s:b}]}",
        "model", "vocab", byte_vocabulary(), "ignore_merges", whole_words, "merges", "Ġ t", "h e", "Ġt he",
        "a a", "aa aa", "Ġ Ġ", "Ã ©", "i n", "pre_tokenizer", "type", "Sequence", "pretokenizers", "type",
        "Split", "behavior", "Isolated", "pattern", "Regex", pattern, "type", "ByteLevel", "add_prefix_space",
        0, "use_regex", 0, "added_tokens", "id", 300, "content", "<s>", "special", 1, "id", 301, "content",
        "<pad>", "lstrip", 1, "rstrip", 1, "normalized", 0);
    MUST(root);
    MUST(tokenizer_from_json(&tokenizer, root, NULL, "right") == STATUS_OK);
    json_decref(root);
    return tokenizer;
}

static void encode(const struct tokenizer *tokenizer, const char *text, size_t bytes, enum tokenize_mode mode,
                   struct token_list *list) {
    enum status status = tokenizer_encode(tokenizer, text, bytes, mode, list);
    MUST(status == STATUS_OK || (status == STATUS_LIMIT && strstr(status_message(), "pattern")));
    for (size_t i = 0; i < list->count; i++)
        MUST(list->id[i] >= 0 && list->id[i] < tokenizer_vocabulary(tokenizer));
}

static void decode(const struct tokenizer *tokenizer, const struct token_list *list, struct buffer *out) {
    struct detokenizer detokenizer = {.tokenizer = tokenizer, .show_special = true};
    for (size_t i = 0; i < list->count; i++) detokenizer_push(&detokenizer, list->id[i], out);
    detokenizer_finish(&detokenizer, out);
    MUST(utf8_valid_bytes(out->data ? out->data : "", out->bytes) == out->bytes);
}

static void check_any(const struct tokenizer *tokenizer, const char *text, size_t bytes) {
    for (int mode = TOKENIZE_SPECIAL; mode <= TOKENIZE_PLAIN; mode++) {
        struct token_list list = {0};
        struct buffer out = {0};
        encode(tokenizer, text, bytes, (enum tokenize_mode)mode, &list);
        decode(tokenizer, &list, &out);
        token_list_free(&list);
        buffer_free(&out);
    }
}

static void check_right(const struct tokenizer *tokenizer, const char *text, size_t bytes) {
    struct token_list list = {0};
    struct buffer out = {0}, repaired = {0};
    utf8_repair(&repaired, text, bytes);
    encode(tokenizer, text, bytes, TOKENIZE_PLAIN, &list);
    for (size_t i = 0; i < list.count; i++) MUST(list.id[i] < 300);
    decode(tokenizer, &list, &out);
    MUST(out.bytes == repaired.bytes && (!out.bytes || !memcmp(out.data, repaired.data, out.bytes)));
    token_list_free(&list);
    buffer_free(&out);
    buffer_free(&repaired);
    check_any(tokenizer, text, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static struct tokenizer *right[2];
    const uint8_t *border = bytes ? memchr(data, 0xFF, bytes) : NULL;
    if (!right[0]) {
        right[0] = right_tokenizer(WORDS, false);
        right[1] = right_tokenizer("\\s+$|[a-z]+|\\w{2}", true); /* in PCRE2 */
    }
    if (!border) {
        for (size_t i = 0; i < COUNT_OF(right); i++) check_right(right[i], (const char *)data, bytes);
        return 0;
    }
    struct tokenizer *tokenizer;
    json_t *root;
    size_t file_bytes = (size_t)(border - data);
    if (json_parse((const char *)data, file_bytes, "tokenizer.json", &root) != STATUS_OK) return 0;
    if (tokenizer_from_json(&tokenizer, root, json_object_get(root, "config"), "tokenizer.json") ==
        STATUS_OK) {
        check_any(tokenizer, (const char *)border + 1, bytes - file_bytes - 1);
        tokenizer_close(tokenizer);
    } else {
        MUST(strstr(status_message(), "tokenizer"));
    }
    json_decref(root);
    return 0;
}
