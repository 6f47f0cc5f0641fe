/* test_gguf.c - the golden cases again out of GGUF files: the same numbers must come from both containers. The files are
 * made by ../shared/tools/hf_to_gguf.py, so the test runs where that script and python3 with numpy are. */
#include "base/json.h"
#include "engine/engine.h"
#include "format/npy.h"
#include "kernel/kernel.h"
#include "support/golden.h"
#include "support/scratch.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

static const char converter[] = "../shared/tools/hf_to_gguf.py";
static const double divergence_limit = 1e-3;

static const struct {
    const char *name, *option;
} cases[] = {{"v3_f32_odd", ""},   {"v3_bf16_mtp", "--mtp"}, {"v3_fp8_mtp", "--mtp"}, {"v2lite_bf16", ""},
             {"v2_group_f32", ""}, {"qwen2_bf16_tied", ""},  {"llama3_bf16", ""}};

static void require(enum status status, const char *what) {
    if (status != STATUS_OK) fail_msg("%s: %s", what, status_message());
}

static void compare(const char *name, const char *file, int64_t rows, int64_t vocab, const float *ours,
                    const char *what) {
    char path[512];
    float *expected;
    int64_t found_rows, columns;
    snprintf(path, sizeof path, "../shared/cases/%s/golden/%s", name, file);
    require(npy_read(path, &expected, &found_rows, &columns), path);
    assert_int_equal(found_rows, rows);
    assert_int_equal(columns, vocab);
    struct difference difference = {0};
    difference_add(&difference, expected, ours, rows, vocab);
    print_message("%s %s: max %.2e, KL %.2e, flips %d of %d\n", what, file, difference.largest,
                  difference.divergence, difference.flips, difference.rows);
    assert_true(difference.divergence <= divergence_limit);
    assert_int_equal(difference.flips, 0);
    free(expected);
}

/* The 33-token prompt: every row of the trunk, and of the MTP module where the file has one. */
static void run_file(const char *name, const char *path, const char *what) {
    struct engine *engine;
    struct sequence *sequence;
    json_t *golden;
    char golden_path[512];
    int32_t row[64];
    struct engine_options options = {.model = {.path = path,
                                               .cpu_level_cap = CPU_AMX,
                                               .max_rows = 64,
                                               .kv_automatic = true,
                                               .context = 64},
                                     .no_tokenizer = true};
    snprintf(golden_path, sizeof golden_path, "../shared/cases/%s/golden/golden.json", name);
    require(json_read_file(golden_path, 1 << 24, &golden), golden_path);
    require(engine_open(&engine, &options), what);
    require(sequence_open(&sequence, engine), what);
    const json_t *tokens = json_object_get(json_array_get(json_object_get(golden, "prompts"), 2), "tokens");
    int count = (int)json_array_size(tokens);
    for (int i = 0; i < count; i++) {
        row[i] = (int32_t)json_integer_value(json_array_get(tokens, (size_t)i));
        require(sequence_append(sequence, &row[i], 1, TOKEN_PROMPT), what);
    }
    require(engine_step(engine, &(struct step_item){sequence, count}, 1), what);
    float *logits = malloc((size_t)(count * engine->model.desc.vocab) * sizeof *logits);
    for (int i = 0; i < count; i++) row[i] = i;
    engine_logits(engine, row, count, logits);
    compare(name, "logits_33.npy", count, engine->model.desc.vocab, logits, what);
    if (engine->model.desc.mtp_layers) {
        require(engine_mtp_logits(engine, &(struct step_item){sequence, count}, count - 1, logits), what);
        compare(name, "mtp_33.npy", count - 1, engine->model.desc.vocab, logits, what);
    }
    free(logits);
    sequence_close(sequence);
    engine_close(engine);
    json_decref(golden);
}

/* Rounding f32 weights to bf16 moves them further than the bound: bf16 files are made of bf16 cases alone. */
static bool fits(const char *name, const char *type) {
    return strcmp(type, "bf16") || strstr(name, "bf16");
}

static void check_type(const char *type) {
    struct scratch scratch;
    if (access(converter, R_OK) ||
        system("python3 -c 'import numpy' 2>/dev/null || /usr/bin/python3 -c 'import numpy' 2>/dev/null"))
        skip();
    scratch_open(&scratch);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (!fits(cases[i].name, type)) continue;
        char command[1024], what[128];
        const char *path = scratch_path(&scratch, "case.gguf");
        snprintf(command, sizeof command,
                 "for p in python3 /usr/bin/python3; do $p %s ../shared/cases/%s %s %s %s 2>/dev/null && "
                 "break; done",
                 converter, cases[i].name, path, type, cases[i].option);
        assert_int_equal(system(command), 0);
        snprintf(what, sizeof what, "%s %s", cases[i].name, type);
        run_file(cases[i].name, path, what);
        unlink(path);
    }
    scratch_close(&scratch);
}

static void f32(void **state) {
    (void)state;
    check_type("f32");
}
static void f16(void **state) {
    (void)state;
    check_type("f16");
}
static void bf16(void **state) {
    (void)state;
    check_type("bf16");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(f32), cmocka_unit_test(f16), cmocka_unit_test(bf16)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
