/* test_gradients.c - derivatives of every parameter of every architecture: the double-precision walk against central
 * differences, with the choice of experts held, and the trainer against that walk. */
#include "support/reference_model.h"
#include "support/tiny_train.h"

#include "kernel/kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

static struct trainer_options options_of(enum cpu_level level, int threads) {
    return (struct trainer_options){.threads = threads, .cpu_level_cap = level, .max_rows = TINY_ROWS};
}

/* ---- double precision against differences ---- */

static double difference(struct reference_model *reference, int64_t index) {
    struct train_batch batch = tiny_batch();
    struct loss_scale scale = tiny_scale();
    const double step = 1e-5;
    double kept = reference->value[index];
    reference->value[index] = kept + step;
    double above = reference_loss(reference, &batch, &scale, false);
    reference->value[index] = kept - step;
    double below = reference_loss(reference, &batch, &scale, false);
    reference->value[index] = kept;
    return (above - below) / (2 * step);
}

/* The steepest element of the parameter and some others, relative to the steepest. */
static double worst_of(struct reference_model *reference, const double *gradient,
                       const struct parameter *item) {
    int64_t steepest = 0;
    double worst = 0;
    for (int64_t i = 0; i < item->elements; i++)
        if (fabs(gradient[item->first + i]) > fabs(gradient[item->first + steepest])) steepest = i;
    double size = fabs(gradient[item->first + steepest]);
    if (size == 0) return 0; /* an expert that no row has taken */
    int64_t sampled[3] = {steepest, item->elements / 3, item->elements - 1};
    for (int i = 0; i < 3; i++) {
        int64_t at = item->first + sampled[i];
        worst = fmax(worst, fabs(difference(reference, at) - gradient[at]) / size);
    }
    return worst;
}

static void check_differences(enum tiny_model model) {
    struct trainer trainer;
    struct reference_model reference;
    struct train_batch batch = tiny_batch();
    struct loss_scale scale = tiny_scale();
    struct trainer_options options = options_of(CPU_SCALAR, 1);
    tiny_trainer_open(&trainer, model, &options);
    reference_open(&reference, &trainer.model.desc, &trainer.parameters);
    reference_loss(&reference, &batch, &scale, true);
    double *gradient = reference.gradient, worst = 0;
    reference.gradient = calloc((size_t)trainer.parameters.elements, sizeof *gradient);
    assert_non_null(reference.gradient);
    for (int i = 0; i < trainer.parameters.count; i++) {
        const struct parameter *item = &trainer.parameters.item[i];
        double error = parameter_has_gradient(item) ? worst_of(&reference, gradient, item) : 0;
        if (error > 1e-6)
            print_error("%s: %s, layer %d: %g\n", tiny_name(model), weight_rows()[item->weight].name,
                        item->layer, error);
        worst = fmax(worst, error);
    }
    print_message("%s: %d parameters, worst relative error %.2g\n", tiny_name(model),
                  trainer.parameters.count, worst);
    assert_true(worst <= 1e-6);
    free(gradient);
    reference_close(&reference);
    trainer_close(&trainer);
}

static void test_differences(void **state) {
    (void)state;
    for (int model = 0; model < TINY_COUNT; model++) check_differences((enum tiny_model)model);
}

/* ---- the trainer against double precision ---- */

struct likeness {
    double cosine, ratio; /* of the norms */
};

static struct likeness likeness_of(const float *a, const double *b, int64_t n) {
    double aa = 0, bb = 0, ab = 0;
    for (int64_t i = 0; i < n; i++) {
        aa += (double)a[i] * a[i];
        bb += b[i] * b[i];
        ab += a[i] * b[i];
    }
    if (aa == 0 && bb == 0) return (struct likeness){1, 1};
    return (struct likeness){ab / sqrt(aa * bb), sqrt(aa / bb)};
}

static double whole_loss(const struct loss_sums *sums, const struct loss_scale *scale) {
    return scale->token * sums->token + scale->mtp * sums->mtp + scale->balance * sums->balance;
}

/* Of 1 - cosine, and of a tenth of the deviation in length: where matrix tiles take part, factors are bf16. */
static double bound_at(int level) {
    return level >= CPU_AMX && cpu_level_available() >= CPU_AMX ? 1e-3 : 1e-5;
}

static void check_trainer(enum tiny_model model, struct trainer_options options) {
    struct trainer trainer;
    struct reference_model reference;
    struct train_batch batch = tiny_batch();
    struct loss_scale scale = tiny_scale();
    struct loss_sums sums = {0};
    double worst = 0, bound = bound_at(options.cpu_level_cap);
    tiny_trainer_open(&trainer, model, &options);
    if (!trainer.model.desc.mtp_layers) scale.mtp = 0;
    reference_open(&reference, &trainer.model.desc, &trainer.parameters);
    double loss = reference_loss(&reference, &batch, &scale, true);
    trainer_clear(&trainer);
    assert_int_equal(trainer_accumulate(&trainer, &batch, &scale, &sums), STATUS_OK);
    assert_true(fabs(whole_loss(&sums, &scale) - loss) < 1e-5 * fabs(loss));
    for (int i = 0; i < trainer.parameters.count; i++) {
        const struct parameter *item = &trainer.parameters.item[i];
        struct likeness like = likeness_of(trainer.parameters.gradient + item->first,
                                           reference.gradient + item->first, item->elements);
        if (!parameter_has_gradient(item)) continue;
        double error = fmax(1 - like.cosine, fabs(like.ratio - 1) / 10);
        if (!(error < bound))
            print_error("%s: %s, layer %d, expert %d: cosine %.9f, ratio %.9f\n", tiny_name(model),
                        weight_rows()[item->weight].name, item->layer, item->expert, like.cosine, like.ratio);
        assert_true(error < bound);
        worst = fmax(worst, error);
    }
    print_message("%s: trainer within %.2g of double precision\n", tiny_name(model), worst);
    reference_close(&reference);
    trainer_close(&trainer);
}

static void test_trainer(void **state) {
    (void)state;
    for (int model = 0; model < TINY_COUNT; model++)
        for (int level = CPU_SCALAR; level <= (int)cpu_level_available(); level++)
            check_trainer((enum tiny_model)model, options_of((enum cpu_level)level, 2));
}

static void test_other_forms(void **state) {
    (void)state;
    struct trainer_options strict = options_of(CPU_LEVEL_COUNT - 1, 1), recompute = strict;
    strict.strict = true;
    recompute.recompute = true;
    for (int model = 0; model < TINY_COUNT; model++) {
        check_trainer((enum tiny_model)model, strict);
        check_trainer((enum tiny_model)model, recompute);
    }
}

/* ---- what must not matter ---- */

/* The gradient of the tiny batch; the caller frees. */
static float *gradient_of(enum tiny_model model, struct trainer_options options, int64_t *elements) {
    struct trainer trainer;
    struct train_batch batch = tiny_batch();
    struct loss_scale scale = tiny_scale();
    struct loss_sums sums = {0};
    tiny_trainer_open(&trainer, model, &options);
    if (!trainer.model.desc.mtp_layers) scale.mtp = 0;
    trainer_clear(&trainer);
    assert_int_equal(trainer_accumulate(&trainer, &batch, &scale, &sums), STATUS_OK);
    *elements = trainer.parameters.elements;
    float *gradient = trainer.parameters.gradient;
    trainer.parameters.gradient = NULL;
    trainer_close(&trainer);
    return gradient;
}

/* Threads and running layers again change no bit. */
static void test_same_bits(void **state) {
    (void)state;
    for (int model = 0; model < TINY_COUNT; model++) {
        int64_t elements, same;
        struct trainer_options one = options_of(CPU_LEVEL_COUNT - 1, 1), three = one, again = one;
        three.threads = 3;
        again.recompute = true;
        float *expected = gradient_of((enum tiny_model)model, one, &elements);
        float *threads = gradient_of((enum tiny_model)model, three, &same);
        assert_memory_equal(expected, threads, (size_t)elements * sizeof *expected);
        float *recomputed = gradient_of((enum tiny_model)model, again, &same);
        assert_memory_equal(expected, recomputed, (size_t)elements * sizeof *expected);
        free(expected);
        free(threads);
        free(recomputed);
    }
}

/* Segments know nothing of each other: two batches of a segment each have the gradient of one batch with both, but for
 * rounding. */
static void test_cut_into_batches(void **state) {
    (void)state;
    struct trainer trainer;
    struct train_batch whole = tiny_batch();
    struct loss_scale scale = tiny_scale();
    struct loss_sums sums = {0}, parts = {0};
    struct trainer_options options = options_of(CPU_AVX512, 1);
    scale.balance = 0;
    tiny_trainer_open(&trainer, TINY_V3, &options);
    trainer_clear(&trainer);
    assert_int_equal(trainer_accumulate(&trainer, &whole, &scale, &sums), STATUS_OK);
    int64_t n = trainer.parameters.elements;
    double *gradient = calloc((size_t)n, sizeof *gradient);
    assert_non_null(gradient);
    for (int64_t i = 0; i < n; i++) gradient[i] = trainer.parameters.gradient[i];
    trainer_clear(&trainer);
    for (int s = 0; s < whole.segments; s++) {
        struct train_segment segment = {0, whole.segment[s].rows};
        int row = whole.segment[s].row_begin;
        struct train_batch part = {segment.rows,       whole.token + row, whole.target + row,
                                   whole.weight + row, &segment,          1,
                                   segment.rows};
        assert_int_equal(trainer_accumulate(&trainer, &part, &scale, &parts), STATUS_OK);
    }
    struct likeness like = likeness_of(trainer.parameters.gradient, gradient, n);
    assert_true(1 - like.cosine < 1e-9 && fabs(like.ratio - 1) < 1e-5);
    assert_true(fabs(sums.token - parts.token) < 1e-4 && fabs(sums.mtp - parts.mtp) < 1e-4);
    free(gradient);
    trainer_close(&trainer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences),      cmocka_unit_test(test_trainer),
        cmocka_unit_test(test_other_forms),      cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_cut_into_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
