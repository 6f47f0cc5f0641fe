/* test_generate.c - the loop that generates, on a model of random weights: what ends it, what is shown, what is kept. */
#include "engine/generate.h"
#include "support/golden.h"
#include "support/small_model.h"
#include "text/utf8.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT = 96, PROMPT = 9, TOKENS = 40, MOST = 128 };

static const int32_t prompt[PROMPT] = {0, 285, 78, 302, 17, 901, 33, 402, 99};

struct fixture {
    struct scratch scratch;
    struct engine *engine;
};

static int open_fixture(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture) return 1;
    scratch_open(&fixture->scratch);
    fixture->engine = small_model_open(small_model_write(&fixture->scratch), CONTEXT, 4);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    struct fixture *fixture = *state;
    engine_close(fixture->engine);
    scratch_close(&fixture->scratch);
    free(fixture);
    return 0;
}

/* What a generation left behind. */
struct outcome {
    struct buffer text;
    int32_t id[MOST], piece_id[MOST];
    struct choice choice[MOST];
    int pieces, texts, prefills, stop_after; /* stop_after: pieces until the event cancels; 0: never */
    bool stop_prefill;
    enum finish finish;
    struct generation_timings timings;
    enum status status;
};

static bool hear_prefill(void *context, int done, int total) {
    struct outcome *outcome = context;
    assert_true(done > 0 && done <= total);
    outcome->prefills++;
    return !outcome->stop_prefill;
}

static bool hear_piece(void *context, const struct piece *piece) {
    struct outcome *outcome = context;
    assert_int_equal(utf8_valid_bytes(piece->text, piece->bytes), piece->bytes);
    buffer_append(&outcome->text, piece->text, piece->bytes);
    outcome->texts += piece->bytes > 0;
    if (!piece->choice) return true;
    outcome->choice[outcome->pieces] = *piece->choice;
    outcome->piece_id[outcome->pieces++] = piece->choice->id;
    return outcome->pieces != outcome->stop_after;
}

static struct generation_options greedy(int64_t tokens) {
    return (struct generation_options){.sampling = sampling_default(), .max_tokens = tokens};
}

/* Runs on the sequence as it stands. */
static void run(struct sequence *sequence, struct generation_options options, struct outcome *outcome) {
    struct generation generation;
    buffer_append(&outcome->text, "", 0);
    outcome->status = generation_open(&generation, sequence, &options);
    if (outcome->status != STATUS_OK) return;
    outcome->status =
        generation_run(&generation, &(struct generation_events){outcome, hear_prefill, hear_piece});
    outcome->finish = generation.reply.finish;
    outcome->timings = generation.timings;
    if (generation.timings.generated_tokens > 0)
        memcpy(outcome->id, generation.reply.id,
               (size_t)generation.timings.generated_tokens * sizeof *outcome->id);
    if (outcome->status == STATUS_OK) {
        assert_int_equal(outcome->pieces, outcome->timings.generated_tokens);
        assert_memory_equal(outcome->id, outcome->piece_id, (size_t)outcome->pieces * sizeof *outcome->id);
    }
    generation_close(&generation);
}

static struct sequence *new_sequence(struct engine *engine, int tokens) {
    struct sequence *sequence;
    assert_int_equal(sequence_open(&sequence, engine), STATUS_OK);
    for (int i = 0; i < tokens; i++)
        assert_int_equal(sequence_append(sequence, &prompt[i % PROMPT], 1, TOKEN_PROMPT), STATUS_OK);
    return sequence;
}

/* Runs behind a fresh prompt. The caller frees `outcome->text`. */
static void run_fresh(struct engine *engine, struct generation_options options, struct outcome *outcome) {
    struct sequence *sequence = new_sequence(engine, PROMPT);
    run(sequence, options, outcome);
    sequence_close(sequence);
}

static void detokenize(const struct engine *engine, const int32_t *id, int count, struct buffer *text) {
    struct detokenizer detokenizer = {.tokenizer = engine->tokenizer};
    buffer_append(text, "", 0);
    for (int i = 0; i < count; i++) detokenizer_push(&detokenizer, id[i], text);
    detokenizer_finish(&detokenizer, text);
}

/* ---- tokens and text ---- */

static void ids_are_those_of_the_logits(void **state) {
    struct engine *engine = ((struct fixture *)*state)->engine;
    int64_t vocab = engine->model.desc.vocab;
    float *logits = malloc((size_t)vocab * sizeof *logits);
    struct outcome outcome = {0};
    struct buffer text = {0};
    assert_non_null(logits);
    run_fresh(engine, greedy(TOKENS), &outcome);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.finish, FINISH_LENGTH);
    assert_int_equal(outcome.timings.generated_tokens, TOKENS);
    struct sequence *sequence = new_sequence(engine, PROMPT);
    for (int i = 0; i < TOKENS; i++) {
        int32_t row;
        assert_int_equal(engine_prefill(engine, sequence, NULL, NULL, &row), STATUS_OK);
        engine_logits(engine, &row, 1, logits);
        assert_int_equal(outcome.id[i], argmax_of(logits, vocab));
        assert_int_equal(sequence_append(sequence, &outcome.id[i], 1, TOKEN_GENERATED), STATUS_OK);
    }
    sequence_close(sequence);
    detokenize(engine, outcome.id, TOKENS, &text);
    assert_string_equal(outcome.text.data, text.data);
    assert_true(text.bytes > TOKENS);
    assert_string_equal(finish_name(outcome.finish), "length");
    buffer_free(&text);
    buffer_free(&outcome.text);
    free(logits);
}

static void the_sequence_holds_prompt_and_answer(void **state) {
    struct engine *engine = ((struct fixture *)*state)->engine;
    struct sequence *sequence = new_sequence(engine, PROMPT);
    struct outcome first = {0}, second = {0}, whole = {0};
    run(sequence, greedy(10), &first);
    assert_int_equal(sequence->tokens, PROMPT + 10);
    assert_int_equal(sequence->cached, PROMPT + 9);
    assert_memory_equal(sequence->token, prompt, sizeof prompt);
    assert_memory_equal(sequence->token + PROMPT, first.id, 10 * sizeof *first.id);
    assert_int_equal(first.timings.prompt_tokens, PROMPT);
    assert_int_equal(first.timings.cached_tokens, 0);
    assert_int_equal(first.prefills, 3); /* steps of 4 */
    run(sequence, greedy(10), &second);  /* goes on where the first ended */
    assert_int_equal(second.timings.prompt_tokens, PROMPT + 10);
    assert_int_equal(second.timings.cached_tokens, PROMPT + 9);
    sequence_close(sequence);
    run_fresh(engine, greedy(20), &whole);
    assert_memory_equal(whole.id, first.id, 10 * sizeof *first.id);
    assert_memory_equal(whole.id + 10, second.id, 10 * sizeof *first.id);
    buffer_free(&first.text);
    buffer_free(&second.text);
    buffer_free(&whole.text);
}

static void a_seed_decides_the_text(void **state) {
    struct engine *engine = ((struct fixture *)*state)->engine;
    struct generation_options options = greedy(TOKENS);
    struct outcome runs[3] = {0};
    options.sampling.temperature = 1;
    for (int i = 0; i < 3; i++) {
        options.sampling.seed = i < 2 ? 1 : 2;
        run_fresh(engine, options, &runs[i]);
        assert_int_equal(runs[i].status, STATUS_OK);
    }
    assert_memory_equal(runs[0].id, runs[1].id, TOKENS * sizeof *runs[0].id);
    assert_string_equal(runs[0].text.data, runs[1].text.data);
    assert_memory_not_equal(runs[0].id, runs[2].id, TOKENS * sizeof *runs[0].id);
    for (int i = 0; i < 3; i++) buffer_free(&runs[i].text);
}

static void logprobs_come_with_each_token(void **state) {
    struct engine *engine = ((struct fixture *)*state)->engine;
    struct generation_options options = greedy(8);
    struct outcome outcome = {0};
    options.sampling.logprobs = 3;
    run_fresh(engine, options, &outcome);
    for (int i = 0; i < 8; i++) {
        const struct choice *choice = &outcome.choice[i];
        assert_int_equal(choice->tops, 3);
        assert_int_equal(choice->top[0].id, choice->id); /* greedy */
        assert_true(choice->logprob < 0 && choice->logprob == choice->top[0].logprob);
        assert_true(choice->top[0].logprob >= choice->top[1].logprob);
        double sum = 0;
        for (int t = 0; t < 3; t++) sum += exp((double)choice->top[t].logprob);
        assert_true(sum < 1);
    }
    buffer_free(&outcome.text);
}

/* ---- ends ---- */

static void the_context_ends_an_answer(void **state) {
    struct engine *engine = ((struct fixture *)*state)->engine;
    for (int tokens = CONTEXT - 2; tokens <= CONTEXT; tokens++) {
        struct sequence *sequence = new_sequence(engine, tokens);
        struct outcome outcome = {0};
        run(sequence, greedy(-1), &outcome);
        assert_int_equal(outcome.status, STATUS_OK);
        assert_int_equal(outcome.finish, FINISH_LENGTH);
        assert_int_equal(outcome.timings.generated_tokens, CONTEXT - tokens);
        assert_int_equal(sequence->tokens, CONTEXT);
        sequence_close(sequence);
        buffer_free(&outcome.text);
    }
}

static void no_tokens_are_a_prefill(void **state) {
    struct engine *engine = ((struct fixture *)*state)->engine;
    struct sequence *sequence = new_sequence(engine, PROMPT);
    struct outcome outcome = {0};
    run(sequence, greedy(0), &outcome);
    assert_int_equal(outcome.finish, FINISH_LENGTH);
    assert_int_equal(outcome.timings.generated_tokens, 0);
    assert_int_equal(sequence->cached, PROMPT);
    sequence_close(sequence);
    buffer_free(&outcome.text);
}

static void an_end_token_ends_an_answer(void **state) {
    struct engine *engine = ((struct fixture *)*state)->engine;
    struct generation_options options = greedy(TOKENS);
    struct outcome hidden = {0}, shown = {0};
    assert_true(engine->end_tokens > 0);
    struct logit_bias bias = {engine->end_token[0], 100};
    options.sampling.bias = &bias, options.sampling.biases = 1;
    run_fresh(engine, options, &hidden);
    assert_int_equal(hidden.finish, FINISH_STOP);
    assert_int_equal(hidden.timings.generated_tokens, 1);
    assert_int_equal(hidden.id[0], engine->end_token[0]);
    assert_int_equal(hidden.text.bytes, 0);
    options.show_special = true;
    run_fresh(engine, options, &shown);
    assert_int_equal(shown.finish, FINISH_STOP);
    size_t bytes;
    const char *content = tokenizer_bytes(engine->tokenizer, engine->end_token[0], &bytes);
    assert_int_equal(shown.text.bytes, bytes);
    assert_memory_equal(shown.text.data, content, bytes);
    buffer_free(&hidden.text);
    buffer_free(&shown.text);
}

/* Every stretch of the answer as a stop string: the text ends before it, and no part of it was shown. */
static void stop_strings_may_span_tokens(void **state) {
    struct engine *engine = ((struct fixture *)*state)->engine;
    struct outcome whole = {0};
    run_fresh(engine, greedy(12), &whole);
    const char *text = whole.text.data;
    for (size_t begin = 1; begin + 9 < whole.text.bytes; begin += 3) {
        if (((unsigned char)text[begin] & 0xc0) == 0x80) continue; /* inside a character */
        char stop[16] = {0};
        memcpy(stop, text + begin, utf8_valid_bytes(text + begin, 7));
        struct generation_options options = greedy(12);
        options.stop = (const char *const[]){"never to be seen", stop};
        options.stops = 2;
        struct outcome cut = {0};
        run_fresh(engine, options, &cut);
        assert_int_equal(cut.finish, FINISH_STOP);
        assert_int_equal(cut.text.bytes, strstr(text, stop) - text);
        assert_memory_equal(cut.text.data, text, cut.text.bytes);
        assert_true(cut.timings.generated_tokens <= 12);
        buffer_free(&cut.text);
    }
    buffer_free(&whole.text);
}

/* A stop string that does not come in the end holds nothing back for good. */
static void an_unfinished_stop_string_is_shown(void **state) {
    struct engine *engine = ((struct fixture *)*state)->engine;
    struct outcome whole = {0}, held = {0};
    run_fresh(engine, greedy(12), &whole);
    struct buffer stop = {0};
    buffer_append(&stop, whole.text.data, whole.text.bytes);
    buffer_append_text(&stop, "and more");
    struct generation_options options = greedy(12);
    options.stop = (const char *const[]){stop.data};
    options.stops = 1;
    run_fresh(engine, options, &held);
    assert_int_equal(held.finish, FINISH_LENGTH);
    assert_string_equal(held.text.data, whole.text.data);
    assert_int_equal(held.texts, 1); /* all at the end */
    buffer_free(&stop);
    buffer_free(&whole.text);
    buffer_free(&held.text);
}

/* ---- cancelling ---- */

static void a_flag_cancels(void **state) {
    struct engine *engine = ((struct fixture *)*state)->engine;
    atomic_bool cancel = true;
    struct generation_options options = greedy(TOKENS);
    struct outcome outcome = {0};
    options.cancel = &cancel;
    run_fresh(engine, options, &outcome);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.finish, FINISH_CANCELLED);
    assert_int_equal(outcome.timings.generated_tokens, 0);
    assert_int_equal(outcome.prefills, 1);
    buffer_free(&outcome.text);
}

/* A prompt of one step has been read when its only event comes: nothing is generated all the same. */
static void the_last_step_can_be_stopped(void **state) {
    struct engine *engine = ((struct fixture *)*state)->engine;
    struct outcome early = {.stop_prefill = true};
    struct sequence *sequence = new_sequence(engine, 3);
    run(sequence, greedy(TOKENS), &early);
    assert_int_equal(early.status, STATUS_OK);
    assert_int_equal(early.finish, FINISH_CANCELLED);
    assert_int_equal(early.prefills, 1);
    assert_int_equal(early.timings.generated_tokens, 0);
    assert_int_equal(sequence->tokens, 3);
    sequence_close(sequence);
    buffer_free(&early.text);
}

static void events_cancel(void **state) {
    struct engine *engine = ((struct fixture *)*state)->engine;
    struct outcome early = {.stop_prefill = true}, late = {.stop_after = 3};
    struct sequence *sequence = new_sequence(engine, PROMPT);
    run(sequence, greedy(TOKENS), &early);
    assert_int_equal(early.status, STATUS_OK);
    assert_int_equal(early.finish, FINISH_CANCELLED);
    assert_int_equal(sequence->cached, 4);
    run(sequence, greedy(TOKENS), &late); /* goes on behind what was cached */
    assert_int_equal(late.finish, FINISH_CANCELLED);
    assert_int_equal(late.timings.cached_tokens, 4);
    assert_int_equal(late.timings.generated_tokens, 3);
    assert_int_equal(sequence->tokens, PROMPT + 3);
    struct buffer text = {0};
    detokenize(engine, late.id, 3, &text);
    assert_string_equal(late.text.data, text.data); /* what was held back is shown */
    sequence_close(sequence);
    buffer_free(&text);
    buffer_free(&early.text);
    buffer_free(&late.text);
}

/* ---- refusals ---- */

static void bad_requests_are_refused(void **state) {
    struct engine *engine = ((struct fixture *)*state)->engine;
    struct outcome outcome = {0};
    struct generation_options options = greedy(1);
    struct sequence *sequence = new_sequence(engine, 0);
    run(sequence, options, &outcome);
    assert_int_equal(outcome.status, STATUS_INPUT);
    assert_string_equal(status_message(), "the prompt is empty");
    options.sampling.top_p = 2;
    run(sequence, options, &outcome);
    assert_int_equal(outcome.status, STATUS_INPUT);
    assert_string_equal(status_message(), "top_p: 2 is not between 0 and 1");
    options = greedy(1);
    options.stop = (const char *const[]){""};
    options.stops = 1;
    run(sequence, options, &outcome);
    assert_int_equal(outcome.status, STATUS_INPUT);
    sequence_close(sequence);
    buffer_free(&outcome.text);
}

static void the_checkpoint_has_wishes(void **state) {
    (void)state;
    struct sampling silent =
        sampling_of_checkpoint(&(struct generation_defaults){NAN, NAN, NAN, NAN, 0, false});
    assert_true(silent.temperature == 0 && silent.top_p == 1 && silent.top_k == 0 && silent.min_p == 0 &&
                silent.repetition_penalty == 1);
    struct sampling r1 = sampling_of_checkpoint(&(struct generation_defaults){0.6, 0.95, NAN, NAN, 0, false});
    assert_true(r1.temperature == 0.6 && r1.top_p == 0.95);
    struct sampling qwen =
        sampling_of_checkpoint(&(struct generation_defaults){0.7, 0.8, 0.1, 1.05, 20, true});
    assert_true(qwen.temperature == 0 && qwen.top_k == 20 && qwen.repetition_penalty == 1.05);
    struct sampling odd =
        sampling_of_checkpoint(&(struct generation_defaults){NAN, NAN, NAN, 0.001, 0, false});
    assert_true(odd.repetition_penalty == 1); /* no sampler could take it */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_those_of_the_logits),
        cmocka_unit_test(the_sequence_holds_prompt_and_answer),
        cmocka_unit_test(a_seed_decides_the_text),
        cmocka_unit_test(logprobs_come_with_each_token),
        cmocka_unit_test(the_context_ends_an_answer),
        cmocka_unit_test(no_tokens_are_a_prefill),
        cmocka_unit_test(an_end_token_ends_an_answer),
        cmocka_unit_test(stop_strings_may_span_tokens),
        cmocka_unit_test(an_unfinished_stop_string_is_shown),
        cmocka_unit_test(a_flag_cancels),
        cmocka_unit_test(the_last_step_can_be_stopped),
        cmocka_unit_test(events_cancel),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(the_checkpoint_has_wishes),
    };
    return cmocka_run_group_tests_name("generate", tests, open_fixture, close_fixture);
}
