/* test_tiny_v3.c - the trained checkpoint of ../shared/models/tiny-v3 against what its README and golden files say:
 * perplexity on held-out text, logits, MTP logits, a greedy continuation. Skipped where it is not there. */
#include "base/json.h"
#include "engine/engine.h"
#include "format/npy.h"
#include "kernel/kernel.h"
#include "model/quantize.h"
#include "support/golden.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define MODEL "../shared/models/tiny-v3"
#define TEXT  "../shared/text/shakespeare-val.txt"

enum { WINDOW = 192, TEXT_TOKENS = 24269, ROWS = 256 };
static const double reference_perplexity = 34.0209, tolerance = 0.005, divergence_limit = 1e-3;

static void require(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static struct engine *open_model(const char *path, enum dtype kv_type) {
    struct engine *engine;
    struct engine_options options = {
        .model = {
            .path = path, .cpu_level_cap = CPU_AMX, .max_rows = ROWS, .kv_type = kv_type, .context = ROWS}};
    require(engine_open(&engine, &options));
    return engine;
}

static double log_probability(const float *logits, int64_t vocab, int32_t id) {
    double highest = logits[argmax_of(logits, vocab)], sum = 0;
    for (int64_t i = 0; i < vocab; i++) sum += exp(logits[i] - highest);
    return logits[id] - highest - log(sum);
}

/* Sum of the log-probabilities of a window's tokens, each given those before it in the window. */
static double window_sum(struct engine *engine, const int32_t *id, float *logits) {
    struct sequence *sequence;
    int32_t row[WINDOW];
    double sum = 0;
    require(sequence_open(&sequence, engine));
    require(sequence_append(sequence, id, WINDOW, TOKEN_PROMPT));
    require(engine_step(engine, &(struct step_item){sequence, WINDOW}, 1));
    for (int32_t i = 0; i < WINDOW; i++) row[i] = i;
    engine_logits(engine, row, WINDOW, logits);
    for (int i = 0; i + 1 < WINDOW; i++)
        sum += log_probability(logits + i * engine->model.desc.vocab, engine->model.desc.vocab, id[i + 1]);
    sequence_close(sequence);
    return sum;
}

/* The directory's own tokenizer, whatever the model was made of. */
static double measure_perplexity(const char *path, enum dtype kv_type) {
    struct buffer text;
    struct token_list list = {0};
    struct tokenizer *tokenizer;
    double sum = 0;
    struct engine *engine = open_model(path, kv_type);
    require(tokenizer_open(&tokenizer, MODEL));
    float *logits = malloc((size_t)(WINDOW * engine->model.desc.vocab) * sizeof *logits);
    require(buffer_read_file(&text, TEXT, 1 << 24));
    require(tokenizer_encode(tokenizer, text.data, text.bytes, TOKENIZE_PLAIN, &list));
    assert_int_equal(list.count, TEXT_TOKENS);
    int windows = TEXT_TOKENS / WINDOW;
    for (int w = 0; w < windows; w++) sum += window_sum(engine, list.id + w * WINDOW, logits);
    free(logits);
    tokenizer_close(tokenizer);
    token_list_free(&list);
    buffer_free(&text);
    engine_close(engine);
    return exp(-sum / ((double)windows * (WINDOW - 1)));
}

static void check_perplexity(enum dtype kv_type) {
    if (access(MODEL, R_OK) || access(TEXT, R_OK)) skip();
    double perplexity = measure_perplexity(MODEL, kv_type);
    print_message("perplexity %.4f with a cache of %s, reference %.4f\n", perplexity,
                  dtype_traits(kv_type)->name, reference_perplexity);
    assert_true(fabs(perplexity / reference_perplexity - 1) <= tolerance);
}

static void perplexity_f32(void **state) {
    (void)state;
    check_perplexity(DTYPE_F32);
}
static void perplexity_bf16(void **state) {
    (void)state;
    check_perplexity(DTYPE_BF16);
}
static void perplexity_q8_0(void **state) {
    (void)state;
    check_perplexity(DTYPE_Q8_0);
}

static void perplexity_fp8(void **state) {
    (void)state;
    check_perplexity(DTYPE_F8_E4M3);
}

/* ---- other number formats ---- */

static enum status write_tokenizer(void *context, const struct checkpoint *checkpoint,
                                   const struct model_desc *desc, struct gguf_writer *writer) {
    const char *pre;
    struct tokenizer_keys keys = {desc->vocab, desc->bos, desc->eos, desc->eos_count};
    return tokenizer_to_gguf(checkpoint, &keys, writer, &pre, context);
}

/* What a conversion may cost, relative to the perplexity of the directory. */
static void perplexity_converted(void **state) {
    (void)state;
    static const struct {
        struct gguf_mix mix;
        double limit;
    } rows[] = {
        {{DTYPE_BF16, MIX_PURE}, 1e-4}, {{DTYPE_Q8_0, MIX_PURE}, 0.002}, {{DTYPE_Q4_K, MIX_MEDIUM}, 0.05}};
    struct scratch scratch;
    bool exact;
    if (access(MODEL, R_OK) || access(TEXT, R_OK)) skip();
    scratch_open(&scratch);
    double before = measure_perplexity(MODEL, DTYPE_F32);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct quantize_result result;
        struct quantize_options options = {.source = MODEL,
                                           .path = scratch_path(&scratch, "model.gguf"),
                                           .mix = rows[i].mix,
                                           .write_tokenizer = write_tokenizer,
                                           .tokenizer_context = &exact};
        require(quantize(&options, &result));
        double after = measure_perplexity(options.path, DTYPE_F32);
        print_message("perplexity %.4f in %s%s, %.4f as it was\n", after,
                      dtype_traits(rows[i].mix.type)->name, rows[i].mix.size == MIX_MEDIUM ? "_m" : "",
                      before);
        assert_true(fabs(after / before - 1) <= rows[i].limit);
    }
    scratch_close(&scratch);
}

/* ---- golden files ---- */

static void compare(const char *path, const float *ours, int64_t rows, int64_t vocab) {
    float *expected;
    int64_t found_rows, columns;
    struct difference difference = {0};
    require(npy_read(path, &expected, &found_rows, &columns));
    assert_int_equal(found_rows, rows);
    assert_int_equal(columns, vocab);
    difference_add(&difference, expected, ours, rows, vocab);
    print_message("%s: max %.2e, KL %.2e\n", path, difference.largest, difference.divergence);
    assert_true(difference.divergence <= divergence_limit);
    assert_int_equal(difference.flips, 0);
    free(expected);
}

static void logits_of_text(void **state) {
    (void)state;
    enum { TOKENS = 64 };
    struct buffer text;
    struct token_list list = {0};
    struct sequence *sequence;
    int32_t row[TOKENS];
    if (access(MODEL, R_OK) || access(TEXT, R_OK)) skip();
    struct engine *engine = open_model(MODEL, DTYPE_F32);
    int64_t vocab = engine->model.desc.vocab;
    float *logits = malloc((size_t)(TOKENS * vocab) * sizeof *logits);
    require(buffer_read_file(&text, TEXT, 1 << 24));
    require(tokenizer_encode(engine->tokenizer, text.data, text.bytes, TOKENIZE_PLAIN, &list));
    require(sequence_open(&sequence, engine));
    require(sequence_append(sequence, list.id, TOKENS, TOKEN_PROMPT));
    require(engine_step(engine, &(struct step_item){sequence, TOKENS}, 1));
    for (int32_t i = 0; i < TOKENS; i++) row[i] = i;
    engine_logits(engine, row, TOKENS, logits);
    compare(MODEL "/golden/logits_64.npy", logits, TOKENS, vocab);
    require(engine_mtp_logits(engine, &(struct step_item){sequence, TOKENS}, TOKENS - 1, logits));
    compare(MODEL "/golden/mtp_64.npy", logits, TOKENS - 1, vocab);
    sequence_close(sequence);
    free(logits);
    token_list_free(&list);
    buffer_free(&text);
    engine_close(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(perplexity_f32),       cmocka_unit_test(perplexity_bf16),
        cmocka_unit_test(perplexity_q8_0),      cmocka_unit_test(perplexity_fp8),
        cmocka_unit_test(perplexity_converted), cmocka_unit_test(logits_of_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
