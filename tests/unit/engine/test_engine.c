/* test_engine.c - steps over batches of sequences: the limits of a plan, what a failed step leaves, interrupted
 * prefills. */
#include "engine/engine.h"
#include "kernel/kernel.h"
#include "support/small_model.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

enum { CONTEXT = 200, MAX_ROWS = 48, TOKENS = 100 };

static struct scratch scratch;
static const char *path;
static struct engine *engine;

static void require(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static struct sequence *open_prompt(int tokens, int salt) {
    struct sequence *sequence;
    require(sequence_open(&sequence, engine));
    for (int i = 0; i < tokens; i++)
        require(sequence_append(sequence, &(int32_t){(37 * i * i + 11 * i + 101 * salt) % 1000}, 1,
                                TOKEN_PROMPT));
    return sequence;
}

static float *logits_of(int32_t row) {
    float *logits = malloc((size_t)engine->model.desc.vocab * sizeof *logits);
    engine_logits(engine, &row, 1, logits);
    return logits;
}

static void expect_same(float *a, float *b) {
    assert_memory_equal(a, b, (size_t)engine->model.desc.vocab * sizeof *a);
    free(a);
    free(b);
}

/* ---- opening ---- */

static struct engine_options small_options(void) {
    return (struct engine_options){.model = {.path = path,
                                             .threads = 1,
                                             .cpu_level_cap = CPU_LEVEL_COUNT - 1,
                                             .max_rows = MAX_ROWS,
                                             .kv_type = DTYPE_F32,
                                             .sequences = 2},
                                   .no_tokenizer = true};
}

static enum status open_with(struct engine_options options) {
    struct engine *other;
    enum status status = engine_open(&other, &options);
    if (status == STATUS_OK)
        engine_close(other);
    else
        assert_null(other);
    return status;
}

/* Each part of the plan is in the sentence, and a limit of exactly its sum suffices. */
static void refuses_a_plan_beyond_the_limit(void **state) {
    (void)state;
    struct engine_options options = small_options();
    options.model.context = CONTEXT;
    options.model.memory_limit = 1;
    assert_int_equal(open_with(options), STATUS_MEMORY);
    assert_non_null(strstr(status_message(), "needs"));
    assert_non_null(strstr(status_message(), "cache of 512 tokens")); /* 2 sequences of 4 pages */
    struct memory_plan plan = model_memory_plan(&engine->model, &options.model);
    assert_true(plan.total == plan.weights + plan.kv + plan.activations + plan.scratch);
    options.model.memory_limit = plan.total - 1;
    assert_int_equal(open_with(options), STATUS_MEMORY);
    options.model.memory_limit = plan.total;
    assert_int_equal(open_with(options), STATUS_OK);
}

static void a_plan_of_any_size_is_a_number(void **state) {
    (void)state;
    struct engine_options options = small_options();
    struct model model = engine->model;
    model.context = MODEL_MAX_CONTEXT;
    options.model.sequences = INT32_MAX;
    struct memory_plan plan = model_memory_plan(&model, &options.model);
    assert_true(plan.kv == INT64_MAX && plan.total == INT64_MAX);
    options.model.context = 512;
    assert_int_equal(open_with(options), STATUS_MEMORY);
}

static void the_context_is_the_models_or_less(void **state) {
    (void)state;
    struct engine *other;
    struct engine_options options = small_options();
    options.model.context = 513;
    assert_int_equal(open_with(options), STATUS_LIMIT);
    assert_non_null(strstr(status_message(), "512"));
    options.model.context = 0;
    require(engine_open(&other, &options));
    assert_int_equal(other->context, 512);
    engine_close(other);
    options.model.sequences = 1;
    options.model.context = 1;
    require(engine_open(&other, &options));
    assert_int_equal(other->kv.pages, 1);
    engine_close(other);
}

static void a_cache_type_must_be_known(void **state) {
    (void)state;
    struct engine_options options = small_options();
    options.model.kv_type = DTYPE_Q4_K;
    assert_int_equal(open_with(options), STATUS_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "f32, f16, bf16, q8_0"));
}

/* ---- steps ---- */

/* The second sequence finds no page: neither has moved, and with pages both go on as if nothing had been. */
static void a_failed_step_leaves_every_sequence_as_it_was(void **state) {
    (void)state;
    struct sequence *a = open_prompt(TOKENS, 0), *b = open_prompt(TOKENS, 1);
    struct step_item item[] = {{a, 20}, {b, 20}};
    int32_t page[16], taken = 0;
    require(engine_step(engine, item, 2));
    float *before = logits_of(39);
    item[0].rows = item[1].rows = 24; /* still in their first pages */
    require(engine_step(engine, item, 2));
    while (engine->kv.free_pages > 1) require(kv_page_take(&engine->kv, &page[taken++]));
    assert_int_equal(engine_step(engine, item, 2), STATUS_LIMIT);
    assert_int_equal(a->cached, 44);
    assert_int_equal(b->cached, 44);
    while (taken) kv_page_release(&engine->kv, page[--taken]);
    require(engine_step(engine, item, 2));
    assert_int_equal(b->cached, 68);
    float *after = logits_of(47);
    sequence_truncate(b, 0);
    sequence_close(a);
    a = open_prompt(68, 1);
    require(engine_step(engine, &(struct step_item){a, 20}, 1));
    expect_same(before, logits_of(19));
    require(engine_step(engine, &(struct step_item){a, 48}, 1));
    expect_same(after, logits_of(47));
    sequence_close(a);
    sequence_close(b);
    assert_int_equal(engine->kv.free_pages, engine->kv.pages);
}

static void a_sequence_fills_its_context_to_the_last_token(void **state) {
    (void)state;
    struct sequence *sequence = open_prompt(CONTEXT - 2, 0);
    int32_t row;
    require(engine_prefill(engine, sequence, NULL, NULL, &row));
    for (int i = 0; i < 2; i++) {
        require(sequence_append(sequence, &(int32_t){9}, 1, TOKEN_GENERATED));
        require(engine_step(engine, &(struct step_item){sequence, 1}, 1));
    }
    assert_int_equal(sequence->cached, CONTEXT);
    float *logits = logits_of(0);
    for (int64_t i = 0; i < engine->model.desc.vocab; i++) assert_true(logits[i] == logits[i]);
    free(logits);
    assert_int_equal(sequence_append(sequence, &(int32_t){9}, 1, TOKEN_GENERATED), STATUS_LIMIT);
    sequence_close(sequence);
}

static void a_model_without_the_module_says_so(void **state) {
    (void)state;
    struct sequence *sequence = open_prompt(4, 0);
    struct step_item item = {sequence, 4};
    float logits;
    require(engine_step(engine, &item, 1));
    assert_int_equal(engine_mtp_logits(engine, &item, 3, &logits), STATUS_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "multi-token prediction"));
    sequence_close(sequence);
}

/* ---- prefill ---- */

struct listener {
    int calls, last, stop_at;
};

static bool listen(void *context, int cached) {
    struct listener *listener = context;
    listener->calls++;
    listener->last = cached;
    return cached < listener->stop_at;
}

static void a_stopped_prefill_keeps_whole_chunks_and_goes_on(void **state) {
    (void)state;
    struct sequence *sequence = open_prompt(TOKENS, 0), *whole = open_prompt(TOKENS, 0);
    struct listener listener = {.stop_at = 2 * MAX_ROWS};
    int32_t row;
    assert_int_equal(engine_prefill(engine, sequence, listen, &listener, &row), STATUS_CANCELLED);
    assert_int_equal(listener.calls, 2);
    assert_int_equal(sequence->cached, 2 * MAX_ROWS);
    listener.stop_at = 0; /* told so after the last chunk: there is nothing left to stop */
    require(engine_prefill(engine, sequence, listen, &listener, &row));
    assert_int_equal(listener.last, TOKENS);
    assert_int_equal(row, TOKENS - 2 * MAX_ROWS - 1);
    float *stopped = logits_of(row);
    require(engine_prefill(engine, whole, NULL, NULL, &row));
    expect_same(stopped, logits_of(row));
    sequence_close(sequence);
    sequence_close(whole);
}

static int open_small(void **state) {
    (void)state;
    scratch_open(&scratch);
    path = small_model_write(&scratch);
    engine = small_model_open(path, CONTEXT, MAX_ROWS);
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
        cmocka_unit_test(refuses_a_plan_beyond_the_limit),
        cmocka_unit_test(a_plan_of_any_size_is_a_number),
        cmocka_unit_test(the_context_is_the_models_or_less),
        cmocka_unit_test(a_cache_type_must_be_known),
        cmocka_unit_test(a_failed_step_leaves_every_sequence_as_it_was),
        cmocka_unit_test(a_sequence_fills_its_context_to_the_last_token),
        cmocka_unit_test(a_model_without_the_module_says_so),
        cmocka_unit_test(a_stopped_prefill_keeps_whole_chunks_and_goes_on),
    };
    return cmocka_run_group_tests(tests, open_small, close_small);
}
