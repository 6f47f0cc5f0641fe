/* test_sequence.c - lists of tokens with roles, and the pages of their cached prefix. */
#include "engine/engine.h"
#include "support/small_model.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

enum { CONTEXT = 200, MAX_ROWS = 48, TOKENS = 150 };

static struct scratch scratch;
static struct engine *engine;

static void require(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static int32_t token_at(int place, int salt) {
    return (37 * place * place + 11 * place + 101 * salt + 5) % 1000;
}

static struct sequence *open_sequence(void) {
    struct sequence *sequence;
    require(sequence_open(&sequence, engine));
    return sequence;
}

static void append(struct sequence *sequence, int count, int salt, enum token_role role) {
    for (int i = 0; i < count; i++)
        require(sequence_append(sequence, &(int32_t){token_at(sequence->tokens, salt)}, 1, role));
}

/* Logits behind the last token, to be freed. */
static float *last_logits(struct sequence *sequence) {
    float *logits = malloc((size_t)engine->model.desc.vocab * sizeof *logits);
    int32_t row;
    require(engine_prefill(engine, sequence, NULL, NULL, &row));
    engine_logits(engine, &row, 1, logits);
    return logits;
}

static void expect_same_logits(struct sequence *a, struct sequence *b) {
    float *ours = last_logits(a), *theirs = last_logits(b);
    assert_memory_equal(ours, theirs, (size_t)engine->model.desc.vocab * sizeof *ours);
    free(ours);
    free(theirs);
}

static int pages_of(int tokens) {
    return (tokens + KV_PAGE_TOKENS - 1) / KV_PAGE_TOKENS;
}

/* ---- appending ---- */

static void refuses_what_does_not_fit(void **state) {
    (void)state;
    struct sequence *sequence = open_sequence();
    int32_t token[CONTEXT + 1] = {0}, outside[3] = {5, 1024, 6}, negative = -1;
    assert_int_equal(sequence_append(sequence, token, CONTEXT + 1, TOKEN_PROMPT), STATUS_LIMIT);
    assert_non_null(strstr(status_message(), "201"));
    assert_non_null(strstr(status_message(), "200"));
    assert_int_equal(sequence->tokens, 0);
    append(sequence, 7, 0, TOKEN_PROMPT);
    assert_int_equal(sequence_append(sequence, outside, 3, TOKEN_PROMPT), STATUS_INPUT);
    assert_non_null(strstr(status_message(), "1024 at place 8"));
    assert_int_equal(sequence_append(sequence, &negative, 1, TOKEN_PROMPT), STATUS_INPUT);
    assert_int_equal(sequence->tokens, 7);
    require(sequence_append(sequence, token, CONTEXT - 7, TOKEN_PROMPT));
    assert_int_equal(sequence_append(sequence, token, 1, TOKEN_GENERATED), STATUS_LIMIT);
    assert_int_equal(sequence->tokens, CONTEXT);
    require(sequence_append(sequence, token, 0, TOKEN_GENERATED));
    sequence_close(sequence);
}

static void no_more_sequences_than_planned(void **state) {
    (void)state;
    struct sequence *a = open_sequence(), *b = open_sequence(), *c;
    assert_int_equal(sequence_open(&c, engine), STATUS_LIMIT);
    assert_null(c);
    sequence_close(a);
    require(sequence_open(&c, engine));
    sequence_close(b);
    sequence_close(c);
    sequence_close(NULL);
}

/* ---- pages ---- */

/* Both full to the context at once: the plan has a page for every token of every sequence. */
static void pages_suffice_and_are_never_shared(void **state) {
    (void)state;
    struct sequence *a = open_sequence(), *b = open_sequence();
    append(a, CONTEXT, 0, TOKEN_PROMPT);
    append(b, CONTEXT, 0, TOKEN_PROMPT);
    expect_same_logits(a, b);
    assert_int_equal(a->pages, pages_of(CONTEXT));
    assert_int_equal(b->pages, pages_of(CONTEXT));
    assert_int_equal(engine->kv.free_pages, 0);
    for (int i = 0; i < a->pages; i++)
        for (int j = 0; j < b->pages; j++) assert_int_not_equal(a->page[i], b->page[j]);
    sequence_close(a);
    assert_int_equal(engine->kv.free_pages, pages_of(CONTEXT));
    sequence_close(b);
    assert_int_equal(engine->kv.free_pages, engine->kv.pages);
}

static void truncation_returns_whole_pages(void **state) {
    (void)state;
    static const int keeps[] = {TOKENS, 129, 128, 127, 65, 64, 63, 1, 0, 0};
    struct sequence *sequence = open_sequence();
    append(sequence, TOKENS, 0, TOKEN_PROMPT);
    sequence_truncate(sequence, TOKENS + 1);
    assert_int_equal(sequence->tokens, TOKENS);
    free(last_logits(sequence));
    for (size_t i = 0; i < COUNT_OF(keeps); i++) {
        sequence_truncate(sequence, keeps[i]);
        assert_int_equal(sequence->tokens, keeps[i]);
        assert_int_equal(sequence->cached, keeps[i]);
        assert_int_equal(sequence->pages, pages_of(keeps[i]));
        assert_int_equal(engine->kv.free_pages, engine->kv.pages - pages_of(keeps[i]));
    }
    sequence_close(sequence);
}

static void truncation_keeps_what_is_not_cached_out_of_the_cache(void **state) {
    (void)state;
    struct sequence *sequence = open_sequence();
    append(sequence, 100, 0, TOKEN_PROMPT);
    require(engine_step(engine, &(struct step_item){sequence, 40}, 1));
    sequence_truncate(sequence, 70);
    assert_int_equal(sequence->tokens, 70);
    assert_int_equal(sequence->cached, 40);
    assert_int_equal(sequence->pages, 1);
    sequence_close(sequence);
}

/* What stood behind the cut leaves no trace, wherever in a page the cut is. */
static void a_cut_sequence_goes_on_like_a_new_one(void **state) {
    (void)state;
    static const int cuts[] = {1, 63, 64, 65, 127, 128, 149};
    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        struct sequence *cut = open_sequence(), *fresh = open_sequence();
        append(cut, TOKENS, 0, TOKEN_PROMPT);
        free(last_logits(cut));
        sequence_truncate(cut, cuts[i]);
        append(cut, 20, 1, TOKEN_PROMPT);
        append(fresh, cuts[i], 0, TOKEN_PROMPT);
        append(fresh, 20, 1, TOKEN_PROMPT);
        expect_same_logits(cut, fresh);
        sequence_close(cut);
        sequence_close(fresh);
    }
}

/* ---- assigning ---- */

/* Assigns `same` tokens of the old prompt and `other` ones; expects so many to stay cached, and the logits of a sequence
 * that never held anything else. */
static void expect_assign(int same, int other, int cached) {
    struct sequence *sequence = open_sequence(), *fresh = open_sequence();
    int32_t token[CONTEXT];
    append(sequence, TOKENS, 0, TOKEN_PROMPT);
    free(last_logits(sequence));
    for (int i = 0; i < same + other; i++) token[i] = token_at(i, i < same ? 0 : 1);
    require(sequence_assign(sequence, token, same + other));
    assert_int_equal(sequence->tokens, same + other);
    assert_int_equal(sequence->cached, cached);
    assert_int_equal(sequence->pages, pages_of(cached));
    assert_memory_equal(sequence->token, token, (size_t)(same + other) * sizeof *token);
    if (same + other) {
        require(sequence_assign(fresh, token, same + other));
        expect_same_logits(sequence, fresh);
    }
    sequence_close(sequence);
    sequence_close(fresh);
}

static void assigning_keeps_the_common_prefix(void **state) {
    (void)state;
    expect_assign(TOKENS, 0, TOKENS - 1); /* equal: the last one is left, for its logits */
    expect_assign(TOKENS, 10, TOKENS);    /* longer */
    expect_assign(129, 0, 128);           /* shorter, the cut behind a page */
    expect_assign(128, 0, 127);
    expect_assign(64, 30, 64);
    expect_assign(1, 0, 0);
    expect_assign(0, 90, 0); /* nothing in common */
    expect_assign(0, 0, 0);
}

/* The tokens of an answer that are cached stay what they were; one that is not becomes part of the prompt. */
static void assigning_makes_prompt_of_what_is_not_cached(void **state) {
    (void)state;
    struct sequence *sequence = open_sequence();
    int32_t token[70];
    for (int i = 0; i < 70; i++) token[i] = token_at(i, 0);
    append(sequence, 60, 0, TOKEN_PROMPT);
    append(sequence, 3, 0, TOKEN_GENERATED);
    free(last_logits(sequence));
    append(sequence, 1, 0, TOKEN_GENERATED);
    require(sequence_assign(sequence, token, 70));
    assert_int_equal(sequence->cached, 63);
    for (int i = 0; i < 70; i++)
        assert_int_equal(sequence->role[i], i >= 60 && i < 63 ? TOKEN_GENERATED : TOKEN_PROMPT);
    sequence_close(sequence);
}

static void a_failed_assignment_leaves_the_prefix(void **state) {
    (void)state;
    struct sequence *sequence = open_sequence();
    int32_t token[CONTEXT + 1];
    for (int i = 0; i <= CONTEXT; i++) token[i] = token_at(i, i < 80 ? 0 : 1);
    append(sequence, TOKENS, 0, TOKEN_PROMPT);
    free(last_logits(sequence));
    assert_int_equal(sequence_assign(sequence, token, CONTEXT + 1), STATUS_LIMIT);
    assert_int_equal(sequence->tokens, 80);
    assert_int_equal(sequence->cached, 80);
    token[90] = 5000;
    assert_int_equal(sequence_assign(sequence, token, 100), STATUS_INPUT);
    assert_int_equal(sequence->tokens, 80);
    sequence_close(sequence);
}

static int open_small(void **state) {
    (void)state;
    scratch_open(&scratch);
    engine = small_model_open(small_model_write(&scratch), CONTEXT, MAX_ROWS);
    return 0;
}
static int close_small(void **state) {
    (void)state;
    engine_close(engine);
    scratch_close(&scratch);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(no_more_sequences_than_planned),
        cmocka_unit_test(pages_suffice_and_are_never_shared),
        cmocka_unit_test(truncation_returns_whole_pages),
        cmocka_unit_test(truncation_keeps_what_is_not_cached_out_of_the_cache),
        cmocka_unit_test(a_cut_sequence_goes_on_like_a_new_one),
        cmocka_unit_test(assigning_keeps_the_common_prefix),
        cmocka_unit_test(assigning_makes_prompt_of_what_is_not_cached),
        cmocka_unit_test(a_failed_assignment_leaves_the_prefix),
    };
    return cmocka_run_group_tests(tests, open_small, close_small);
}
