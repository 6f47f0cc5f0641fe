/* test_packed_model.c - a model computes the same bits whether its rearranged weights are in memory or in a mapped file, and
 * nearly the same as with the weights as they are; the memory plan counts what is used. */
#include "engine/engine.h"
#include "kernel/kernel.h"
#include "support/golden.h"
#include "support/packed_source.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

enum { TOKENS = 24 };
/* Activations of 8 bits move random weights' logits further than those of trained ones. */
static const double divergence_limit = 1e-3;

static void good(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static struct model_options model_options(const char *path, enum pack_mode pack, const char *cache_dir) {
    return (struct model_options){.path = path,
                                  .threads = 2,
                                  .cpu_level_cap = CPU_LEVEL_COUNT - 1,
                                  .max_rows = 16,
                                  .kv_type = DTYPE_F32,
                                  .context = 64,
                                  .sequences = 1,
                                  .pack = pack,
                                  .cache_dir = cache_dir};
}

/* Logits of TOKENS prompt tokens, [TOKENS, vocab]. */
static float *run(const char *path, enum pack_mode pack, const char *cache_dir, enum packed_place expected) {
    struct engine *engine;
    struct sequence *sequence;
    struct engine_options options = {.model = model_options(path, pack, cache_dir), .no_tokenizer = true};
    good(engine_open(&engine, &options));
    struct model *model = &engine->model;
    assert_int_equal(model->packed.place, model->backend->integer_products ? expected : PACKED_NOWHERE);
    struct memory_plan plan = model_memory_plan(model, &options.model);
    assert_int_equal(plan.weights,
                     checkpoint_bytes(&model->checkpoint) - model->packed.native_bytes + model->packed.bytes);
    int64_t vocab = model->desc.vocab;
    float *logits = malloc((size_t)(TOKENS * vocab) * sizeof *logits);
    good(sequence_open(&sequence, engine));
    for (int32_t i = 0; i < TOKENS; i++)
        good(sequence_append(sequence, &(int32_t){i * 37 % 300}, 1, i < 20 ? TOKEN_PROMPT : TOKEN_GENERATED));
    while (sequence->cached < sequence->tokens) {
        int begin = sequence->cached, rows = begin < 16 ? 16 : TOKENS - 16;
        good(engine_step(engine, &(struct step_item){sequence, rows}, 1));
        for (int32_t r = 0; r < rows; r++) engine_logits(engine, &r, 1, logits + (begin + r) * vocab);
    }
    sequence_close(sequence);
    engine_close(engine);
    return logits;
}

static void compare(enum dtype type, bool tied) {
    struct scratch scratch, cache;
    scratch_open(&scratch);
    scratch_open(&cache);
    const char *path = scratch_path(&scratch, "model.gguf");
    packed_source_write(path, type, tied, 1);
    float *memory = run(path, PACK_MEMORY, NULL, PACKED_IN_MEMORY);
    float *made = run(path, PACK_FILE, cache.directory, PACKED_IN_FILE);
    float *found = run(path, PACK_FILE, cache.directory, PACKED_IN_FILE);
    float *plain = run(path, PACK_OFF, cache.directory, PACKED_NOWHERE);
    size_t bytes = (size_t)TOKENS * 300 * sizeof(float);
    assert_memory_equal(made, memory, bytes);
    assert_memory_equal(found, memory, bytes);
    struct difference difference = {0};
    difference_add(&difference, plain, memory, TOKENS, 300);
    print_message("%s: max %.2e, KL %.2e\n", dtype_traits(type)->name, difference.largest,
                  difference.divergence);
    assert_true(difference.divergence <= divergence_limit);
    free(memory), free(made), free(found), free(plain);
    scratch_close(&scratch);
    scratch_close(&cache);
}

static void test_q8_0(void **state) {
    (void)state;
    compare(DTYPE_Q8_0, false);
}

static void test_q4_k(void **state) {
    (void)state;
    compare(DTYPE_Q4_K, false);
}

static void test_tied(void **state) {
    (void)state;
    compare(DTYPE_Q8_0, true);
    compare(DTYPE_Q4_0, true);
}

/* A cache file that shrinks under a running model is an error of the next step. */
static void test_cache_shrinks(void **state) {
    (void)state;
    struct scratch scratch, cache;
    struct engine *engine;
    struct sequence *sequence;
    scratch_open(&scratch);
    scratch_open(&cache);
    const char *path = scratch_path(&scratch, "model.gguf");
    packed_source_write(path, DTYPE_Q8_0, false, 1);
    struct engine_options options = {.model = model_options(path, PACK_FILE, cache.directory),
                                     .no_tokenizer = true};
    good(engine_open(&engine, &options));
    good(sequence_open(&sequence, engine));
    good(sequence_append(sequence, &(int32_t){7}, 1, TOKEN_PROMPT));
    if (engine->model.packed.place == PACKED_IN_FILE) {
        assert_int_equal(truncate(engine->model.packed.path, 8192), 0);
        assert_int_equal(engine_step(engine, &(struct step_item){sequence, 1}, 1), STATUS_IO);
        assert_non_null(strstr(status_message(), ".hadal"));
    }
    sequence_close(sequence);
    engine_close(engine);
    scratch_close(&scratch);
    scratch_close(&cache);
}

/* Refused with the numbers where panels were demanded; otherwise given up for weights as they are. */
static void test_memory_plan(void **state) {
    (void)state;
    struct scratch scratch, cache;
    struct model model;
    scratch_open(&scratch);
    scratch_open(&cache);
    const char *path = scratch_path(&scratch, "model.gguf");
    packed_source_write(path, DTYPE_Q3_K, false, 1); /* panels of 8 bits take more than twice as much */
    struct model_options options = model_options(path, PACK_OFF, NULL);
    good(model_open(&model, &options));
    options.memory_limit = model_memory_plan(&model, &options).total + 100000;
    bool integers = model.backend->integer_products;
    model_close(&model);
    if (integers) {
        options.pack = PACK_MEMORY;
        assert_int_equal(model_open(&model, &options), STATUS_MEMORY);
        assert_non_null(strstr(status_message(), "are available"));
        options.pack = PACK_AUTOMATIC;
        options.cache_dir = cache.directory;
        good(model_open(&model, &options));
        assert_int_equal(model.packed.place, PACKED_NOWHERE);
        assert_non_null(strstr(model.packed.notice, "arranged it would need"));
        assert_int_equal(scratch_entries(&cache), 0);
        model_close(&model);
    }
    scratch_close(&scratch);
    scratch_close(&cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_q8_0), cmocka_unit_test(test_q4_k),
                                       cmocka_unit_test(test_tied), cmocka_unit_test(test_cache_shrinks),
                                       cmocka_unit_test(test_memory_plan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
