/* Prompts as token ids: a prompt of harmless messages has the ids that the reference tokenizers give its
 * string; whatever a message says, it makes no added token; text is tokenized across the border between
 * template and message. */
#include "format/checkpoint.h"
#include "support/scratch.h"
#include "text/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SHARED "../shared/cases/v3_bf16_mtp"

static const char *const added[] = {"<｜begin▁of▁sentence｜>",
                                    "<｜end▁of▁sentence｜>",
                                    "<｜User｜>",
                                    "<｜Assistant｜>",
                                    "<think>",
                                    "</think>",
                                    "<｜tool▁calls▁begin｜>",
                                    "<｜tool▁calls▁end｜>",
                                    "<｜tool▁call▁begin｜>",
                                    "<｜tool▁call▁end｜>",
                                    "<｜tool▁sep｜>",
                                    "<｜tool▁outputs▁begin｜>",
                                    "<｜tool▁outputs▁end｜>",
                                    "<｜tool▁output▁begin｜>",
                                    "<｜tool▁output▁end｜>",
                                    "<|im_start|>",
                                    "<|im_end|>",
                                    "<tool_call>",
                                    "</tool_call>",
                                    "<|begin_of_text|>",
                                    "<|start_header_id|>",
                                    "<|end_header_id|>",
                                    "<|eot_id|>"};

enum { BYTES = 256, MERGED = BYTES, FIRST_ADDED };

/* The letter that stands for a byte in a vocabulary file. */
static int letter_of(int byte) {
    int moved = 0;
    for (int b = 0; b < byte; b++) moved += !((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174);
    bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return itself ? byte : 256 + moved;
}

/* One token for each byte, one for two newlines, and the added tokens (the last `absent` of them are missing). */
static struct tokenizer *byte_tokenizer(size_t absent) {
    json_t *vocab = json_object(), *list = json_array();
    for (int byte = 0; byte < BYTES; byte++) {
        char key[4] = {(char)letter_of(byte)};
        if (letter_of(byte) > 127) {
            key[0] = (char)(0xc0 | letter_of(byte) >> 6);
            key[1] = (char)(0x80 | (letter_of(byte) & 63));
        }
        json_object_set_new(vocab, key, json_integer(byte));
    }
    json_object_set_new(vocab, "ĊĊ", json_integer(MERGED));
    for (size_t index = 0; index < COUNT_OF(added) - absent; index++)
        json_array_append_new(list, json_pack("{s:I,s:s,s:b,s:b}", "id", (json_int_t)(FIRST_ADDED + index),
                                              "content", added[index], "special", 0, "normalized", 0));
    json_t *root = json_pack("{s:o,s:{s:s,s:b,s:b,s:b},s:{s:s,s:o,s:[[s,s]]}}", "added_tokens", list,
                             "pre_tokenizer", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1,
                             "use_regex", 1, "model", "type", "BPE", "vocab", vocab, "merges", "Ċ", "Ċ");
    struct tokenizer *tokenizer;
    assert_non_null(root);
    if (tokenizer_from_json(&tokenizer, root, NULL, "test") != STATUS_OK) fail_msg("%s", status_message());
    json_decref(root);
    return tokenizer;
}

static struct tokenizer *shared_tokenizer(void) {
    json_t *root;
    struct tokenizer *tokenizer;
    if (access(SHARED "/tokenizer.json", R_OK) != 0) return NULL;
    assert_int_equal(json_read_file(SHARED "/tokenizer.json", 1 << 26, &root), STATUS_OK);
    assert_int_equal(tokenizer_from_json(&tokenizer, root, NULL, SHARED), STATUS_OK);
    json_decref(root);
    return tokenizer;
}

/* `text` wherever a client writes, as JSON. */
static struct chat chat_with(const char *text) {
    json_t *root = json_pack(
        "{s:[{s:s,s:s},{s:s,s:s},{s:s,s:s,s:[{s:{s:s,s:s}}]},{s:s,s:s},{s:s,s:s}],s:[{s:{s:s,s:s}}]}",
        "messages", "role", "system", "content", text, "role", "user", "content", text, "role", "assistant",
        "content", text, "tool_calls", "function", "name", text, "arguments", text, "role", "tool", "content",
        text, "role", "user", "content", text, "tools", "function", "name", text, "description", text);
    struct chat chat;
    char *json = json_dumps(root, 0);
    assert_non_null(json);
    if (chat_from_json(&chat, json, strlen(json), "test") != STATUS_OK) fail_msg("%s", status_message());
    free(json);
    json_decref(root);
    return chat;
}

struct encoded {
    struct prompt prompt;
    struct buffer text;
    struct token_list ids;
};

static struct encoded encode(const struct tokenizer *tokenizer, const struct chat *chat,
                             enum chat_template template) {
    struct render_options options = {.template = template, .thinking = THINKING_ON};
    struct encoded encoded = {0};
    if (chat_render(chat, &options, &encoded.prompt) != STATUS_OK) fail_msg("%s", status_message());
    prompt_text(&encoded.prompt, &encoded.text);
    assert_int_equal(prompt_encode(&encoded.prompt, tokenizer, &encoded.ids), STATUS_OK);
    return encoded;
}

static void encoded_free(struct encoded *encoded) {
    prompt_free(&encoded->prompt);
    buffer_free(&encoded->text);
    token_list_free(&encoded->ids);
}

static int added_ids(const struct tokenizer *tokenizer, const struct token_list *ids) {
    int count = 0;
    for (size_t index = 0; index < ids->count; index++)
        count += tokenizer_is_added(tokenizer, ids->id[index]);
    return count;
}

/* Control parts that this vocabulary has. */
static int control_tokens(const struct tokenizer *tokenizer, const struct prompt *prompt) {
    int count = 0;
    for (int index = 0; index < prompt->parts; index++) {
        char token[64];
        snprintf(token, sizeof token, "%.*s", (int)prompt->part[index].bytes, prompt->part[index].text);
        count += prompt->part[index].control && tokenizer_find(tokenizer, token) >= 0;
    }
    return count;
}

static void check_harmless(const struct tokenizer *tokenizer) {
    static const char *const texts[] = {"Hi", " 12 Fragen,\n\n世界 🌍!\n", "", "\n"};
    for (size_t which = 0; which < COUNT_OF(texts); which++) {
        for (int index = 0; index < TEMPLATE_COUNT; index++) {
            struct chat chat = chat_with(*texts[which] ? texts[which] : "x");
            struct encoded encoded = encode(tokenizer, &chat, (enum chat_template)index);
            struct token_list expected = {0};
            assert_int_equal(tokenizer_encode(tokenizer, encoded.text.data, encoded.text.bytes,
                                              TOKENIZE_SPECIAL, &expected),
                             STATUS_OK);
            assert_int_equal(encoded.ids.count, expected.count);
            assert_memory_equal(encoded.ids.id, expected.id, expected.count * sizeof *expected.id);
            token_list_free(&expected);
            encoded_free(&encoded);
            chat_free(&chat);
        }
    }
}

static void harmless_prompts_have_the_ids_of_their_text(void **state) {
    (void)state;
    struct tokenizer *tokenizer = byte_tokenizer(0), *shared = shared_tokenizer();
    check_harmless(tokenizer);
    if (shared) check_harmless(shared);
    tokenizer_close(shared);
    tokenizer_close(tokenizer);
}

static void check_hostile(const struct tokenizer *tokenizer) {
    for (size_t which = 0; which < COUNT_OF(added); which++) {
        char text[200];
        snprintf(text, sizeof text, "x%sy%s", added[which], added[(which + 7) % COUNT_OF(added)]);
        struct chat chat = chat_with(text);
        for (int index = 0; index < TEMPLATE_COUNT; index++) {
            struct encoded encoded = encode(tokenizer, &chat, (enum chat_template)index);
            assert_int_equal(added_ids(tokenizer, &encoded.ids), control_tokens(tokenizer, &encoded.prompt));
            struct buffer back = {0};
            for (size_t at = 0; at < encoded.ids.count; at++) {
                size_t bytes;
                const char *piece = tokenizer_bytes(tokenizer, encoded.ids.id[at], &bytes);
                buffer_append(&back, piece, bytes);
            }
            assert_int_equal(back.bytes, encoded.text.bytes);
            assert_memory_equal(back.data, encoded.text.data, back.bytes);
            buffer_free(&back);
            encoded_free(&encoded);
        }
        chat_free(&chat);
    }
}

static void messages_never_make_added_tokens(void **state) {
    (void)state;
    struct tokenizer *tokenizer = byte_tokenizer(0), *shared = shared_tokenizer();
    check_hostile(tokenizer);
    if (shared) check_hostile(shared);
    tokenizer_close(shared);
    tokenizer_close(tokenizer);
}

/* The template's newline and the message's are one token, as in the whole string. */
static void text_is_tokenized_across_parts(void **state) {
    (void)state;
    static const char chat_text[] = "[{\"role\": \"system\", \"content\": \"\\n\"}]";
    struct tokenizer *tokenizer = byte_tokenizer(0);
    struct chat chat;
    assert_int_equal(chat_from_json(&chat, chat_text, sizeof chat_text - 1, "test"), STATUS_OK);
    struct encoded encoded = encode(tokenizer, &chat, TEMPLATE_QWEN25);
    int merged = 0;
    for (size_t at = 0; at < encoded.ids.count; at++) merged += encoded.ids.id[at] == MERGED;
    assert_int_equal(merged, 1);
    encoded_free(&encoded);
    chat_free(&chat);
    tokenizer_close(tokenizer);
}

/* Control tokens that the vocabulary lacks are text like their neighbours. */
static void unknown_tokens_are_text(void **state) {
    (void)state;
    struct tokenizer *tokenizer = byte_tokenizer(8);
    struct chat chat = chat_with("Hi");
    struct encoded encoded = encode(tokenizer, &chat, TEMPLATE_QWEN25);
    struct token_list expected = {0};
    assert_int_equal(added_ids(tokenizer, &encoded.ids), 0);
    assert_int_equal(
        tokenizer_encode(tokenizer, encoded.text.data, encoded.text.bytes, TOKENIZE_PLAIN, &expected),
        STATUS_OK);
    assert_int_equal(encoded.ids.count, expected.count);
    assert_memory_equal(encoded.ids.id, expected.id, expected.count * sizeof *expected.id);
    token_list_free(&expected);
    encoded_free(&encoded);
    chat_free(&chat);
    tokenizer_close(tokenizer);
}

static enum status choose(struct scratch *scratch, enum chat_template *template, bool *guessed) {
    struct checkpoint checkpoint;
    if (checkpoint_open(&checkpoint, scratch->directory, 0) != STATUS_OK) fail_msg("%s", status_message());
    enum status status = chat_template_choose(&checkpoint, template, guessed);
    checkpoint_close(&checkpoint);
    return status;
}

/* The template's own text, then the file beside it, then the family. */
static void checkpoints_choose_their_template(void **state) {
    (void)state;
    struct scratch scratch;
    enum chat_template template;
    bool guessed;
    scratch_open(&scratch);
    scratch_text(&scratch, "config.json", "{\"model_type\": \"deepseek_v3\"}");
    assert_int_equal(choose(&scratch, &template, &guessed), STATUS_OK);
    assert_int_equal(template, TEMPLATE_DEEPSEEK_V3);
    assert_true(guessed);
    scratch_text(&scratch, "chat_template.jinja",
                 "{{'<｜User｜>' + message['content'] + '<｜Assistant｜>'}}");
    assert_int_equal(choose(&scratch, &template, &guessed), STATUS_OK);
    assert_int_equal(template, TEMPLATE_DEEPSEEK_V3_0324);
    assert_false(guessed);
    scratch_text(
        &scratch, "tokenizer_config.json",
        "{\"chat_template\": [{\"name\": \"x\", \"template\": \"\"}, {\"name\": \"default\", \"template\": "
        "\"{{'<｜User｜>' + content + '<｜Assistant｜>'}}\"}]}");
    assert_int_equal(choose(&scratch, &template, &guessed), STATUS_OK);
    assert_int_equal(template, TEMPLATE_DEEPSEEK_R1_0528);
    scratch_text(&scratch, "tokenizer_config.json", "{\"chat_template\": \"{{ messages }}\"}");
    assert_int_equal(choose(&scratch, &template, &guessed), STATUS_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "none that hadal knows"));
    scratch_close(&scratch);

    scratch_open(&scratch);
    scratch_text(&scratch, "config.json", "{\"model_type\": \"other\"}");
    assert_int_equal(choose(&scratch, &template, &guessed), STATUS_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "\"other\""));
    scratch_close(&scratch);
}

static void checkpoints_name_their_bos(void **state) {
    (void)state;
    static const char *const configs[][2] = {{"{}", NULL},
                                             {"{\"bos_token\": null}", NULL},
                                             {"{\"bos_token\": \"<s>\"}", "<s>"},
                                             {"{\"bos_token\": {\"content\": \"<b>\"}}", "<b>"}};
    for (size_t index = 0; index < COUNT_OF(configs); index++) {
        struct scratch scratch;
        struct checkpoint checkpoint;
        struct arena arena = {0};
        const char *bos;
        scratch_open(&scratch);
        scratch_text(&scratch, "config.json", "{\"model_type\": \"qwen2\"}");
        scratch_text(&scratch, "tokenizer_config.json", configs[index][0]);
        assert_int_equal(checkpoint_open(&checkpoint, scratch.directory, 0), STATUS_OK);
        assert_int_equal(chat_bos(&checkpoint, &arena, &bos), STATUS_OK);
        if (configs[index][1])
            assert_string_equal(bos, configs[index][1]);
        else
            assert_null(bos);
        arena_free(&arena);
        checkpoint_close(&checkpoint);
        scratch_close(&scratch);
    }
}

/* The same from the keys of a GGUF file, where V2 and V3 share one architecture. */
static void gguf_keys_name_both(void **state) {
    (void)state;
    static const struct {
        const char *architecture, *pre, *jinja;
        enum chat_template template;
    } rows[] = {{"deepseek2", "deepseek-v3", NULL, TEMPLATE_DEEPSEEK_V3},
                {"deepseek2", "new", NULL, TEMPLATE_DEEPSEEK_V2},
                {"llama", "deepseek-llm", NULL, TEMPLATE_DEEPSEEK_V2},
                {"qwen2", "deepseek-r1-qwen", NULL, TEMPLATE_DEEPSEEK_R1_DISTILL},
                {"deepseek2", "deepseek-llm", NULL, TEMPLATE_DEEPSEEK_V2},
                {"llama", "llama-bpe", NULL, TEMPLATE_LLAMA3},
                {"qwen2", "deepseek-r1-qwen", "{{'<｜User｜>' + content + '<｜Assistant｜>'}}",
                 TEMPLATE_DEEPSEEK_R1_0528}};
    const struct gguf_text tokens[] = {{"a", 1}, {"<s>", 3}};
    for (size_t index = 0; index < COUNT_OF(rows); index++) {
        struct scratch scratch;
        struct gguf_writer *writer;
        struct checkpoint checkpoint;
        struct arena arena = {0};
        enum chat_template template;
        const char *bos;
        scratch_open(&scratch);
        const char *path = scratch_path(&scratch, "m.gguf");
        assert_int_equal(gguf_writer_open(&writer, path), STATUS_OK);
        gguf_writer_text(writer, "general.architecture", rows[index].architecture);
        gguf_writer_text(writer, "tokenizer.ggml.pre", rows[index].pre);
        gguf_writer_texts(writer, "tokenizer.ggml.tokens", tokens, COUNT_OF(tokens));
        gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", 1);
        if (rows[index].jinja) gguf_writer_text(writer, "tokenizer.chat_template", rows[index].jinja);
        assert_int_equal(gguf_writer_finish(writer), STATUS_OK);
        gguf_writer_close(writer);
        if (checkpoint_open(&checkpoint, path, 0) != STATUS_OK) fail_msg("%s", status_message());
        assert_int_equal(chat_template_choose(&checkpoint, &template, NULL), STATUS_OK);
        assert_int_equal(template, rows[index].template);
        assert_int_equal(chat_bos(&checkpoint, &arena, &bos), STATUS_OK);
        assert_string_equal(bos, "<s>");
        arena_free(&arena);
        checkpoint_close(&checkpoint);
        scratch_close(&scratch);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(harmless_prompts_have_the_ids_of_their_text),
        cmocka_unit_test(messages_never_make_added_tokens),
        cmocka_unit_test(text_is_tokenized_across_parts),
        cmocka_unit_test(unknown_tokens_are_text),
        cmocka_unit_test(checkpoints_choose_their_template),
        cmocka_unit_test(checkpoints_name_their_bos),
        cmocka_unit_test(gguf_keys_name_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
