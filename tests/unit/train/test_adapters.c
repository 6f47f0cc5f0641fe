/* test_adapters.c - gradients of low-rank pairs are those of the whole matrix times the other of the pair, on every
 * architecture; which matrices are adapted, and what they are called. */
#include "support/tiny_train.h"

#include "base/rng.h"
#include "kernel/kernel.h"
#include "train/adapter_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RANK = 3 };
#define ALPHA 4.5

static struct trainer_options options_of(int rank) {
    return (struct trainer_options){.threads = 2,
                                    .cpu_level_cap = CPU_LEVEL_COUNT - 1,
                                    .max_rows = TINY_ROWS,
                                    .lora = {.rank = rank, .alpha = ALPHA}};
}

static void learn(struct trainer *trainer) {
    struct train_batch batch = tiny_batch();
    struct loss_scale scale = tiny_scale();
    struct loss_sums sums = {0};
    if (!trainer->model.desc.mtp_layers) scale.mtp = 0;
    trainer_clear(trainer);
    assert_int_equal(trainer_accumulate(trainer, &batch, &scale, &sums), STATUS_OK);
    assert_true(sums.token > 1);
}

/* Largest difference between the pair's gradients and those of whole [out, in], relative to their largest value. */
static double apart(const struct adapters *adapters, const struct parameter *pair, const float *whole) {
    const int64_t in = pair[0].shape[1], out = pair[1].shape[0];
    const float *down = adapters->trained.value + pair[0].first,
                *up = adapters->trained.value + pair[1].first;
    const float *ddown = adapters->trained.gradient + pair[0].first,
                *dup = adapters->trained.gradient + pair[1].first;
    double worst = 0, largest = 0;
    for (int r = 0; r < RANK; r++) {
        for (int64_t o = 0; o < out; o++) {
            double sum = 0;
            for (int64_t i = 0; i < in; i++) sum += (double)whole[o * in + i] * down[r * in + i];
            worst = fmax(worst, fabs(ALPHA / RANK * sum - dup[o * RANK + r]));
            largest = fmax(largest, fabs(ALPHA / RANK * sum));
        }
        for (int64_t i = 0; i < in; i++) {
            double sum = 0;
            for (int64_t o = 0; o < out; o++) sum += (double)whole[o * in + i] * up[o * RANK + r];
            worst = fmax(worst, fabs(ALPHA / RANK * sum - ddown[r * in + i]));
            largest = fmax(largest, fabs(ALPHA / RANK * sum));
        }
    }
    assert_true(largest > 0);
    return worst / largest;
}

static void test_gradients(void **state) {
    (void)state;
    for (int model = 0; model < TINY_COUNT; model++) {
        struct trainer whole, adapted;
        struct trainer_options all = options_of(0), some = options_of(RANK);
        struct rng rng;
        tiny_trainer_open(&whole, (enum tiny_model)model, &all);
        tiny_trainer_open(&adapted, (enum tiny_model)model, &some);
        const struct parameters *trained = trainer_trained(&adapted);
        assert_ptr_not_equal(trained, &adapted.parameters);
        assert_null(adapted.parameters.gradient);
        rng_seed(&rng, 9);
        for (int64_t i = 0; i < trained->elements; i++) trained->value[i] = (float)(rng_uniform(&rng) - 0.5);
        learn(&whole);
        learn(&adapted);
        int pairs = 0;
        for (int i = 0; i < whole.parameters.count; i++) {
            const struct parameter *item = &whole.parameters.item[i];
            if (adapted.adapters->of_item[i] < 0) continue;
            pairs++;
            const double off = apart(adapted.adapters, &trained->item[adapted.adapters->of_item[i]],
                                     whole.parameters.gradient + item->first);
            if (!(off < 1e-4))
                fail_msg("%s: pair %d is %g apart", tiny_name((enum tiny_model)model), pairs, off);
        }
        assert_int_equal(2 * pairs, trained->count);
        assert_true(pairs >= 10);
        assert_true(adapters_elements(&adapted.model.desc, &some.lora) == trained->elements);
        trainer_close(&whole);
        trainer_close(&adapted);
    }
}

static int pairs_of(enum tiny_model model, const char *target, json_t **config) {
    struct trainer trainer;
    struct trainer_options options = options_of(RANK);
    options.lora.target = &target;
    options.lora.targets = 1;
    tiny_trainer_open(&trainer, model, &options);
    const int pairs = trainer.adapters->trained.count / 2;
    *config = adapter_config_json(trainer.adapters, "somewhere");
    trainer_close(&trainer);
    return pairs;
}

static void test_targets(void **state) {
    (void)state;
    json_t *config;
    assert_int_equal(pairs_of(TINY_QWEN2, "q_proj", &config), 2); /* layers */
    const json_t *names = json_object_get(config, "target_modules");
    assert_int_equal(json_array_size(names), 1);
    assert_string_equal(json_string_value(json_array_get(names, 0)), "self_attn.q_proj");
    assert_int_equal(json_integer_value(json_object_get(config, "r")), RANK);
    json_decref(config);
    /* an expert's matrix has the same end, and is none of them */
    const int shared = pairs_of(TINY_V3, "gate_proj", &config);
    names = json_object_get(config, "target_modules");
    for (size_t i = 0; i < json_array_size(names); i++)
        assert_null(strstr(json_string_value(json_array_get(names, i)), "experts.0"));
    assert_true(shared >= 1 && shared <= 4);
    json_decref(config);
}

static void test_refused(void **state) {
    (void)state;
    struct model_desc desc;
    struct trainer trainer;
    struct trainer_options options = options_of(RANK);
    const char *unknown = "roj", *expert = "mlp.experts.0.up_proj";
    tiny_desc(TINY_V3, &desc);
    options.lora.targets = 1;
    options.lora.target = &unknown;
    assert_int_equal(trainer_open(&trainer, &desc, &options), STATUS_USAGE);
    options.lora.target = &expert;
    assert_int_equal(trainer_open(&trainer, &desc, &options), STATUS_USAGE);
    options = options_of(500);
    assert_int_equal(trainer_open(&trainer, &desc, &options), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "500"));
    options = options_of(RANK);
    options.fp8 = true;
    assert_int_equal(trainer_open(&trainer, &desc, &options), STATUS_UNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
