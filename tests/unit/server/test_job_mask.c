/* Masks of answers: calls that come under a grammar when the model makes them by itself, and answers that nothing can
 * follow. The tokens are those of a small model whose vocabulary spells control tokens out. */
#include "server/job_mask.h"
#include "text/gbnf.h"
#include "text/tool_calls.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct engine engine;
    struct token_trie *trie;
    uint32_t *allowed;
};

static int open_fixture(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    *state = fixture;
    if (tokenizer_open(&fixture->engine.tokenizer, "../shared/models/tiny-v3") != STATUS_OK) return 0;
    const int32_t vocabulary = tokenizer_vocabulary(fixture->engine.tokenizer);
    fixture->engine.model.desc.vocab = vocabulary;
    fixture->engine.end_token[0] = 1;
    fixture->engine.end_tokens = 1;
    fixture->allowed = calloc((size_t)vocabulary / 32 + 1, sizeof(uint32_t));
    return token_trie_open(&fixture->trie, fixture->engine.tokenizer, vocabulary) != STATUS_OK;
}

static int close_fixture(void **state) {
    struct fixture *fixture = *state;
    token_trie_close(fixture->trie);
    tokenizer_close(fixture->engine.tokenizer);
    free(fixture->allowed);
    free(fixture);
    return 0;
}

static const char tools_text[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"get_day\",\"strict\":true,\"parameters\":{\"type\":"
    "\"object\",\"properties\":{\"d\":{\"enum\":[1,23]}},\"required\":[\"d\"],\"additionalProperties\":false}"
    "}},"
    "{\"type\":\"function\",\"function\":{\"name\":\"other\"}}]";

static struct job_mask *open_calls(struct fixture *fixture, enum tool_format format, bool thinking) {
    json_t *tools = json_loads(tools_text, 0, NULL);
    struct tool_binding binding;
    struct grammar *grammar;
    struct job_mask *mask;
    assert_true(tool_calls_any_strict(tools));
    assert_int_equal(tool_calls_bind(tools, format, &binding, &grammar), STATUS_OK);
    assert_int_equal(job_mask_open(&mask, grammar,
                                   &(struct job_vocabulary){&fixture->engine, fixture->trie, NULL}, 1,
                                   thinking),
                     STATUS_OK);
    job_mask_bind(mask, &binding);
    json_decref(tools);
    return mask;
}

/* The tokens of a text come; each must be allowed. */
static void come(struct fixture *fixture, struct job_mask *mask, const char *text) {
    const struct token_mask hooks = job_mask_hooks(mask);
    struct token_list list = {0};
    assert_int_equal(tokenizer_encode(fixture->engine.tokenizer, text, strlen(text), TOKENIZE_PLAIN, &list),
                     STATUS_OK);
    for (size_t i = 0; i < list.count; i++) {
        const int32_t id = list.id[i];
        if (hooks.allow(hooks.context, 0, fixture->allowed) && !(fixture->allowed[id >> 5] >> (id & 31) & 1))
            fail_msg("\"%s\": token %zu is not allowed", text, i);
        hooks.accept(hooks.context, 0, id);
    }
    token_list_free(&list);
}

/* Bytes that may come next, as the first of a token; "*": anything may, "$": the end. */
static const char *next_bytes(struct fixture *fixture, struct job_mask *mask, char *text) {
    const struct token_mask hooks = job_mask_hooks(mask);
    bool seen[256] = {false};
    char *at = text;
    if (!hooks.allow(hooks.context, 0, fixture->allowed)) return "*";
    for (int32_t id = 0; id < fixture->engine.model.desc.vocab; id++) {
        size_t bytes;
        const char *token = tokenizer_bytes(fixture->engine.tokenizer, id, &bytes);
        if (!(fixture->allowed[id >> 5] >> (id & 31) & 1)) continue;
        seen[id == 1 ? '$' : (unsigned char)token[0]] = true;
    }
    for (int b = 0; b < 256; b++)
        if (seen[b]) *at++ = (char)b;
    *at = '\0';
    return text;
}

static void strict_calls_are_bound_and_text_is_free(void **state) {
    static const struct {
        enum tool_format format;
        const char *before, *head, *behind;
    } rows[] = {{TOOL_FORMAT_FENCED,
                 "Well: <\xEF\xBD\x9Ctool\xE2\x96\x81"
                 "call\xE2\x96\x81"
                 "begin\xEF\xBD\x9C>function",
                 "<\xEF\xBD\x9Ctool\xE2\x96\x81sep\xEF\xBD\x9C>", "\n```json\n"},
                {TOOL_FORMAT_PLAIN, "Well",
                 "<\xEF\xBD\x9Ctool\xE2\x96\x81"
                 "call\xE2\x96\x81"
                 "begin\xEF\xBD\x9C>",
                 "<\xEF\xBD\x9Ctool\xE2\x96\x81sep\xEF\xBD\x9C>"},
                {TOOL_FORMAT_TAGGED, "Well <<tool <tool_cal", "<tool_call>", "\", \"arguments\":"}};
    struct fixture *fixture = *state;
    char text[257];
    if (!fixture->trie) skip();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct job_mask *mask = open_calls(fixture, rows[i].format, false);
        for (int call = 0; call < 2; call++) {
            come(fixture, mask, rows[i].before);
            assert_string_equal(next_bytes(fixture, mask, text), "*");
            come(fixture, mask, rows[i].head);
            if (rows[i].format == TOOL_FORMAT_TAGGED) come(fixture, mask, "\n{\"name\": \"");
            assert_string_equal(next_bytes(fixture, mask, text), "go");
            come(fixture, mask, "get_");
            assert_string_equal(next_bytes(fixture, mask, text), "d");
            come(fixture, mask, "day");
            come(fixture, mask, rows[i].behind);
            come(fixture, mask, "{\"d\":");
            assert_non_null(strchr(next_bytes(fixture, mask, text), '2'));
            assert_null(strchr(text, '3'));
            assert_null(strchr(text, '$'));
            come(fixture, mask, "23");
            come(fixture, mask, "}");
            assert_string_equal(next_bytes(fixture, mask, text), "*");
        }
        assert_false(job_mask_was_cut(mask, 0));
        job_mask_close(mask);
    }
}

static void functions_that_are_not_strict_take_any_object(void **state) {
    struct fixture *fixture = *state;
    char text[257];
    if (!fixture->trie) skip();
    struct job_mask *mask = open_calls(fixture, TOOL_FORMAT_FENCED, false);
    come(fixture, mask, "<\xEF\xBD\x9Ctool\xE2\x96\x81sep\xEF\xBD\x9C>other\n```json\n{\"any\":[1,{}]}");
    assert_string_equal(next_bytes(fixture, mask, text), "*");
    job_mask_close(mask);
}

static void an_answer_that_is_a_call_is_bound_once_it_has_begun_as_one(void **state) {
    struct fixture *fixture = *state;
    char text[257];
    if (!fixture->trie) skip();
    struct job_mask *mask = open_calls(fixture, TOOL_FORMAT_BARE, false);
    come(fixture, mask, "{\"name\": \"");
    assert_string_equal(next_bytes(fixture, mask, text), "*");
    come(fixture, mask, "g");
    assert_string_equal(next_bytes(fixture, mask, text), "e");
    job_mask_close(mask);
    mask = open_calls(fixture, TOOL_FORMAT_BARE, false);
    come(fixture, mask, "{\"name\": \"Bob\"}");
    assert_string_equal(next_bytes(fixture, mask, text), "*");
    job_mask_close(mask);
}

static void an_answer_that_nothing_can_follow_is_cut(void **state) {
    struct fixture *fixture = *state;
    struct grammar *grammar;
    struct job_mask *mask;
    char text[257];
    /* x leads nowhere */
    static const char lines[] = "root ::= \"a\" x | \"b\"\nx ::= \"c\" x";
    if (!fixture->trie) skip();
    assert_int_equal(gbnf_grammar(&grammar, lines, strlen(lines), "test"), STATUS_OK);
    assert_int_equal(job_mask_open(&mask, grammar,
                                   &(struct job_vocabulary){&fixture->engine, fixture->trie, NULL}, 1, false),
                     STATUS_OK);
    assert_string_equal(next_bytes(fixture, mask, text), "b"); /* behind a there would be no end */
    come(fixture, mask, "b");
    assert_string_equal(next_bytes(fixture, mask, text), "$");
    assert_false(job_mask_was_cut(mask, 0));
    const struct token_mask hooks = job_mask_hooks(mask);
    hooks.accept(hooks.context, 0, 5); /* a token that was not allowed: then nothing follows */
    assert_string_equal(next_bytes(fixture, mask, text), "$");
    assert_true(job_mask_was_cut(mask, 0));
    job_mask_close(mask);
}

/* A call of a strict function that has begun ends with its arguments, and what closes it is free. */
static void calls_end_in_their_room(void **state) {
    static const enum tool_format formats[] = {TOOL_FORMAT_FENCED, TOOL_FORMAT_PLAIN, TOOL_FORMAT_TAGGED};
    static const char *const begins[] = {"<\xEF\xBD\x9Ctool\xE2\x96\x81sep\xEF\xBD\x9C>",
                                         "<\xEF\xBD\x9Ctool\xE2\x96\x81"
                                         "call\xE2\x96\x81"
                                         "begin\xEF\xBD\x9C>",
                                         "<tool_call>"};
    struct fixture *fixture = *state;
    char text[257];
    if (!fixture->trie) skip();
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        struct job_mask *mask = open_calls(fixture, formats[i], false);
        const struct token_mask hooks = job_mask_hooks(mask);
        assert_int_equal(hooks.instead(hooks.context, 0, 5, 0), -1); /* nothing binds it yet */
        come(fixture, mask, begins[i]);
        int room = 60;
        for (; room > 0 && strcmp(next_bytes(fixture, mask, text), "*") != 0; room--) {
            int32_t id = 0;
            while (!(fixture->allowed[id >> 5] >> (id & 31) & 1)) id++;
            const int32_t better = hooks.instead(hooks.context, 0, id, room - 1);
            hooks.accept(hooks.context, 0, better >= 0 ? better : id);
        }
        assert_string_equal(next_bytes(fixture, mask, text), "*");
        job_mask_close(mask);
    }
}

static int32_t token_of(const struct fixture *fixture, const char *text) {
    struct token_list list = {0};
    assert_int_equal(tokenizer_encode(fixture->engine.tokenizer, text, strlen(text), TOKENIZE_PLAIN, &list),
                     STATUS_OK);
    assert_int_equal(list.count, 1);
    const int32_t id = list.id[0];
    token_list_free(&list);
    return id;
}

/* Where only the end is left, it comes; where no room suffices, anything. */
static void answers_end_in_their_room(void **state) {
    static const char lines[] = "root ::= (\"ab\" \"cdef\")*";
    struct fixture *fixture = *state;
    struct grammar *grammar;
    struct job_mask *mask;
    if (!fixture->trie) skip();
    assert_int_equal(gbnf_grammar(&grammar, lines, strlen(lines), "test"), STATUS_OK);
    assert_int_equal(job_mask_open(&mask, grammar,
                                   &(struct job_vocabulary){&fixture->engine, fixture->trie, NULL}, 1, false),
                     STATUS_OK);
    const struct token_mask hooks = job_mask_hooks(mask);
    const int32_t a = token_of(fixture, "a"), b = token_of(fixture, "b");
    assert_int_equal(hooks.instead(hooks.context, 0, 1, 0), -1); /* the end itself */
    assert_int_equal(hooks.instead(hooks.context, 0, a, 0), 1);
    assert_int_equal(hooks.instead(hooks.context, 0, a, 5), -1);
    come(fixture, mask, "a");
    assert_int_equal(hooks.instead(hooks.context, 0, b, 0), -1);
    job_mask_close(mask);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_calls_are_bound_and_text_is_free),
        cmocka_unit_test(functions_that_are_not_strict_take_any_object),
        cmocka_unit_test(an_answer_that_is_a_call_is_bound_once_it_has_begun_as_one),
        cmocka_unit_test(an_answer_that_nothing_can_follow_is_cut),
        cmocka_unit_test(calls_end_in_their_room),
        cmocka_unit_test(answers_end_in_their_room),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
