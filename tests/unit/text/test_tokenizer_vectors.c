/* Ids of the reference tokenizers: a small vocabulary under every known pre-tokenizer (tests/golden), and the published
 * vocabularies (../shared, where it is there), from tokenizer.json and from GGUF. */
#include "format/checkpoint.h"
#include "format/gguf.h"
#include "support/scratch.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN "tests/golden/tokenizer/"
#define SHARED "../shared/tokenizers/"

enum { FILE_BYTES = 1 << 24 };

static json_t *read_json(const char *path) {
    json_t *root;
    if (json_read_file(path, FILE_BYTES, &root) != STATUS_OK) fail_msg("%s", status_message());
    return root;
}

static char *text_of_ids(const struct token_list *list) {
    struct buffer text = {0};
    buffer_append(&text, "", 0);
    for (size_t i = 0; i < list->count; i++) buffer_printf(&text, i ? " %d" : "%d", list->id[i]);
    return text.data;
}

static void assert_case(const struct tokenizer *tokenizer, const char *name, const char *text, size_t bytes,
                        const char *expected) {
    struct token_list list = {0};
    assert_int_equal(tokenizer_encode(tokenizer, text, bytes, TOKENIZE_SPECIAL, &list), STATUS_OK);
    char *ids = text_of_ids(&list);
    if (strcmp(ids, expected) != 0) fail_msg("%s: \"%s\": %s, expected %s", name, text, ids, expected);
    free(ids);
    token_list_free(&list);
}

static void assert_json_case(const struct tokenizer *tokenizer, const char *name, const json_t *text,
                             const json_t *ids) {
    struct token_list list = {0};
    const json_t *id;
    size_t i;
    json_array_foreach(ids, i, id)
        assert_int_equal(token_list_append(&list, (int32_t)json_integer_value(id)), STATUS_OK);
    char *expected = text_of_ids(&list);
    assert_case(tokenizer, name, json_string_value(text), json_string_length(text), expected);
    free(expected);
    token_list_free(&list);
}

/* ------- the small vocabulary */

static void test_golden(void **state) {
    (void)state;
    json_t *root = read_json(GOLDEN "tokenizer.json"), *sections = read_json(GOLDEN "vectors.json"), *section,
           *item;
    size_t s, i, cases = 0;
    json_array_foreach(sections, s, section) {
        struct tokenizer *tokenizer;
        json_object_set(root, "pre_tokenizer", json_object_get(section, "pre_tokenizer"));
        json_object_set(root, "normalizer", json_object_get(section, "normalizer"));
        json_object_set(json_object_get(root, "model"), "ignore_merges",
                        json_object_get(section, "ignore_merges"));
        assert_int_equal(tokenizer_from_json(&tokenizer, root, NULL, GOLDEN), STATUS_OK);
        json_array_foreach(json_object_get(section, "cases"), i, item) {
            assert_json_case(tokenizer, json_string_value(json_object_get(section, "name")),
                             json_object_get(item, "text"), json_object_get(item, "ids"));
            cases++;
        }
        tokenizer_close(tokenizer);
    }
    assert_true(s == 7 && cases > 250);
    json_decref(root);
    json_decref(sections);
}

/* ------- the same vocabulary as GGUF */

struct gguf_lists {
    struct gguf_text token[2048], merge[2048];
    int32_t type[2048];
    size_t tokens, merges;
};

static struct gguf_text text_of(const json_t *value) {
    return (struct gguf_text){json_string_value(value), json_string_length(value)};
}

static void fill_lists(const json_t *root, struct gguf_lists *lists) {
    const json_t *model = json_object_get(root, "model"), *item;
    const char *key;
    size_t i;
    json_object_foreach(json_object_get(model, "vocab"), key, item) {
        size_t id = (size_t)json_integer_value(item);
        assert_true(id < COUNT_OF(lists->token));
        lists->token[id] = (struct gguf_text){key, strlen(key)};
        lists->type[id] = 1;
        if (id >= lists->tokens) lists->tokens = id + 1;
    }
    json_array_foreach(json_object_get(root, "added_tokens"), i, item) {
        size_t id = (size_t)json_integer_value(json_object_get(item, "id"));
        lists->token[id] = text_of(json_object_get(item, "content"));
        lists->type[id] = json_is_true(json_object_get(item, "special")) ? 3 : 4;
        if (id >= lists->tokens) lists->tokens = id + 1;
    }
    json_array_foreach(json_object_get(model, "merges"), i, item) lists->merge[lists->merges++] =
        text_of(item);
}

static void write_gguf(const char *path, const char *pre, const struct gguf_lists *lists) {
    struct gguf_writer *writer;
    assert_int_equal(gguf_writer_open(&writer, path), STATUS_OK);
    gguf_writer_text(writer, "general.architecture", "deepseek2");
    gguf_writer_text(writer, "tokenizer.ggml.model", "gpt2");
    if (pre) gguf_writer_text(writer, "tokenizer.ggml.pre", pre);
    gguf_writer_texts(writer, "tokenizer.ggml.tokens", lists->token, lists->tokens);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", lists->type, lists->tokens);
    gguf_writer_texts(writer, "tokenizer.ggml.merges", lists->merge, lists->merges);
    gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", 0);
    gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", 1);
    assert_int_equal(gguf_writer_finish(writer), STATUS_OK);
    gguf_writer_close(writer);
}

static void test_golden_gguf(void **state) {
    (void)state;
    struct scratch scratch;
    struct gguf_lists *lists = calloc(1, sizeof *lists);
    json_t *root = read_json(GOLDEN "tokenizer.json"), *sections = read_json(GOLDEN "vectors.json"), *section,
           *item;
    size_t s, i, sections_seen = 0;
    scratch_open(&scratch);
    fill_lists(root, lists);
    json_array_foreach(sections, s, section) {
        const char *name = json_string_value(json_object_get(section, "name"));
        struct tokenizer *tokenizer;
        if (!strcmp(name, "merged") || !strcmp(name, "gpt-2")) continue; /* GGUF cannot say these */
        write_gguf(scratch_path(&scratch, "small.gguf"), name, lists);
        if (tokenizer_open(&tokenizer, scratch_path(&scratch, "small.gguf")))
            fail_msg("%s", status_message());
        assert_int_equal(tokenizer_bos(tokenizer), 0);
        assert_int_equal(tokenizer_eos(tokenizer), 1);
        assert_int_equal(tokenizer_adds_bos(tokenizer), !strcmp(name, "llama-bpe"));
        json_array_foreach(json_object_get(section, "cases"), i, item)
            assert_json_case(tokenizer, name, json_object_get(item, "text"), json_object_get(item, "ids"));
        tokenizer_close(tokenizer);
        sections_seen++;
    }
    assert_int_equal(sections_seen, 5);
    json_decref(root);
    json_decref(sections);
    scratch_close(&scratch);
    free(lists);
}

/* A GGUF that is wrong is refused with the key's name; unused tokens say nothing. */
static void test_gguf_refusals(void **state) {
    (void)state;
    struct scratch scratch;
    struct gguf_lists *lists = calloc(1, sizeof *lists);
    struct tokenizer *tokenizer;
    size_t bytes;
    scratch_open(&scratch);
    static const char *const token[] = {"a", "b", "ab", "<c>", "[PAD4]", "<0xE4>", "gone"};
    static const int32_t type[] = {1, 1, 1, 3, 4, 6, 5};
    for (size_t i = 0; i < COUNT_OF(token); i++) {
        lists->token[i] = (struct gguf_text){token[i], strlen(token[i])};
        lists->type[i] = type[i];
    }
    lists->tokens = COUNT_OF(token);
    lists->merge[lists->merges++] = (struct gguf_text){"a b", 3};
    const char *path = scratch_path(&scratch, "small.gguf");
    write_gguf(path, "qwen2", lists);
    assert_int_equal(tokenizer_open(&tokenizer, path), STATUS_OK);
    assert_case(tokenizer, "qwen2", "ab<c>a", 6, "2 3 0");
    assert_int_equal(tokenizer_find(tokenizer, "[PAD4]"), -1);
    assert_int_equal(*tokenizer_bytes(tokenizer, 5, &bytes), (char)0xE4);
    (void)tokenizer_bytes(tokenizer, 6, &bytes);
    assert_int_equal(bytes, 0);
    assert_int_equal(tokenizer_vocabulary(tokenizer), 7);
    tokenizer_close(tokenizer);
    write_gguf(path, "unheard-of", lists);
    assert_int_equal(tokenizer_open(&tokenizer, path), STATUS_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "unheard-of"));
    write_gguf(path, NULL, lists);
    assert_int_equal(tokenizer_open(&tokenizer, path), STATUS_UNSUPPORTED);
    lists->merge[lists->merges++] = (struct gguf_text){"b a", 3};
    write_gguf(path, "qwen2", lists);
    assert_int_equal(tokenizer_open(&tokenizer, path), STATUS_FORMAT);
    assert_non_null(strstr(status_message(), "merges[1]"));
    lists->token[1] = (struct gguf_text){"\xFF", 1};
    write_gguf(path, "qwen2", lists);
    assert_int_equal(tokenizer_open(&tokenizer, path), STATUS_FORMAT);
    assert_non_null(strstr(status_message(), "tokens[1]"));
    scratch_close(&scratch);
    free(lists);
}

/* ------- the published vocabularies */

/* Unpacks a .gz of ../shared; NULL when it is not there. */
static const char *unpack(struct scratch *scratch, const char *name, const char *as) {
    char command[1024], source[512];
    snprintf(source, sizeof source, SHARED "%s.gz", name);
    if (access(source, R_OK)) return NULL;
    const char *path = scratch_path(scratch, as);
    snprintf(command, sizeof command, "gzip -dc '%s' > '%s'", source, path);
    assert_int_equal(system(command), 0);
    return path;
}

static void run_vectors(const char *name) {
    struct scratch scratch;
    struct tokenizer *tokenizer;
    char file[256];
    json_t *item;
    size_t i, cases = 0;
    scratch_open(&scratch);
    snprintf(file, sizeof file, "%s.tokenizer.json", name);
    const char *path = unpack(&scratch, file, "tokenizer.json");
    if (!path) {
        scratch_close(&scratch);
        skip();
    }
    if (tokenizer_open(&tokenizer, path)) fail_msg("%s", status_message());
    snprintf(file, sizeof file, SHARED "%s.vectors.json", name);
    json_t *vectors = read_json(file);
    json_array_foreach(json_object_get(vectors, "cases"), i, item) {
        assert_json_case(tokenizer, name, json_object_get(item, "text"), json_object_get(item, "ids"));
        cases++;
    }
    /* texts that are not NFC; the other tokenizer of the pair does not normalise */
    json_array_foreach(json_object_get(vectors, "disputed"), i, item)
        assert_json_case(tokenizer, name, json_object_get(item, "text"), json_object_get(item, "hf_js"));
    assert_true(cases > 100);
    json_decref(vectors);
    tokenizer_close(tokenizer);
    scratch_close(&scratch);
}

static void test_deepseek_v3(void **state) {
    (void)state;
    run_vectors("deepseek_v3");
}
static void test_deepseek_r1(void **state) {
    (void)state;
    run_vectors("deepseek_r1");
}
static void test_qwen2(void **state) {
    (void)state;
    run_vectors("qwen2");
}
static void test_r1_distill_qwen(void **state) {
    (void)state;
    run_vectors("r1_distill_qwen");
}
static void test_llama3(void **state) {
    (void)state;
    run_vectors("llama3");
}

/* The published vocabularies written as GGUF: the name of their pre-tokenizer is found, and the ids stay. */
static void run_exported(const char *name, const char *expected) {
    struct scratch scratch;
    struct tokenizer *tokenizer;
    struct gguf_writer *writer;
    char file[256];
    const char *pre;
    json_t *item;
    size_t i;
    bool exact;
    scratch_open(&scratch);
    snprintf(file, sizeof file, "%s.tokenizer.json", name);
    if (!unpack(&scratch, file, "tokenizer.json")) {
        scratch_close(&scratch);
        skip();
    }
    const char *path = scratch_path(&scratch, "exported.gguf");
    struct checkpoint checkpoint = {.path = scratch.directory};
    struct tokenizer_keys keys = {.vocab = 160000, .bos = 0, .end = (int32_t[]){1, 2}, .ends = 2};
    assert_int_equal(gguf_writer_open(&writer, path), STATUS_OK);
    if (tokenizer_to_gguf(&checkpoint, &keys, writer, &pre, &exact)) fail_msg("%s", status_message());
    assert_int_equal(gguf_writer_finish(writer), STATUS_OK);
    gguf_writer_close(writer);
    assert_string_equal(pre, expected);
    assert_true(exact);
    if (tokenizer_open(&tokenizer, path)) fail_msg("%s", status_message());
    assert_int_equal(tokenizer_vocabulary(tokenizer), keys.vocab);
    assert_int_equal(tokenizer_bos(tokenizer), 0);
    assert_int_equal(tokenizer_eos(tokenizer), 1);
    snprintf(file, sizeof file, SHARED "%s.vectors.json", name);
    json_t *vectors = read_json(file);
    json_array_foreach(json_object_get(vectors, "cases"), i, item)
        assert_json_case(tokenizer, name, json_object_get(item, "text"), json_object_get(item, "ids"));
    json_decref(vectors);
    tokenizer_close(tokenizer);
    scratch_close(&scratch);
}

static void test_exported_deepseek_v3(void **state) {
    (void)state;
    run_exported("deepseek_v3", "deepseek-v3");
}
static void test_exported_qwen2(void **state) {
    (void)state;
    run_exported("qwen2", "deepseek-r1-qwen"); /* one of two names of the same rules */
}
static void test_exported_llama3(void **state) {
    (void)state;
    run_exported("llama3", "llama-bpe");
}

/* Lines of ids in .out, a space before each id; texts in .inp between marker lines. */
static void run_gguf_vectors(const char *name) {
    static const char mark[] = "\n__ggml_vocab_test__\n";
    struct scratch scratch;
    struct tokenizer *tokenizer;
    struct buffer texts, ids;
    char file[256];
    int cases = 0;
    scratch_open(&scratch);
    snprintf(file, sizeof file, "vocab-gguf/ggml-vocab-%s.gguf", name);
    const char *path = unpack(&scratch, file, "vocabulary.gguf");
    if (!path) {
        scratch_close(&scratch);
        skip();
    }
    if (tokenizer_open(&tokenizer, path)) fail_msg("%s", status_message());
    snprintf(file, sizeof file, SHARED "vocab-gguf/ggml-vocab-%s.gguf.inp", name);
    assert_int_equal(buffer_read_file(&texts, file, FILE_BYTES), STATUS_OK);
    snprintf(file, sizeof file, SHARED "vocab-gguf/ggml-vocab-%s.gguf.out", name);
    assert_int_equal(buffer_read_file(&ids, file, FILE_BYTES), STATUS_OK);
    char *text = texts.data, *line = ids.data;
    while (text) {
        char *end = strstr(text, mark), *line_end = strchr(line, '\n');
        if (end) *end = 0;
        if (line_end) *line_end = 0;
        assert_case(tokenizer, name, text, strlen(text), *line == ' ' ? line + 1 : line);
        cases++;
        line = line_end ? line_end + 1 : line + strlen(line);
        text = end ? end + sizeof mark - 1 : NULL;
    }
    assert_true(cases >= 46);
    buffer_free(&texts);
    buffer_free(&ids);
    tokenizer_close(tokenizer);
    scratch_close(&scratch);
}

static void test_gguf_deepseek_llm(void **state) {
    (void)state;
    run_gguf_vectors("deepseek-llm");
}
static void test_gguf_qwen2(void **state) {
    (void)state;
    run_gguf_vectors("qwen2");
}
static void test_gguf_llama(void **state) {
    (void)state;
    run_gguf_vectors("llama-bpe");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_golden_gguf),
        cmocka_unit_test(test_gguf_refusals),
        cmocka_unit_test(test_deepseek_v3),
        cmocka_unit_test(test_deepseek_r1),
        cmocka_unit_test(test_qwen2),
        cmocka_unit_test(test_r1_distill_qwen),
        cmocka_unit_test(test_llama3),
        cmocka_unit_test(test_exported_deepseek_v3),
        cmocka_unit_test(test_exported_qwen2),
        cmocka_unit_test(test_exported_llama3),
        cmocka_unit_test(test_gguf_deepseek_llm),
        cmocka_unit_test(test_gguf_qwen2),
        cmocka_unit_test(test_gguf_llama),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
