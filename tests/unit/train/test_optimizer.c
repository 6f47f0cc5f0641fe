/* test_optimizer.c - AdamW against its formula in double precision, Muon's orthogonalisation, schedules, spikes, and the
 * biases of the routers. */
#include "support/tiny_train.h"

#include "kernel/kernel.h"
#include "train/optimizer.h"
#include "train/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void open_tiny(struct trainer *trainer, enum tiny_model model) {
    struct trainer_options options = {
        .threads = 2, .cpu_level_cap = CPU_LEVEL_COUNT - 1, .max_rows = TINY_ROWS};
    tiny_trainer_open(trainer, model, &options);
}

/* A gradient that changes with step and place. */
static float made_up(int64_t i, int step) {
    return (float)(sin(0.7 * (double)i + step) * 0.01 * (1 + i % 3));
}

static void set_gradient(struct trainer *trainer, int step) {
    trainer_clear(trainer);
    for (int p = 0; p < trainer->parameters.count; p++) {
        const struct parameter *item = &trainer->parameters.item[p];
        for (int64_t i = item->first; parameter_has_gradient(item) && i < item->first + item->elements; i++)
            trainer->parameters.gradient[i] = made_up(i, step);
    }
}

static void test_adamw(void **state) {
    (void)state;
    struct trainer trainer;
    struct optimizer optimizer;
    struct comm comm = comm_self();
    struct optimizer_options options = optimizer_defaults(OPTIMIZER_ADAMW);
    open_tiny(&trainer, TINY_V3);
    assert_int_equal(optimizer_open(&optimizer, &trainer, &options, &comm), STATUS_OK);
    int64_t n = trainer.parameters.elements;
    double *value = calloc((size_t)n, sizeof *value), *m = calloc((size_t)n, sizeof *m),
           *v = calloc((size_t)n, sizeof *v);
    assert_true(value && m && v);
    for (int64_t i = 0; i < n; i++) value[i] = trainer.parameters.value[i];
    for (int step = 1; step <= 3; step++) {
        set_gradient(&trainer, step);
        double norm = optimizer_gradient_norm(&trainer), clip = norm > 0.05 ? 0.05 / norm : 1;
        optimizer.options.clip = 0.05;
        assert_int_equal(optimizer_step(&optimizer, &trainer, 1e-2, norm), STATUS_OK);
        for (int p = 0; p < trainer.parameters.count; p++) {
            const struct parameter *item = &trainer.parameters.item[p];
            for (int64_t i = item->first; i < item->first + item->elements; i++) {
                double g = parameter_has_gradient(item) ? made_up(i, step) * clip : 0;
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.95 * v[i] + 0.05 * g * g;
                double update = m[i] / (1 - pow(0.9, step)) / (sqrt(v[i] / (1 - pow(0.95, step))) + 1e-8);
                if (parameter_has_gradient(item))
                    value[i] -= 1e-2 * (update + (item->rank > 1 ? 0.1 * value[i] : 0));
            }
        }
    }
    for (int64_t i = 0; i < n; i++) assert_true(fabs(trainer.parameters.value[i] - value[i]) < 1e-5);
    free(value);
    free(m);
    free(v);
    optimizer_close(&optimizer);
    trainer_close(&trainer);
}

/* x x^T (or x^T x) is near the identity. */
static double distance_from_orthonormal(const float *x, int64_t rows, int64_t columns) {
    double worst = 0;
    for (int64_t a = 0; a < (rows < columns ? rows : columns); a++)
        for (int64_t b = 0; b <= a; b++) {
            double sum = 0;
            for (int64_t i = 0; i < (rows < columns ? columns : rows); i++)
                sum += rows < columns ? (double)x[a * columns + i] * x[b * columns + i]
                                      : (double)x[i * columns + a] * x[i * columns + b];
            worst = fmax(worst, fabs(sum - (a == b)));
        }
    return worst;
}

/* x <- what a step of Muon moves a zero matrix by, whose gradient x is: without momentum, and of a rate that leaves the
 * direction as it is. */
static void orthogonalise(struct backend *backend, float *x, int64_t rows, int64_t columns) {
    int64_t n = rows * columns;
    float *value = take_floats(n), *momentum = take_floats(n);
    struct muon_matrix matrix = {value, momentum, x, rows, columns};
    struct muon_op op = {.matrix = &matrix,
                         .count = 1,
                         .gradient_scale = 1,
                         .rate = -1 / (0.2 * sqrt((double)(rows > columns ? rows : columns)))};
    assert_int_equal(backend->ops->backward->reserve_muon(backend, rows, columns), STATUS_OK);
    backend->ops->backward->muon(backend, &op);
    memcpy(x, value, (size_t)n * sizeof *x);
    free(value);
    free(momentum);
}

static void test_orthogonalise(void **state) {
    (void)state;
    static const int64_t shape[][2] = {{12, 30}, {30, 12}, {20, 20}, {1, 9}, {100, 130}};
    struct trainer trainer;
    open_tiny(&trainer, TINY_LLAMA);
    for (size_t s = 0; s < COUNT_OF(shape); s++) {
        int64_t rows = shape[s][0], columns = shape[s][1];
        float *x = take_floats(rows * columns);
        for (int64_t i = 0; i < rows * columns; i++)
            x[i] = (float)sin((double)(i * i % 101) + 0.3 * (double)i);
        orthogonalise(trainer.model.backend, x, rows, columns);
        assert_true(distance_from_orthonormal(x, rows, columns) < 0.02);
        memset(x, 0, (size_t)(rows * columns) * sizeof *x);
        orthogonalise(trainer.model.backend, x, rows, columns);
        for (int64_t i = 0; i < rows * columns; i++)
            assert_true(x[i] == 0); /* nothing to learn: nothing happens */
        free(x);
    }
    trainer_close(&trainer);
}

/* Many matrices of several sizes, moved by one worker and by three: the same bits. */
static void test_muon_threads(void **state) {
    (void)state;
    float *value[2];
    int64_t n = 0;
    for (int i = 0; i < 2; i++) {
        struct trainer_options options = {
            .threads = i ? 3 : 1, .cpu_level_cap = CPU_LEVEL_COUNT - 1, .max_rows = TINY_ROWS};
        struct optimizer_options muon = optimizer_defaults(OPTIMIZER_MUON);
        struct trainer trainer;
        struct optimizer optimizer;
        struct comm comm = comm_self();
        tiny_trainer_open(&trainer, TINY_V3, &options);
        parameters_initialise(&trainer.parameters, 0.05, 5);
        assert_int_equal(optimizer_open(&optimizer, &trainer, &muon, &comm), STATUS_OK);
        for (int step = 1; step <= 3; step++) {
            set_gradient(&trainer, step);
            assert_int_equal(optimizer_step(&optimizer, &trainer, 1e-2, optimizer_gradient_norm(&trainer)),
                             STATUS_OK);
        }
        n = trainer.parameters.elements;
        value[i] = take_floats(n);
        memcpy(value[i], trainer.parameters.value, (size_t)n * sizeof *value[i]);
        optimizer_close(&optimizer);
        trainer_close(&trainer);
    }
    assert_memory_equal(value[0], value[1], (size_t)n * sizeof *value[0]);
    free(value[0]);
    free(value[1]);
}

/* Both optimizers bring the loss of one batch down. */
static void test_learns(void **state) {
    (void)state;
    for (int kind = OPTIMIZER_ADAMW; kind <= OPTIMIZER_MUON; kind++)
        for (int model = 0; model < TINY_COUNT; model++) {
            struct trainer trainer;
            struct optimizer optimizer;
            struct comm comm = comm_self();
            struct optimizer_options options = optimizer_defaults((enum optimizer_kind)kind);
            struct train_batch batch = tiny_batch();
            struct train_weights weights = {0};
            double first = 0, last = 0;
            open_tiny(&trainer, (enum tiny_model)model);
            parameters_initialise(&trainer.parameters, 0.05, 5);
            assert_int_equal(optimizer_open(&optimizer, &trainer, &options, &comm), STATUS_OK);
            train_batch_weights(&batch, &weights);
            for (int step = 0; step < 30; step++) {
                struct loss_scale scale = {1 / weights.token,
                                           trainer.model.desc.mtp_layers ? 0.3 / weights.mtp : 0, 1e-4};
                struct loss_sums sums = {0};
                trainer_clear(&trainer);
                assert_int_equal(trainer_accumulate(&trainer, &batch, &scale, &sums), STATUS_OK);
                assert_int_equal(
                    optimizer_step(&optimizer, &trainer, 1e-2, optimizer_gradient_norm(&trainer)), STATUS_OK);
                trainer_balance(&trainer, 1e-3);
                last = sums.token * scale.token;
                if (!step) first = last;
            }
            assert_true(first > 3.4 && last < 0.6 * first);
            optimizer_close(&optimizer);
            trainer_close(&trainer);
        }
}

static void test_balance(void **state) {
    (void)state;
    struct trainer trainer;
    open_tiny(&trainer, TINY_V3);
    const struct model_desc *d = &trainer.model.desc;
    const struct tensor *bias = weights_matrix(&trainer.model.weights, WEIGHT_ROUTER_BIAS, 1, 0);
    float before[8];
    memcpy(before, bias->data, sizeof before);
    trainer_clear(&trainer);
    for (int e = 0; e < d->experts; e++) trainer.load[d->experts + e] = e < 2 ? 10 : e == 2 ? 4 : 2;
    trainer.load[d->experts + 7] = 0; /* mean: 10 + 10 + 4 + 2 * 4 = 32, over 8: 4 */
    trainer_balance(&trainer, 0.125);
    for (int e = 0; e < d->experts; e++) {
        float moved = ((const float *)bias->data)[e] - before[e];
        assert_true(fabs(moved - (e < 2 ? -0.125 : e == 2 ? 0 : 0.125)) < 1e-6);
    }
    trainer_close(&trainer);
}

static void test_schedules(void **state) {
    (void)state;
    struct schedule s = {SCHEDULE_COSINE, 1, 0.1, 10, 110, 20};
    assert_true(fabs(schedule_rate(&s, 0) - 0.1) < 1e-12 && fabs(schedule_rate(&s, 9) - 1) < 1e-12);
    assert_true(fabs(schedule_rate(&s, 60) - 0.55) < 1e-12 && fabs(schedule_rate(&s, 110) - 0.1) < 1e-12);
    s.kind = SCHEDULE_WSD;
    assert_true(schedule_rate(&s, 89) == 1 && fabs(schedule_rate(&s, 100) - 0.55) < 1e-12);
    s.kind = SCHEDULE_CONSTANT;
    assert_true(schedule_rate(&s, 109) == 1);
    struct schedule_switch lambda = {0.3, 0.1, 0.5};
    assert_true(schedule_value(&lambda, 49, 100) == 0.3 && schedule_value(&lambda, 50, 100) == 0.1);
}

static void test_spikes(void **state) {
    (void)state;
    struct spike_watch watch = {0};
    for (int i = 0; i < 100; i++) assert_false(spike_seen(&watch, 2 + 0.1 * sin(i), 6));
    struct spike_watch before = watch;
    assert_true(spike_seen(&watch, 5, 6));
    assert_true(watch.mean == before.mean && watch.variance == before.variance);
    assert_true(spike_seen(&watch, NAN, 6) && spike_seen(&watch, INFINITY, 0));
    assert_false(spike_seen(&watch, 2.1, 6));
    int refused = 0;
    while (spike_seen(&watch, 5, 6)) refused++; /* a new level is accepted in the end */
    assert_int_equal(refused, SPIKE_PATIENCE - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adamw),        cmocka_unit_test(test_orthogonalise),
        cmocka_unit_test(test_muon_threads), cmocka_unit_test(test_learns),
        cmocka_unit_test(test_balance),      cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_spikes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
