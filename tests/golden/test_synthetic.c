/* test_synthetic.c - golden logits that need nothing but this repository: a checkpoint is written from a small config and a
 * seed, and its logits are held to those of a float64 program in another language that read the same checkpoint and
 * shares no code with hadal. `tests/golden/synthetic/NAME.json` is the config, FILE.npy the expected rows. They belong to
 * the bytes that synth_write() makes of SEED: who changes those makes them anew with such a program. */
#include "engine/engine.h"
#include "format/npy.h"
#include "kernel/kernel.h"
#include "model/synth.h"
#include "support/golden.h"
#include "support/scratch.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

enum { SEED = 7, PROMPT_TOKENS = 80, ROWS = 5 };

/* The measured difference is 2e-6 to 4e-6. A cache in bf16 makes it 6e-3. */
static const double largest_difference = 1e-4;

/* Rows of the prompt, on both sides of a page's end; the module has no row for the last token. */
static const int32_t trunk_rows[ROWS] = {0, 31, 63, 64, 79}, module_rows[ROWS] = {0, 31, 62, 63, 78};

struct model_case {
    const char *name, *file, *expected; /* config, checkpoint, logits */
    enum dtype type;
    bool module;
};

static struct scratch scratch;

static void require(enum status status, const struct model_case *c) {
    if (status != STATUS_OK) fail_msg("%s: %s", c->file, status_message());
}

static const char *write_checkpoint(const struct model_case *c) {
    char config[128];
    struct synth_result result;
    struct synth_options options = {.origin = config,
                                    .name = c->name,
                                    .path = scratch_path(&scratch, c->file),
                                    .mix = {.type = c->type},
                                    .seed = SEED,
                                    .threads = 1};
    json_t *parsed;
    snprintf(config, sizeof config, "tests/golden/synthetic/%s.json", c->name);
    require(json_read_file(config, 1 << 16, &parsed), c);
    options.config = parsed;
    require(synth_write(&options, &result), c);
    json_decref(parsed);
    return options.path;
}

static struct engine *open_checkpoint(const char *path, const struct model_case *c, enum cpu_level level,
                                      bool strict) {
    struct engine *engine;
    struct engine_options options = {.model = {.path = path,
                                               .cpu_level_cap = level,
                                               .max_rows = PROMPT_TOKENS,
                                               .kv_automatic = true,
                                               .strict = strict,
                                               .context = PROMPT_TOKENS}};
    require(engine_open(&engine, &options), c);
    return engine;
}

static void hold(const struct model_case *c, const char *suffix, const float *ours, int64_t vocab) {
    char path[128];
    float *expected;
    int64_t rows, columns;
    struct difference difference = {0};
    snprintf(path, sizeof path, "tests/golden/synthetic/%s%s.npy", c->expected, suffix);
    require(npy_read(path, &expected, &rows, &columns), c);
    assert_int_equal(rows, ROWS);
    assert_int_equal(columns, vocab);
    difference_add(&difference, expected, ours, rows, vocab);
    print_message("%s%s: max %.2e\n", c->file, suffix, difference.largest);
    assert_true(difference.largest <= largest_difference);
    free(expected);
}

static void fill(struct sequence *sequence, const struct model_case *c) {
    int64_t vocab = sequence->engine->model.desc.vocab;
    for (int i = 0; i < PROMPT_TOKENS; i++) {
        int32_t id = i ? (int32_t)((37 * i * i + 11 * i + 5) % vocab) : 0;
        require(sequence_append(sequence, &id, 1, TOKEN_PROMPT), c);
    }
}

static void check(const char *path, const struct model_case *c, enum cpu_level level, bool strict) {
    struct engine *engine = open_checkpoint(path, c, level, strict);
    int64_t vocab = engine->model.desc.vocab;
    float *logits = malloc((size_t)(PROMPT_TOKENS * vocab) * sizeof *logits), *picked;
    struct sequence *sequence;
    require(sequence_open(&sequence, engine), c);
    fill(sequence, c);
    struct step_item item = {sequence, PROMPT_TOKENS};
    require(engine_step(engine, &item, 1), c);
    engine_logits(engine, trunk_rows, ROWS, logits);
    hold(c, "", logits, vocab);
    if (c->module) {
        require(engine_mtp_logits(engine, &item, PROMPT_TOKENS - 1, logits), c);
        picked = malloc((size_t)(ROWS * vocab) * sizeof *picked);
        for (int r = 0; r < ROWS; r++)
            for (int64_t i = 0; i < vocab; i++) picked[r * vocab + i] = logits[module_rows[r] * vocab + i];
        hold(c, "_mtp", picked, vocab);
        free(picked);
    }
    free(logits);
    sequence_close(sequence);
    engine_close(engine);
}

static void check_levels(const struct model_case *c) {
    const char *path = write_checkpoint(c);
    for (int level = 0; level <= (int)cpu_level_available(); level++)
        for (int strict = 0; strict < 2; strict++) check(path, c, (enum cpu_level)level, strict);
}

static void deepseek_v3(void **state) {
    (void)state;
    check_levels(&(struct model_case){"deepseek_v3", "deepseek_v3", "deepseek_v3", DTYPE_F8_E4M3, true});
}

static void llama(void **state) {
    (void)state;
    check_levels(&(struct model_case){"llama", "llama", "llama", DTYPE_BF16, false});
}

/* Other numbers: each tensor has its own. Biases and the divisors of the rotation are tensors without a key there. */
static void llama_in_gguf(void **state) {
    (void)state;
    check_levels(&(struct model_case){"llama", "llama.gguf", "llama_gguf", DTYPE_BF16, false});
}

static int open_scratch(void **state) {
    return (void)state, scratch_open(&scratch), 0;
}
static int close_scratch(void **state) {
    return (void)state, scratch_close(&scratch), 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(deepseek_v3), cmocka_unit_test(llama),
                                       cmocka_unit_test(llama_in_gguf)};
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
