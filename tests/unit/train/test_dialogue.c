/* test_dialogue.c - conversations as texts: what is learnt of them is the answers, reasoning and end included, behind exactly the
 * prompt that the model gets when it answers; and whole texts in sequences. */
#include "support/scratch.h"
#include "support/small_model.h"

#include "train/dialogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct scratch scratch;
static struct tokenizer *tokenizer;

static int set_up(void **state) {
    (void)state;
    scratch_open(&scratch);
    assert_int_equal(tokenizer_open(&tokenizer, small_model_write(&scratch)), STATUS_OK);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tokenizer_close(tokenizer);
    scratch_close(&scratch);
    return 0;
}

/* Tokens [from, to) as text, control tokens too. */
static void append_text(const struct corpus *corpus, int64_t from, int64_t to, struct buffer *out) {
    struct detokenizer detokenizer = {tokenizer, .show_special = true};
    for (int64_t i = from; i < to; i++) detokenizer_push(&detokenizer, corpus->tokens.id[i], out);
    detokenizer_finish(&detokenizer, out);
}

/* Text by text: what is not learnt in plain, what is learnt in [brackets]; texts end with a newline character. */
static char *marked(const struct corpus *corpus) {
    struct buffer out = {0};
    for (int64_t d = 0; d < corpus->documents; d++) {
        for (int64_t at = corpus->begin[d], end; at < corpus->begin[d + 1]; at = end) {
            bool dark = (size_t)at < corpus->unlearnts && corpus->unlearnt[at];
            for (end = at; end < corpus->begin[d + 1]; end++)
                if (((size_t)end < corpus->unlearnts && corpus->unlearnt[end]) != dark) break;
            buffer_append_text(&out, dark ? "" : "[");
            append_text(corpus, at, end, &out);
            buffer_append_text(&out, dark ? "" : "]");
        }
        buffer_append_text(&out, "\x1e");
    }
    return out.data;
}

static void check(enum chat_template template, bool plain, const char *line, const char *expected) {
    struct dialogue_form form = {.render = {.template = template}, .plain = plain};
    struct corpus_options options = {.tokenizer = tokenizer, .dialogue = &form};
    struct corpus corpus = {0};
    enum status status = corpus_add_lines(&corpus, line, strlen(line), "a.jsonl", &options);
    if (status != STATUS_OK) fail_msg("%s: %s", line, status_message());
    char *found = marked(&corpus);
    assert_string_equal(found, expected);
    free(found);
    corpus_close(&corpus);
}

#define BOS       "<｜begin▁of▁sentence｜>"
#define EOS       "<｜end▁of▁sentence｜>"
#define USER      "<｜User｜>"
#define ASSISTANT "<｜Assistant｜>"

static const char two_turns[] = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"},"
                                "{\"role\": \"assistant\", \"content\": \"b\"},"
                                "{\"role\": \"user\", \"content\": \"c\"},"
                                "{\"role\": \"assistant\", \"content\": \"d\"}]}";
static const char reasoned[] =
    "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"},"
    "{\"role\": \"assistant\", \"reasoning_content\": \"hm\", \"content\": \"b\"},"
    "{\"role\": \"user\", \"content\": \"c\"},"
    "{\"role\": \"assistant\", \"reasoning_content\": \"so\", \"content\": \"d\"}]}";

static void test_templates(void **state) {
    (void)state;
    check(TEMPLATE_DEEPSEEK_V3, false, two_turns,
          BOS USER "a" ASSISTANT "[b" EOS "]" USER "c" ASSISTANT "[d" EOS "]\x1e");
    check(TEMPLATE_DEEPSEEK_R1, false, reasoned,
          BOS USER "a" ASSISTANT "<think>\n[hm\n</think>\n\nb" EOS "]\x1e" BOS USER "a" ASSISTANT "b" EOS USER
                   "c" ASSISTANT "<think>\n[so\n</think>\n\nd" EOS "]\x1e");
    check(TEMPLATE_DEEPSEEK_R1, false, two_turns,
          BOS USER "a" ASSISTANT "<think>\n\n</think>\n\n[b" EOS "]\x1e" BOS USER "a" ASSISTANT "b" EOS USER
                   "c" ASSISTANT "<think>\n\n</think>\n\n[d" EOS "]\x1e");
    check(TEMPLATE_DEEPSEEK_V31, false, reasoned,
          BOS USER "a" ASSISTANT "<think>[hm</think>b" EOS "]\x1e" BOS USER "a" ASSISTANT
                   "<think></think>b" EOS USER "c" ASSISTANT "<think>[so</think>d" EOS "]\x1e");
    check(TEMPLATE_DEEPSEEK_V31_RELEASE, false, reasoned,
          BOS USER "a" ASSISTANT "<think>[hm</think>b" EOS "]\x1e" BOS USER "a" ASSISTANT "</think>b" EOS USER
                   "c" ASSISTANT "<think>[so</think>d" EOS "]\x1e");
    check(TEMPLATE_DEEPSEEK_R1_DISTILL, false,
          "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"},"
          "{\"role\": \"assistant\", \"content\": \"<think>\\nhm\\n</think>\\n\\nb\"}]}",
          BOS USER "a" ASSISTANT "<think>\n[hm\n</think>\n\nb" EOS "]\x1e");
}

static void test_pairs(void **state) {
    (void)state;
    check(TEMPLATE_DEEPSEEK_V3, false, "{\"prompt\": \"a\", \"completion\": \"b\"}",
          BOS USER "a" ASSISTANT "[b" EOS "]\x1e");
    check(TEMPLATE_DEEPSEEK_V3, false, "{\"prompt\": \"a\", \"answer\": \"7\", \"verifier\": \"numeric\"}",
          BOS USER "a" ASSISTANT "[7" EOS "]\x1e");
    check(
        TEMPLATE_DEEPSEEK_V3, false,
        "{\"prompt\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": \"a\"}],"
        "\"completion\": [{\"role\": \"assistant\", \"content\": \"b\"}]}",
        BOS "s" USER "a" ASSISTANT "[b" EOS "]\x1e");
    check(TEMPLATE_DEEPSEEK_V3, true, "{\"prompt\": \"a<think>\", \"completion\": \"b\"}",
          BOS "a<think>[b" EOS "]\x1e");
    check(TEMPLATE_DEEPSEEK_V3, false, "{\"text\": \"all\"}", "[" BOS "all" EOS "]\x1e");
}

static void test_tools(void **state) {
    (void)state;
    check(TEMPLATE_DEEPSEEK_V3, false,
          "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": "
          "null,"
          "\"tool_calls\": [{\"id\": \"1\", \"type\": \"function\", \"function\": {\"name\": \"f\","
          "\"arguments\": \"{}\"}}]}, {\"role\": \"tool\", \"tool_call_id\": \"1\", \"content\": \"r\"},"
          "{\"role\": \"assistant\", \"content\": \"b\"}]}",
          BOS USER "a" ASSISTANT
                   "[<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{}\n```"
                   "<｜tool▁call▁end｜><｜tool▁calls▁end｜>" EOS
                   "]<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>r<｜tool▁output▁end｜>"
                   "<｜tool▁outputs▁end｜>[b" EOS "]\x1e");
}

static void refuse(const char *line, bool plain, const char *says) {
    struct dialogue_form form = {.render = {.template = TEMPLATE_DEEPSEEK_V3}, .plain = plain};
    struct corpus_options options = {.tokenizer = tokenizer, .dialogue = &form};
    struct corpus corpus = {0};
    assert_int_not_equal(corpus_add_lines(&corpus, line, strlen(line), "a.jsonl", &options), STATUS_OK);
    if (!strstr(status_message(), says) || !strstr(status_message(), "a.jsonl, line 1"))
        fail_msg("%s: %s", line, status_message());
    corpus_close(&corpus);
}

static void test_refused(void **state) {
    (void)state;
    refuse("{\"messages\": 3}", false, "messages");
    refuse("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}", false, "no answer");
    refuse("{\"messages\": []}", true, "template");
    refuse("{\"prompt\": \"a\"}", false, "completion");
    refuse("{\"prompt\": 1, \"completion\": \"b\"}", false, "completion");
    refuse("{\"prompt\": [], \"completion\": \"b\"}", true, "texts");
    refuse("{\"prompt\": [1], \"completion\": \"b\"}", false, "messages[0]");
}

static void test_prompt(void **state) {
    (void)state;
    struct dialogue_form form = {.render = {.template = TEMPLATE_DEEPSEEK_R1}};
    struct token_list list = {0};
    struct buffer out = {0};
    struct detokenizer detokenizer = {tokenizer, .show_special = true};
    json_t *line;
    assert_int_equal(json_parse(reasoned, strlen(reasoned), "a", &line), STATUS_OK);
    assert_int_equal(dialogue_prompt(&form, tokenizer, line, "a", &list), STATUS_OK);
    for (size_t i = 0; i < list.count; i++) detokenizer_push(&detokenizer, list.id[i], &out);
    assert_string_equal(out.data, BOS USER "a" ASSISTANT "b" EOS USER "c" ASSISTANT "<think>\n");
    json_decref(line);
    buffer_free(&out);
    token_list_free(&list);
}

/* Texts of lengths 1 to 12, the third of each not learnt from its first half. */
static struct corpus made_up(int documents) {
    struct corpus corpus = {0};
    for (int d = 0; d < documents; d++) {
        int length = 1 + d * 5 % 12;
        size_t from = corpus.tokens.count;
        for (int i = 0; i < length; i++)
            assert_int_equal(token_list_append(&corpus.tokens, 100 * d + i), STATUS_OK);
        if (d % 3 == 0) assert_int_equal(corpus_unlearn(&corpus, from, from + (size_t)length / 2), STATUS_OK);
        assert_int_equal(corpus_end_text(&corpus), STATUS_OK);
    }
    return corpus;
}

static void check_whole(const struct corpus *corpus, const struct train_batch *batch, int longest,
                        int *seen) {
    int row = 0;
    for (int s = 0; s < batch->segments; s++) {
        int document = batch->token[row] / 100;
        int length = (int)(corpus->begin[document + 1] - corpus->begin[document]);
        assert_int_equal(batch->segment[s].row_begin, row);
        assert_int_equal(batch->segment[s].rows, length < longest ? length : longest);
        seen[document]++;
        for (int i = 0; i < batch->segment[s].rows; i++, row++) {
            bool learnt = i + 1 < length && (document % 3 || i + 1 >= length / 2);
            assert_int_equal(batch->token[row], 100 * document + i);
            assert_int_equal(batch->target[row], i + 1 < length ? 100 * document + i + 1 : -1);
            assert_true(batch->weight[row] == (learnt ? 1.0f : 0.0f));
        }
    }
    assert_int_equal(row, batch->rows);
}

static void test_whole_texts(void **state) {
    (void)state;
    enum { ROWS = 10, TEXTS = 60 };
    struct corpus corpus = made_up(TEXTS);
    struct packing packing;
    struct packed_batch packed;
    int64_t rows = 0;
    assert_int_equal(packing_open(&packing, &corpus, 5, ROWS, PACK_WHOLE), STATUS_OK);
    assert_int_equal(packed_batch_open(&packed, ROWS), STATUS_OK);
    for (int epoch = 0; epoch < 2; epoch++) {
        int seen[TEXTS] = {0};
        for (int64_t i = 0; i < packing.sequences; i++) {
            packed_batch_clear(&packed);
            packing_append(&packing, epoch * packing.sequences + i, &packed);
            assert_true(packed.batch.rows >= 1 && packed.batch.rows <= ROWS);
            check_whole(&corpus, &packed.batch, ROWS, seen);
            rows += packed.batch.rows;
        }
        for (int d = 0; d < TEXTS; d++) assert_int_equal(seen[d], 1);
    }
    assert_true(rows > packing.sequences * 2 * ROWS * 9 / 10); /* little room is wasted */
    packed_batch_close(&packed);
    packing_close(&packing);
    corpus_close(&corpus);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_templates), cmocka_unit_test(test_pairs),  cmocka_unit_test(test_tools),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_prompt), cmocka_unit_test(test_whole_texts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
