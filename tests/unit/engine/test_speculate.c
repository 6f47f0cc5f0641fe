/* test_speculate.c - an answer with drafts is the answer without: ids, text, log-probabilities bit for bit, how it ends
 * and what the sequence holds then. On random weights always, on tiny-v3 where it is. */
#include "engine/generate.h"
#include "kernel/kernel.h"
#include "support/small_model.h"
#include "text/utf8.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TINY_V3 "../shared/models/tiny-v3"

enum { CONTEXT = 160, PROMPT = 11, MOST = CONTEXT };

static const int32_t prompt[PROMPT] = {0, 285, 78, 302, 17, 901, 33, 402, 99, 285, 78};

struct fixture {
    struct scratch scratch;
    char small[512];
};

static int open_fixture(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture) return 1;
    scratch_open(&fixture->scratch);
    snprintf(fixture->small, sizeof fixture->small, "%s", small_model_write_mtp(&fixture->scratch));
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    struct fixture *fixture = *state;
    scratch_close(&fixture->scratch);
    free(fixture);
    return 0;
}

static struct engine *open_model(const char *path, enum dtype kv_type, bool strict, int max_rows) {
    struct engine *engine;
    struct engine_options options = {.model = {.path = path,
                                               .threads = 1,
                                               .cpu_level_cap = CPU_LEVEL_COUNT - 1,
                                               .max_rows = max_rows,
                                               .strict = strict,
                                               .kv_type = kv_type,
                                               .context = CONTEXT,
                                               .sequences = 2}};
    if (engine_open(&engine, &options) != STATUS_OK) fail_msg("%s", status_message());
    return engine;
}

/* ---- one answer ---- */

struct outcome {
    struct buffer text;
    struct choice choice[MOST];
    int choices, stop_after; /* stop_after: tokens until the event cancels; 0: never */
    enum finish finish;
    struct generation_timings timings;
    int tokens, cached; /* of the sequence, afterwards */
};

static bool hear_piece(void *context, const struct piece *piece) {
    struct outcome *outcome = context;
    buffer_append(&outcome->text, piece->text, piece->bytes);
    if (!piece->choice) return true;
    outcome->choice[outcome->choices++] = *piece->choice;
    return outcome->choices != outcome->stop_after;
}

static void run(struct sequence *sequence, struct generation_options options, enum speculate speculate,
                struct outcome *outcome) {
    struct generation generation;
    options.speculate = speculate;
    buffer_append(&outcome->text, "", 0);
    assert_int_equal(generation_open(&generation, sequence, &options), STATUS_OK);
    assert_int_equal(
        generation_run(&generation, &(struct generation_events){.context = outcome, .piece = hear_piece}),
        STATUS_OK);
    outcome->finish = generation.reply.finish;
    outcome->timings = generation.timings;
    outcome->tokens = sequence->tokens;
    outcome->cached = sequence->cached;
    assert_true(sequence->module_cached <= sequence->cached);
    for (int i = 0; i < outcome->choices; i++) {
        assert_int_equal(generation.reply.id[i], outcome->choice[i].id);
        assert_int_equal(sequence->token[sequence->tokens - outcome->choices + i], outcome->choice[i].id);
        assert_int_equal(sequence->role[sequence->tokens - outcome->choices + i], TOKEN_GENERATED);
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

static void run_fresh(struct engine *engine, int tokens, struct generation_options options,
                      enum speculate speculate, struct outcome *outcome) {
    struct sequence *sequence = new_sequence(engine, tokens);
    run(sequence, options, speculate, outcome);
    sequence_close(sequence);
}

static void check_same(const struct outcome *a, const struct outcome *b) {
    assert_int_equal(a->choices, b->choices);
    for (int i = 0; i < a->choices; i++) {
        assert_int_equal(a->choice[i].id, b->choice[i].id);
        assert_memory_equal(&a->choice[i].logprob, &b->choice[i].logprob, sizeof(float));
        assert_int_equal(a->choice[i].tops, b->choice[i].tops);
        assert_memory_equal(a->choice[i].top, b->choice[i].top,
                            (size_t)a->choice[i].tops * sizeof *a->choice[i].top);
    }
    assert_int_equal(a->text.bytes, b->text.bytes);
    assert_memory_equal(a->text.data, b->text.data, a->text.bytes);
    assert_int_equal(a->finish, b->finish);
    assert_int_equal(a->timings.generated_tokens, b->timings.generated_tokens);
    assert_int_equal(a->tokens, b->tokens);
    assert_int_equal(a->cached, b->cached);
    assert_int_equal(a->timings.prompt_tokens, b->timings.prompt_tokens);
}

struct count {
    int drafted, accepted;
};

/* Without drafts, with as many as can be, and as the times want it. */
static void check_fresh(struct engine *engine, int tokens, struct generation_options options, int stop_after,
                        struct count *count) {
    struct outcome off = {.stop_after = stop_after}, on = {.stop_after = stop_after},
                   automatic = {.stop_after = stop_after};
    run_fresh(engine, tokens, options, SPECULATE_OFF, &off);
    run_fresh(engine, tokens, options, SPECULATE_ON, &on);
    run_fresh(engine, tokens, options, SPECULATE_AUTO, &automatic);
    check_same(&off, &on);
    check_same(&off, &automatic);
    assert_int_equal(off.timings.drafted, 0);
    count->drafted += on.timings.drafted;
    count->accepted += on.timings.accepted;
    buffer_free(&off.text);
    buffer_free(&on.text);
    buffer_free(&automatic.text);
}

static struct generation_options greedy(int64_t tokens) {
    struct generation_options options = {.sampling = sampling_default(), .max_tokens = tokens};
    options.sampling.logprobs = LOGPROBS_LIMIT;
    return options;
}

/* So few tokens that a guess of random weights is right now and then. */
static const struct logit_bias few[] = {{300, 60}, {301, 60}, {302, 60}, {'a', 60}};

static struct generation_options narrowed(int64_t tokens, uint64_t seed) {
    struct generation_options options = greedy(tokens);
    options.sampling.temperature = 1;
    options.sampling.seed = seed;
    options.sampling.bias = few;
    options.sampling.biases = COUNT_OF(few);
    return options;
}

/* ---- the same answers ---- */

static void check_model(const char *path, enum dtype kv_type, bool strict, struct count *count) {
    struct engine *engine = open_model(path, kv_type, strict, 4);
    check_fresh(engine, PROMPT, greedy(48), 0, count);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct generation_options options = greedy(40);
        options.sampling.temperature = 0.8;
        options.sampling.seed = seed;
        check_fresh(engine, PROMPT, options, 0, count);
        options.sampling.top_p = 0.9;
        options.sampling.top_k = seed == 2 ? 20 : 0;
        options.sampling.min_p = 0.01;
        options.sampling.repetition_penalty = 1.2;
        options.sampling.presence_penalty = 0.3;
        options.sampling.frequency_penalty = 0.2;
        check_fresh(engine, PROMPT, options, 0, count);
        check_fresh(engine, PROMPT, narrowed(40, seed), 0, count);
    }
    engine_close(engine);
}

static void check_settings(const char *path) {
    static const enum dtype kv_types[] = {DTYPE_F32, DTYPE_BF16, DTYPE_Q8_0};
    for (size_t k = 0; k < COUNT_OF(kv_types); k++) {
        struct count count = {0};
        check_model(path, kv_types[k], k == 1, &count);
        assert_true(count.drafted > 50);
        assert_true(count.accepted > 0 && count.accepted < count.drafted);
    }
    struct count count = {0};
    check_model(path, DTYPE_F32, true, &count);
}

static void random_weights_answer_the_same(void **state) {
    check_settings(((struct fixture *)*state)->small);
}

static void tiny_v3_answers_the_same(void **state) {
    (void)state;
    if (access(TINY_V3 "/config.json", R_OK)) skip();
    check_settings(TINY_V3);
}

/* The module has learnt to guess: about every second draft is right. */
static void tiny_v3_drafts_well(void **state) {
    (void)state;
    if (access(TINY_V3 "/config.json", R_OK)) skip();
    struct engine *engine = open_model(TINY_V3, DTYPE_F32, false, 64);
    struct count count = {0};
    for (int tokens = 3; tokens <= PROMPT; tokens += 4) check_fresh(engine, tokens, greedy(120), 0, &count);
    assert_true(5 * count.accepted > 2 * count.drafted);
    engine_close(engine);
}

/* ---- ends ---- */

static void lengths_are_the_same(void **state) {
    struct engine *engine = open_model(((struct fixture *)*state)->small, DTYPE_F32, false, 4);
    struct count count = {0};
    for (int tokens = 0; tokens < 9; tokens++) check_fresh(engine, PROMPT, narrowed(tokens, 5), 0, &count);
    for (int tokens = CONTEXT - 6; tokens <= CONTEXT; tokens++)
        check_fresh(engine, tokens, narrowed(-1, 6), 0, &count);
    assert_true(count.accepted > 0 && count.accepted < count.drafted);
    engine_close(engine);
}

static void stops_are_the_same(void **state) {
    struct engine *engine = open_model(((struct fixture *)*state)->small, DTYPE_F32, false, 4);
    struct count count = {0};
    struct outcome whole = {0};
    run_fresh(engine, PROMPT, narrowed(30, 7), SPECULATE_OFF, &whole);
    for (size_t begin = 0; begin + 6 < whole.text.bytes && begin < 40; begin += 2) {
        char stop[8] = {0};
        if (((unsigned char)whole.text.data[begin] & 0xc0) == 0x80) continue; /* inside a character */
        memcpy(stop, whole.text.data + begin, utf8_valid_bytes(whole.text.data + begin, 5));
        if (!*stop) continue;
        struct generation_options options = narrowed(30, 7);
        options.stop = (const char *const[]){stop};
        options.stops = 1;
        check_fresh(engine, PROMPT, options, 0, &count);
    }
    for (int after = 1; after < 12; after++) check_fresh(engine, PROMPT, narrowed(30, 7), after, &count);
    for (uint64_t seed = 0; seed < 8; seed++) { /* an end token among the few */
        struct logit_bias bias[] = {few[0], few[1], few[2], {engine->end_token[0], 59}};
        struct generation_options options = narrowed(30, seed);
        options.sampling.bias = bias;
        check_fresh(engine, PROMPT, options, 0, &count);
    }
    assert_true(count.accepted > 0 && count.accepted < count.drafted);
    buffer_free(&whole.text);
    engine_close(engine);
}

static void a_flag_cancels(void **state) {
    struct engine *engine = open_model(((struct fixture *)*state)->small, DTYPE_F32, false, 4);
    atomic_bool cancel = true;
    struct generation_options options = narrowed(30, 1);
    struct outcome outcome = {0};
    options.cancel = &cancel;
    run_fresh(engine, PROMPT, options, SPECULATE_ON, &outcome);
    assert_int_equal(outcome.finish, FINISH_CANCELLED);
    assert_int_equal(outcome.choices, 0);
    buffer_free(&outcome.text);
    engine_close(engine);
}

/* ---- turns ---- */

enum { TURNS = 4 };

/* What the user says in each turn replaces the last `dropped` tokens of the sequence. */
static void take_turn(struct sequence *sequence, int turn) {
    static const int dropped[TURNS] = {0, 0, 7, 1};
    int32_t token[CONTEXT];
    int kept = sequence->tokens - dropped[turn];
    memcpy(token, sequence->token, (size_t)kept * sizeof *token);
    memcpy(token + kept, prompt + turn, 6 * sizeof *token);
    assert_int_equal(sequence_assign(sequence, token, kept + 6), STATUS_OK);
}

static void check_turns(struct engine *engine, const enum speculate mode[TURNS], bool same_drafts) {
    struct sequence *with = new_sequence(engine, PROMPT), *without = new_sequence(engine, PROMPT);
    for (int turn = 0; turn < TURNS; turn++) {
        struct outcome on = {0}, off = {0}, fresh = {0};
        if (turn) take_turn(with, turn);
        if (turn) take_turn(without, turn);
        int32_t token[CONTEXT];
        int tokens = with->tokens;
        memcpy(token, with->token, (size_t)tokens * sizeof *token);
        run(with, narrowed(15, (uint64_t)turn), mode[turn], &on);
        run(without, narrowed(15, (uint64_t)turn), SPECULATE_OFF, &off);
        check_same(&on, &off);
        assert_int_equal(on.timings.cached_tokens, off.timings.cached_tokens);
        /* a module that has seen every token drafts the same as one that begins anew */
        sequence_truncate(without, 0);
        assert_int_equal(sequence_append(without, token, tokens, TOKEN_PROMPT), STATUS_OK);
        run(without, narrowed(15, (uint64_t)turn), mode[turn], &fresh);
        if (same_drafts) {
            check_same(&on, &fresh);
            assert_int_equal(on.timings.drafted, fresh.timings.drafted);
            assert_int_equal(on.timings.accepted, fresh.timings.accepted);
        }
        assert_true((on.timings.drafted > 0) == (mode[turn] == SPECULATE_ON));
        buffer_free(&on.text);
        buffer_free(&off.text);
        buffer_free(&fresh.text);
    }
    sequence_close(with);
    sequence_close(without);
}

static void turns_are_the_same(void **state) {
    static const enum speculate modes[][TURNS] = {
        {SPECULATE_ON, SPECULATE_ON, SPECULATE_ON, SPECULATE_ON},
        {SPECULATE_OFF, SPECULATE_ON, SPECULATE_OFF, SPECULATE_ON},
        {SPECULATE_ON, SPECULATE_OFF, SPECULATE_OFF, SPECULATE_ON},
    };
    for (int rows = 2; rows <= 64; rows *= 32) {
        struct engine *engine = open_model(((struct fixture *)*state)->small, DTYPE_F32, true, rows);
        for (size_t i = 0; i < COUNT_OF(modes); i++) check_turns(engine, modes[i], true);
        engine_close(engine);
    }
}

/* What was read without the module is too much to be read again: no drafts, and no harm. */
static void a_long_gap_leaves_the_module_out(void **state) {
    struct engine *engine = open_model(((struct fixture *)*state)->small, DTYPE_F32, false, 64);
    struct sequence *sequence = new_sequence(engine, 80);
    struct outcome first = {0}, second = {0}, whole = {0};
    run(sequence, narrowed(5, 3), SPECULATE_OFF, &first);
    int cached = sequence->cached;
    run(sequence, narrowed(20, 3), SPECULATE_ON, &second);
    assert_int_equal(second.timings.cached_tokens, cached);
    assert_int_equal(second.timings.drafted, 0);
    assert_int_equal(sequence->module_cached, 0);
    sequence_truncate(sequence, 0);
    for (int i = 0; i < 80; i++)
        assert_int_equal(sequence_append(sequence, &prompt[i % PROMPT], 1, TOKEN_PROMPT), STATUS_OK);
    run(sequence, narrowed(5, 3), SPECULATE_ON, &whole);
    assert_true(whole.timings.drafted > 0);
    for (int i = 0; i < 5; i++) assert_int_equal(first.choice[i].id, whole.choice[i].id);
    sequence_close(sequence);
    buffer_free(&first.text);
    buffer_free(&second.text);
    buffer_free(&whole.text);
    engine_close(engine);
}

/* Steps of one row have no room for a draft. */
static void one_row_is_too_few(void **state) {
    struct engine *engine = open_model(((struct fixture *)*state)->small, DTYPE_F32, false, 1);
    struct count count = {0};
    check_fresh(engine, PROMPT, narrowed(10, 3), 0, &count);
    assert_int_equal(count.drafted, 0);
    engine_close(engine);
}

/* The times are made up so that drafts come and go in the middle of an answer. */
static void drafts_come_and_go(void **state) {
    struct engine *engine = open_model(((struct fixture *)*state)->small, DTYPE_F32, false, 16);
    struct outcome off = {0}, mixed = {0};
    run_fresh(engine, PROMPT, narrowed(140, 9), SPECULATE_OFF, &off);
    engine->pace = (struct draft_pace){.plain_seconds = 1e3, .plain_steps = 1000000, .stretch = 40};
    run_fresh(engine, PROMPT, narrowed(140, 9), SPECULATE_AUTO, &mixed);
    check_same(&off, &mixed);
    assert_true(mixed.timings.drafted > 20); /* after 40 tokens without */
    assert_true(mixed.timings.accepted > 0 && mixed.timings.drafted + 40 <= 140);
    buffer_free(&off.text);
    buffer_free(&mixed.text);
    engine_close(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_weights_answer_the_same),
        cmocka_unit_test(tiny_v3_answers_the_same),
        cmocka_unit_test(tiny_v3_drafts_well),
        cmocka_unit_test(lengths_are_the_same),
        cmocka_unit_test(stops_are_the_same),
        cmocka_unit_test(a_flag_cancels),
        cmocka_unit_test(turns_are_the_same),
        cmocka_unit_test(a_long_gap_leaves_the_module_out),
        cmocka_unit_test(one_row_is_too_few),
        cmocka_unit_test(drafts_come_and_go),
    };
    return cmocka_run_group_tests_name("speculate", tests, open_fixture, close_fixture);
}
