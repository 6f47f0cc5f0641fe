/* test_cases.c - every golden case at every CPU level against the float64 reference: logits of all prompts, greedy
 * continuations, MTP logits. A case is a directory with golden/golden.json inside; ../shared/cases is read when it is
 * there. */
#include "backend/cpu/cpu.h"
#include "base/json.h"
#include "engine/engine.h"
#include "format/npy.h"
#include "kernel/kernel.h"
#include "support/amx_trap.h"
#include "support/golden.h"

#include <dirent.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static const char *const folders[] = {"../shared/cases", "tests/golden/cases"};

/* Bounds of the acceptance: fp32 by absolute difference, reduced formats by divergence. */
static const double largest_f32 = 2e-3, divergence_limit = 1e-3, greedy_noise = 1e-2;

struct run {
    struct engine *engine;
    const char *name; /* its directory */
    json_t *golden;
    bool f32;
};

static void require(enum status status, const struct run *run) {
    if (status != STATUS_OK) fail_msg("%s: %s", run->name, status_message());
}

static void fill(struct sequence *sequence, const json_t *tokens, const struct run *run) {
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        int32_t id = (int32_t)json_integer_value(json_array_get(tokens, i));
        require(sequence_append(sequence, &id, 1, TOKEN_PROMPT), run);
    }
}

static void read_rows(const struct run *run, const char *name, int64_t rows, float **values) {
    char path[1024];
    int64_t found_rows, columns;
    snprintf(path, sizeof path, "%s/golden/%s", run->name, name);
    require(npy_read(path, values, &found_rows, &columns), run);
    assert_int_equal(found_rows, rows);
    assert_int_equal(columns, run->engine->model.desc.vocab);
}

static void judge(const struct run *run, const char *what, int tokens, const struct difference *d) {
    print_message("%s %s %d tokens: max %.2e, KL %.2e, argmax flips %d of %d\n", run->name, what, tokens,
                  d->largest, d->divergence, d->flips, d->rows);
    if (run->f32) assert_true(d->largest <= largest_f32);
    assert_true(d->divergence <= divergence_limit);
    assert_int_equal(d->flips, 0);
}

static void check_logits(const struct run *run, const json_t *prompt, int last_row) {
    const json_t *rows = json_object_get(prompt, "logit_rows");
    int64_t vocab = run->engine->model.desc.vocab;
    int count = (int)json_array_size(rows);
    float *expected, *ours = malloc((size_t)(count * vocab) * sizeof *ours);
    read_rows(run, json_string_value(json_object_get(prompt, "logits")), count, &expected);
    for (int i = 0; i < count; i++) {
        int32_t row = (int32_t)json_integer_value(json_array_get(rows, (size_t)i));
        assert_true(row <= last_row);
        engine_logits(run->engine, &row, 1, ours + i * vocab);
    }
    struct difference difference = {0};
    difference_add(&difference, expected, ours, count, vocab);
    judge(run, "logits", last_row + 1, &difference);
    free(expected);
    free(ours);
}

static void check_mtp(const struct run *run, const json_t *prompt, struct sequence *sequence) {
    const char *name = json_string_value(json_object_get(prompt, "mtp_logits"));
    int count = sequence->tokens - 1;
    int64_t vocab = run->engine->model.desc.vocab;
    if (!name) return;
    float *expected, *ours = malloc((size_t)(count * vocab) * sizeof *ours);
    read_rows(run, name, count, &expected);
    require(engine_mtp_logits(run->engine, &(struct step_item){sequence, sequence->tokens}, count, ours),
            run);
    struct difference difference = {0};
    difference_add(&difference, expected, ours, count, vocab);
    judge(run, "mtp", count, &difference);
    free(expected);
    free(ours);
}

/* Equal to the reference up to its first step whose gap is within the noise. */
static void check_greedy(const struct run *run, const json_t *prompt, struct sequence *sequence,
                         int32_t row) {
    const json_t *greedy = json_object_get(prompt, "greedy"), *gaps = json_object_get(prompt, "greedy_gaps");
    float *logits = malloc((size_t)run->engine->model.desc.vocab * sizeof *logits);
    for (size_t i = 0; i < json_array_size(greedy) && run->f32; i++) {
        if (json_number_value(json_array_get(gaps, i)) < greedy_noise) break;
        engine_logits(run->engine, &row, 1, logits);
        int32_t id = (int32_t)argmax_of(logits, run->engine->model.desc.vocab);
        assert_int_equal(id, json_integer_value(json_array_get(greedy, i)));
        require(sequence_append(sequence, &id, 1, TOKEN_GENERATED), run);
        require(engine_prefill(run->engine, sequence, NULL, NULL, &row), run);
    }
    free(logits);
}

static void check_prompt(const struct run *run, const json_t *prompt) {
    struct sequence *sequence;
    int32_t row;
    require(sequence_open(&sequence, run->engine), run);
    fill(sequence, json_object_get(prompt, "tokens"), run);
    require(engine_prefill(run->engine, sequence, NULL, NULL, &row), run);
    assert_int_equal(row, sequence->tokens - 1);
    check_logits(run, prompt, row);
    check_mtp(run, prompt, sequence);
    sequence_truncate(sequence, 0); /* the module used the hidden states of the step: compute them again */
    fill(sequence, json_object_get(prompt, "tokens"), run);
    require(engine_prefill(run->engine, sequence, NULL, NULL, &row), run);
    check_greedy(run, prompt, sequence, row);
    sequence_close(sequence);
}

static void check_case(const char *directory, enum cpu_level level, bool strict) {
    struct run run = {.name = directory};
    char path[1024];
    const json_t *prompt;
    size_t i;
    snprintf(path, sizeof path, "%s/golden/golden.json", directory);
    require(json_read_file(path, 1 << 24, &run.golden), &run);
    struct engine_options options = {.model = {.path = directory,
                                               .cpu_level_cap = level,
                                               .max_rows = 256,
                                               .kv_automatic = true,
                                               .strict = strict,
                                               .context = 512},
                                     .no_tokenizer = true};
    require(engine_open(&run.engine, &options), &run);
    bool in_software = level > cpu_level_available();
    if (in_software) cpu_of(run.engine->model.backend)->kernels = kernels_of(level);
    run.f32 = weights_matrix(&run.engine->model.weights, WEIGHT_EMBED, 0, 0)->dtype == DTYPE_F32;
    json_array_foreach(json_object_get(run.golden, "prompts"), i, prompt) {
        if (in_software && json_array_size(json_object_get(prompt, "tokens")) > 10) continue;
        check_prompt(&run, prompt);
    }
    engine_close(run.engine);
    json_decref(run.golden);
}

static int check_folder(const char *folder, enum cpu_level level, bool strict) {
    int cases = 0;
    DIR *directory = opendir(folder);
    if (!directory) return 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[512], golden[600];
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) continue;
        snprintf(golden, sizeof golden, "%s/golden/golden.json", path);
        FILE *found = entry->d_name[0] == '.' ? NULL : fopen(golden, "r");
        if (!found) continue;
        fclose(found);
        check_case(path, level, strict);
        cases++;
    }
    closedir(directory);
    return cases;
}

static void check_level(enum cpu_level level, bool strict) {
    int cases = 0;
    if (level > cpu_level_available()) skip();
    for (size_t i = 0; i < COUNT_OF(folders); i++) cases += check_folder(folders[i], level, strict);
    if (!cases) skip();
}

static void scalar(void **state) {
    (void)state;
    check_level(CPU_SCALAR, false);
}
static void avx2(void **state) {
    (void)state;
    check_level(CPU_AVX2, false);
}
static void avx512(void **state) {
    (void)state;
    check_level(CPU_AVX512, false);
}
/* Where tiles are carried out in software, which takes its time, for the short prompts alone. */
static void amx(void **state) {
    const char *path = "../shared/cases/v3_fp8_mtp";
    (void)state;
    FILE *found = fopen(path, "r");
    if (!found || (cpu_level_available() < CPU_AMX && !amx_trap_install())) skip();
    fclose(found);
    check_case(path, CPU_AMX, false);
}
static void strict(void **state) {
    (void)state;
    check_level(cpu_level_available(), true);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(scalar), cmocka_unit_test(avx2),
                                       cmocka_unit_test(avx512), cmocka_unit_test(amx),
                                       cmocka_unit_test(strict)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
