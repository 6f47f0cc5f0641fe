/* Endings: how far the end of a grammar is, the shortest text to it, and random texts that come to it in the tokens that they
 * have. */
#include "text/mask_ending.h"

#include "base/json.h"
#include "base/rng.h"
#include "text/gbnf.h"
#include "text/json_grammar.h"
#include "text/token_mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct grammar *gbnf(const char *lines) {
    struct grammar *grammar;
    if (gbnf_grammar(&grammar, lines, strlen(lines), "test") != STATUS_OK) fail_msg("%s", status_message());
    return grammar;
}

static struct grammar *schema(const char *text) {
    json_t *root;
    struct grammar *grammar;
    assert_int_equal(json_parse(text, strlen(text), "test", &root), STATUS_OK);
    if (schema_grammar(&grammar, root, "schema") != STATUS_OK) fail_msg("%s: %s", text, status_message());
    json_decref(root);
    return grammar;
}

/* The shortest text that goes on behind `begin`, or the first bytes of it. */
static int32_t shortest(const struct grammar *grammar, const char *begin, struct buffer *text) {
    struct matcher matcher;
    assert_int_equal(matcher_open(&matcher, grammar), STATUS_OK);
    if (*begin) assert_true(matcher_push(&matcher, begin, strlen(begin)));
    const int32_t rest = matcher_rest(&matcher, &matcher.set);
    buffer_clear(text);
    buffer_append_text(text, "");
    assert_true(matcher_shortest(&matcher, &matcher.set, 200, text));
    assert_int_equal(text->bytes, rest < 200 ? rest : 200);
    matcher_close(&matcher);
    return rest;
}

static void follows(const struct grammar *grammar, const char *begin, const struct buffer *text) {
    struct matcher matcher;
    assert_int_equal(matcher_open(&matcher, grammar), STATUS_OK);
    if (*begin) assert_true(matcher_push(&matcher, begin, strlen(begin)));
    if (text->bytes) assert_true(matcher_push(&matcher, text->data, text->bytes));
    assert_true(matcher_may_end(&matcher));
    matcher_close(&matcher);
}

static void shortest_texts_are_found(void **state) {
    static const struct {
        const char *lines, *begin, *text;
    } rows[] = {
        {"root ::= \"abc\" | \"de\" | \"fgh\"", "", "de"},
        {"root ::= \"abc\" | \"de\" | \"fgh\"", "f", "gh"},
        {"root ::= x*\nx ::= \"a\" y\ny ::= \"b\" | x \"c\" | \"\"", "", ""},
        {"root ::= x* \".\"\nx ::= \"a\" y\ny ::= \"b\"* | x \"c\"", "aaa", "."},
        {"root ::= x \".\"\nx ::= \"a\" y\ny ::= \"bb\"+ | x \"c\"", "aaa", "bbcc."},
        {"root ::= [a-z]{7} (\"!\" | y)\ny ::= \"?\"? y1\ny1 ::= \"\"", "xy", "aaaaa"},
        {"root ::= list\nlist ::= \"[\" (list (\",\" list)*)? \"]\"", "[[],[[", "]]]"},
        {"root ::= (\"\" | z)* \"q\"\nz ::= (\"\" | w)*\nw ::= \"\" | \"a\"", "", "q"},
        {"root ::= \"a\" root \"a\" | \"b\"", "aaaaa", "baaaaa"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct grammar *grammar = gbnf(rows[i].lines);
        struct buffer text = {0};
        (void)shortest(grammar, rows[i].begin, &text);
        assert_string_equal(text.data, rows[i].text);
        follows(grammar, rows[i].begin, &text);
        buffer_free(&text);
        grammar_close(grammar);
    }
}

/* Texts of astronomical length, and rules that come to nothing in as many steps. */
static void what_is_too_long_is_known_to_be(void **state) {
    struct buffer twice = {0}, empty = {0}, chain = {0}, text = {0};
    (void)state;
    for (int i = 0; i < 50; i++)
        buffer_printf(&twice, "%s%d ::= \"(\" r%d r%d\n", i ? "r" : "root ::= r0\nr", i, i + 1, i + 1);
    buffer_append_text(&twice, "r50 ::= \"x\"\n");
    struct grammar *grammar = gbnf(twice.data);
    assert_int_equal(shortest(grammar, "((((", &text), GRAMMAR_REST_LIMIT);
    grammar_close(grammar);
    for (int i = 0; i < 50; i++)
        buffer_printf(&empty, "%s%d ::= r%d r%d\n", i ? "r" : "root ::= \"a\" r0 \"b\" r0 \"c\"\nr", i, i + 1,
                      i + 1);
    buffer_append_text(&empty, "r50 ::= \"x\"?\n");
    grammar = gbnf(empty.data);
    assert_int_equal(shortest(grammar, "", &text), 3);
    assert_string_equal(text.data, "abc");
    grammar_close(grammar);
    for (int i = 0; i < 5000; i++)
        buffer_printf(&chain, "%s%d ::= r%d\n", i ? "r" : "root ::= r0 r0\nr", i, i + 1);
    buffer_append_text(&chain, "r5000 ::= \"x\"\n");
    grammar = gbnf(chain.data);
    assert_int_equal(shortest(grammar, "", &text), 2);
    grammar_close(grammar);
    buffer_free(&twice);
    buffer_free(&empty);
    buffer_free(&chain);
    buffer_free(&text);
}

/* ---- random texts ---- */

struct fixture {
    struct tokenizer *tokenizer;
    struct token_trie *trie;
    uint32_t *allowed;
};

static int open_fixture(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    *state = fixture;
    if (tokenizer_open(&fixture->tokenizer, "../shared/models/tiny-v3") != STATUS_OK) return 0;
    const int32_t vocabulary = tokenizer_vocabulary(fixture->tokenizer);
    fixture->allowed = calloc((size_t)vocabulary / 32 + 1, sizeof(uint32_t));
    return token_trie_open(&fixture->trie, fixture->tokenizer, vocabulary) != STATUS_OK;
}

static int close_fixture(void **state) {
    struct fixture *fixture = *state;
    token_trie_close(fixture->trie);
    tokenizer_close(fixture->tokenizer);
    free(fixture->allowed);
    free(fixture);
    return 0;
}

/* Any allowed token, the same for the same numbers. */
static int32_t random_token(const struct fixture *fixture, struct rng *rng) {
    int32_t chosen = -1;
    uint64_t count = 0;
    for (int32_t id = 0; id < tokenizer_vocabulary(fixture->tokenizer); id++)
        if (fixture->allowed[id >> 5] >> (id & 31) & 1 && rng_next(rng) % ++count == 0) chosen = id;
    return chosen;
}

/* A text of so many tokens at most. True: it came to its end. */
static bool write_text(const struct fixture *fixture, struct mask_table *table, const struct grammar *grammar,
                       int room, struct rng *rng) {
    struct matcher matcher;
    struct mask_ending ending = {0};
    const struct control_token none = {.id = -1};
    assert_int_equal(matcher_open(&matcher, grammar), STATUS_OK);
    for (; room > 0; room--) {
        assert_true(mask_table_allow(table, &matcher, fixture->allowed));
        struct chosen_token chosen = {.id = random_token(fixture, rng), .room = room - 1};
        if (chosen.id < 0) break;
        chosen.text = tokenizer_bytes(fixture->tokenizer, chosen.id, &chosen.bytes);
        const int32_t instead = mask_ending_choose(&ending, fixture->trie, &matcher, &none, &chosen);
        if (instead == ENDING_NOW) break;
        if (instead >= 0) {
            assert_true(fixture->allowed[instead >> 5] >> (instead & 31) & 1);
            chosen.id = instead;
            chosen.text = tokenizer_bytes(fixture->tokenizer, instead, &chosen.bytes);
        }
        assert_true(mask_ending_push(&ending, &matcher, &chosen));
    }
    const bool ended = matcher_may_end(&matcher);
    matcher_close(&matcher);
    mask_ending_free(&ending);
    return ended;
}

/* `tokens`: in so many it can be said; -1: in as many as it has bytes. */
static void try_rooms(const struct fixture *fixture, struct grammar *grammar, int tokens) {
    struct mask_table *table;
    struct matcher matcher;
    struct rng rng;
    rng_seed(&rng, 11);
    assert_int_equal(matcher_open(&matcher, grammar), STATUS_OK);
    if (tokens < 0) tokens = matcher_rest(&matcher, &matcher.set);
    matcher_close(&matcher);
    assert_int_equal(mask_table_open(&table, fixture->trie, grammar, NULL), STATUS_OK);
    for (int more = 0; more < 60; more = 2 * more + 1)
        for (int run = 0; run < 5; run++)
            if (!write_text(fixture, table, grammar, tokens + more, &rng))
                fail_msg("no end in %d + %d tokens", tokens, more);
    mask_table_close(table);
    grammar_close(grammar);
}

static void texts_end_in_their_room(void **state) {
    static const char *const schemas[] = {
        "{\"type\":\"object\"}",
        "{\"type\":\"array\",\"minItems\":9,\"items\":{\"type\":\"integer\",\"minimum\":700}}",
        "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\","
        "\"minLength\":12},\"kind\":{\"enum\":[\"large\",\"small\"]}},\"required\":[\"name\",\"kind\"]}}",
        "{\"$ref\":\"#/$defs/t\",\"$defs\":{\"t\":{\"type\":\"object\",\"properties\":{\"left\":{\"anyOf\":[{"
        "\"$ref\":\"#/$defs/"
        "t\"},{\"type\":\"null\"}]},\"name\":{\"type\":\"string\",\"pattern\":\"^[a-f]{5,}-$\"}},"
        "\"required\":[\"left\",\"name\"],\"additionalProperties\":false}}}",
        "{\"type\":\"string\",\"format\":\"date-time\"}",
        "{\"enum\":[\"\xE4\xB8\xAD\xE6\x96\x87\",\"\xF0\x9F\x98\x80\xF0\x9F\x98\x80\"]}"};
    const struct fixture *fixture = *state;
    if (!fixture->trie) skip();
    for (size_t i = 0; i < COUNT_OF(schemas); i++) try_rooms(fixture, schema(schemas[i]), -1);
    try_rooms(fixture, gbnf("root ::= (\"a\" [b-z]{30} \".\")*"), -1);
}

/* Longer than what is cut into tokens, and in far fewer tokens than bytes: runs of one sign are tokens. */
static void long_endings_are_cut_into_tokens(void **state) {
    const struct fixture *fixture = *state;
    if (!fixture->trie) skip();
    try_rooms(fixture, schema("{\"type\":\"string\",\"minLength\":6000}"), 5900);
    try_rooms(fixture, gbnf("root ::= (\"the king\" \" the king\"{20} \".\")+"), 90);
}

static void what_fits_in_no_room_goes_on_freely(void **state) {
    const struct fixture *fixture = *state;
    struct mask_table *table;
    struct rng rng;
    if (!fixture->trie) skip();
    struct grammar *grammar = schema("{\"type\":\"string\",\"minLength\":300}");
    assert_int_equal(mask_table_open(&table, fixture->trie, grammar, NULL), STATUS_OK);
    rng_seed(&rng, 3);
    assert_false(write_text(fixture, table, grammar, 3, &rng));
    mask_table_close(table);
    grammar_close(grammar);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shortest_texts_are_found),
        cmocka_unit_test(what_is_too_long_is_known_to_be),
        cmocka_unit_test(texts_end_in_their_room),
        cmocka_unit_test(long_endings_are_cut_into_tokens),
        cmocka_unit_test(what_fits_in_no_room_goes_on_freely),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
