/* test_invariance.c - batch invariance, bit for bit: the same prompt alone, in a batch with others, and prefilled in
 * chunks of 1, 7 and 64 gives the same logits, with 1 and with 2 threads, at every CPU level; and under --strict a token
 * gives the same bits as prompt and as generated. Models: synthetic ones, among them block-quantised GGUF files whose
 * products are made of integers where the processor can, and the golden cases when they are there. */
#include "engine/engine.h"
#include "kernel/kernel.h"
#include "model/synth.h"
#include "support/scratch.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

enum { PROMPT_TOKENS = 150, GENERATED = 5, OTHERS = 3, CONTEXT = 256 };

static const char *const models[] = {"../shared/cases/v3_f32_odd",      "../shared/cases/v3_fp8_mtp",
                                     "../shared/cases/v2lite_bf16",     "../shared/cases/llama3_bf16",
                                     "../shared/cases/qwen2_bf16_tied", "../shared/models/tiny-v3"};

/* Written by the first test that needs them. */
static const struct synthetic {
    const char *file, *config;
    enum dtype type;
} synthetics[] = {{"deepseek_v3", "tests/golden/synthetic/deepseek_v3.json", DTYPE_F8_E4M3},
                  {"llama", "tests/golden/synthetic/llama.json", DTYPE_F32},
                  {"q8_0.gguf", "tests/cli/small_v3.json", DTYPE_Q8_0},
                  {"q4_k.gguf", "tests/cli/small_v3.json", DTYPE_Q4_K}};

static struct scratch scratch;

struct setting {
    const char *path;
    enum cpu_level level;
    int threads;
    enum dtype kv_type;
    bool strict;
};

static void require(enum status status, const struct setting *setting) {
    if (status != STATUS_OK) fail_msg("%s: %s", setting->path, status_message());
}

static struct engine *open_model(const struct setting *setting) {
    struct engine *engine;
    struct engine_options options = {.model = {.path = setting->path,
                                               .cpu_level_cap = setting->level,
                                               .threads = setting->threads,
                                               .max_rows = CONTEXT,
                                               .kv_type = setting->kv_type,
                                               .strict = setting->strict,
                                               .context = CONTEXT,
                                               .sequences = 1 + OTHERS},
                                     .no_tokenizer = true};
    require(engine_open(&engine, &options), setting);
    return engine;
}

/* A fixed, arbitrary prompt; `salt` makes others. */
static int32_t token_at(const struct engine *engine, int place, int salt) {
    uint32_t x = (uint32_t)(place * 2654435761u + salt * 40503u + 12345u);
    x ^= x >> 13;
    x *= 0x5bd1e995;
    x ^= x >> 15;
    return (int32_t)(x % (uint32_t)(engine->model.desc.vocab < 1000 ? engine->model.desc.vocab : 1000));
}

static struct sequence *prompt(struct engine *engine, const struct setting *setting, int tokens, int salt) {
    struct sequence *sequence;
    require(sequence_open(&sequence, engine), setting);
    for (int i = 0; i < tokens; i++)
        require(sequence_append(sequence, &(int32_t){token_at(engine, i, salt)}, 1, TOKEN_PROMPT), setting);
    return sequence;
}

/* Of `rows` rows from `first` on, all in one product: its rows must not depend on each other either. */
static void logits_of(struct engine *engine, int first, int rows, float *logits) {
    int32_t row[CONTEXT];
    for (int i = 0; i < rows; i++) row[i] = first + i;
    engine_logits(engine, row, rows, logits);
}

/* Logits of the whole prompt and of GENERATED tokens behind it, prefilled in chunks, [PROMPT_TOKENS + GENERATED, vocab]. */
static float *run_alone(const struct setting *setting, int chunk, enum token_role role) {
    struct engine *engine = open_model(setting);
    int64_t vocab = engine->model.desc.vocab;
    float *logits = malloc((size_t)((PROMPT_TOKENS + GENERATED) * vocab) * sizeof *logits);
    struct sequence *sequence = prompt(engine, setting, PROMPT_TOKENS, 0);
    for (int i = 0; i < GENERATED; i++)
        require(sequence_append(sequence, &(int32_t){token_at(engine, PROMPT_TOKENS + i, 0)}, 1, role),
                setting);
    while (sequence->cached < sequence->tokens) {
        int begin = sequence->cached,
            rows = sequence->tokens - begin < chunk ? sequence->tokens - begin : chunk;
        require(engine_step(engine, &(struct step_item){sequence, rows}, 1), setting);
        logits_of(engine, 0, rows, logits + begin * vocab);
    }
    sequence_close(sequence);
    engine_close(engine);
    return logits;
}

/* The same, while other sequences of other lengths prefill and decode in the same steps. */
static float *run_among_others(const struct setting *setting, int chunk) {
    struct engine *engine = open_model(setting);
    int64_t vocab = engine->model.desc.vocab;
    float *logits = malloc((size_t)((PROMPT_TOKENS + GENERATED) * vocab) * sizeof *logits);
    struct sequence *other[OTHERS], *sequence = prompt(engine, setting, PROMPT_TOKENS, 0);
    for (int i = 0; i < OTHERS; i++) other[i] = prompt(engine, setting, 40 + 60 * i, i + 1);
    for (int i = 0; i < GENERATED; i++)
        require(
            sequence_append(sequence, &(int32_t){token_at(engine, PROMPT_TOKENS + i, 0)}, 1, TOKEN_GENERATED),
            setting);
    while (sequence->cached < sequence->tokens) {
        struct step_item item[OTHERS + 1];
        int items = 0, row = 0;
        for (int i = 0; i < OTHERS; i++) {
            if (other[i]->cached == other[i]->tokens && other[i]->tokens < CONTEXT)
                require(sequence_append(other[i], &(int32_t){token_at(engine, other[i]->tokens, i + 1)}, 1,
                                        TOKEN_GENERATED),
                        setting);
            int left = other[i]->tokens - other[i]->cached, rows = left < 3 + 5 * i ? left : 3 + 5 * i;
            if (!rows) continue;
            if (i < 2) row += rows; /* the last one stands behind the sequence */
            item[items++] = (struct step_item){other[i], rows};
        }
        int begin = sequence->cached,
            rows = sequence->tokens - begin < chunk ? sequence->tokens - begin : chunk;
        struct step_item own = {sequence, rows};
        if (items == OTHERS) {
            item[items] = item[items - 1];
            item[items - 1] = own;
        } else {
            row = 0;
            for (int i = 0; i < items; i++) row += item[i].rows;
            item[items] = own;
        }
        require(engine_step(engine, item, items + 1), setting);
        logits_of(engine, row, rows, logits + begin * vocab);
    }
    for (int i = 0; i < OTHERS; i++) sequence_close(other[i]);
    sequence_close(sequence);
    engine_close(engine);
    return logits;
}

static int64_t vocab_of(const struct setting *setting) {
    struct engine *engine = open_model(setting);
    int64_t vocab = engine->model.desc.vocab;
    engine_close(engine);
    return vocab;
}

static void same_bits(const float *a, float *b, int64_t vocab, const struct setting *setting,
                      const char *what) {
    for (int64_t row = 0; row < PROMPT_TOKENS + GENERATED; row++)
        if (memcmp(a + row * vocab, b + row * vocab, (size_t)vocab * sizeof *a))
            fail_msg("%s, %s, %d threads, cache %s: row %d differs: %s", setting->path,
                     cpu_level_name(setting->level), setting->threads, dtype_traits(setting->kv_type)->name,
                     (int)row, what);
    free(b);
}

static void check(struct setting setting) {
    int64_t vocab = vocab_of(&setting);
    setting.threads = 1;
    float *truth = run_alone(&setting, CONTEXT, TOKEN_GENERATED);
    for (setting.threads = 1; setting.threads <= 3; setting.threads++) {
        same_bits(truth, run_alone(&setting, 7, TOKEN_GENERATED), vocab, &setting, "chunks of 7");
        same_bits(truth, run_alone(&setting, 64, TOKEN_GENERATED), vocab, &setting, "chunks of 64");
        same_bits(truth, run_among_others(&setting, 20), vocab, &setting, "in a batch with others");
    }
    setting.threads = 2;
    same_bits(truth, run_alone(&setting, 1, TOKEN_GENERATED), vocab, &setting, "chunks of 1");
    if (setting.strict)
        same_bits(truth, run_alone(&setting, 64, TOKEN_PROMPT), vocab, &setting, "prompt against generated");
    free(truth);
}

static void write_synthetic(const struct synthetic *synthetic) {
    json_t *config;
    struct synth_result result;
    if (scratch_has(&scratch, synthetic->file)) return;
    const char *path = scratch_path(&scratch, synthetic->file);
    struct setting setting = {.path = path};
    require(json_read_file(synthetic->config, 1 << 16, &config), &setting);
    require(synth_write(&(struct synth_options){.config = config,
                                                .origin = synthetic->config,
                                                .name = "synthetic",
                                                .path = path,
                                                .mix = {.type = synthetic->type},
                                                .seed = 3,
                                                .threads = 1},
                        &result),
            &setting);
    json_decref(config);
}

static void check_synthetic(const struct synthetic *synthetic, enum cpu_level level, enum dtype kv_type,
                            bool strict) {
    write_synthetic(synthetic);
    check((struct setting){scratch_path(&scratch, synthetic->file), level, 1, kv_type, strict});
}

/* Synthetic models stand in for the golden cases; those of block formats, which no golden case has, are tried once for
 * each level. */
static void check_models(enum cpu_level level, enum dtype kv_type, bool strict) {
    int found = 0;
    bool blocks = level != CPU_SCALAR && kv_type == DTYPE_F32 && !strict;
    if (level > cpu_level_available()) skip();
    for (size_t i = 0; i < COUNT_OF(models); i++) {
        if (access(models[i], R_OK)) continue;
        check((struct setting){models[i], level, 1, kv_type, strict});
        found++;
    }
    for (size_t i = 0; i < COUNT_OF(synthetics); i++)
        if (dtype_traits(synthetics[i].type)->block_elements > 1 ? blocks : !found)
            check_synthetic(&synthetics[i], level, kv_type, strict);
}

static void scalar_f32(void **state) {
    (void)state;
    check_models(CPU_SCALAR, DTYPE_F32, false);
}
static void avx2_f32(void **state) {
    (void)state;
    check_models(CPU_AVX2, DTYPE_F32, false);
}
static void avx512_f32(void **state) {
    (void)state;
    check_models(CPU_AVX512, DTYPE_F32, false);
}
static void best_bf16(void **state) {
    (void)state;
    check_models(cpu_level_available(), DTYPE_BF16, false);
}
static void best_q8_0(void **state) {
    (void)state;
    check_models(cpu_level_available(), DTYPE_Q8_0, false);
}
static void best_fp8(void **state) {
    (void)state;
    check_models(cpu_level_available(), DTYPE_F8_E4M3, false);
}
static void strict_f32(void **state) {
    (void)state;
    check_models(cpu_level_available(), DTYPE_F32, true);
}
static void strict_bf16(void **state) {
    (void)state;
    check_models(cpu_level_available(), DTYPE_BF16, true);
}

static int open_scratch(void **state) {
    return (void)state, scratch_open(&scratch), 0;
}
static int close_scratch(void **state) {
    return (void)state, scratch_close(&scratch), 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(scalar_f32), cmocka_unit_test(avx2_f32),
                                       cmocka_unit_test(avx512_f32), cmocka_unit_test(best_bf16),
                                       cmocka_unit_test(best_q8_0),  cmocka_unit_test(best_fp8),
                                       cmocka_unit_test(strict_f32), cmocka_unit_test(strict_bf16)};
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
