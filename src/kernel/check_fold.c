/* check_fold.c - the running softmax against the three operations that it is made of, and rows that become columns. Both
 * have no arithmetic of their own, so that nothing but equal bits will do. */
#include "kernel/check_parts.h"

#include <math.h>
#include <string.h>

enum { ROWS_MOST = 37 };

struct fold_case {
    struct softmax_fold op;
    struct guarded score, state;
    float *wanted; /* [rows, 64] scores before, then [3, rows] state before */
};

static bool take_fold(struct check *check, enum check_values kind, int64_t rows, int64_t keys, int64_t step,
                      struct fold_case *one) {
    size_t score_bytes = (size_t)(rows * FOLD_KEYS) * sizeof(float),
           state_bytes = (size_t)(3 * rows) * sizeof(float);
    one->score = guarded_take(check, score_bytes, check_random(check) % 4 * sizeof(float));
    one->state = guarded_take(check, state_bytes, 4);
    one->wanted = arena_take(&check->arena, score_bytes + state_bytes);
    if (check->out_of_memory || !one->wanted) return false;
    float *score = one->score.data, *state = one->state.data;
    check_fill(check, kind, score, rows * FOLD_KEYS);
    for (int64_t r = 0; r < rows; r++) {
        state[r] = r % 3 ? check_uniform(check, -2, 2) : -INFINITY;
        state[rows + r] = r % 3 ? check_uniform(check, 1, 5) : 0;
        state[2 * rows + r] = 7;
    }
    memcpy(one->wanted, score, score_bytes);
    memcpy(one->wanted + rows * FOLD_KEYS, state, state_bytes);
    one->op = (struct softmax_fold){score, state, state + rows, state + 2 * rows, rows, keys, step, 0.75f};
    return true;
}

/* The same by the level's own scale, maximum and exp_sum. */
static void fold_by_parts(const struct kernels *kernels, const struct softmax_fold *op, float *score,
                          float *state) {
    for (int64_t r = 0; r < op->rows; r++, score += FOLD_KEYS) {
        int64_t seen = op->keys + r * op->keys_step, keys = seen < FOLD_KEYS ? seen : FOLD_KEYS;
        float *maximum = state + r, *sum = state + op->rows + r, *shrink = state + 2 * op->rows + r;
        kernels->scale(op->scale, score, keys);
        float highest = kernels->maximum(score, keys);
        *shrink = *maximum;
        *maximum = highest > *maximum ? highest : *maximum;
        kernels->exp_sum(shrink, 1, *maximum);
        *sum = *sum * *shrink + kernels->exp_sum(score, keys, *maximum);
        memset(score + keys, 0, (size_t)(FOLD_KEYS - keys) * sizeof *score);
    }
}

static double fold_error(struct check *check, enum check_values kind, int64_t rows, int64_t keys,
                         int64_t step, bool *intact) {
    struct fold_case one;
    if (!take_fold(check, kind, rows, keys, step, &one)) return 0;
    float *state = one.wanted + rows * FOLD_KEYS;
    fold_by_parts(&check->tested, &one.op, one.wanted, state);
    check->tested.softmax_fold(&one.op);
    *intact = *intact && guarded_intact(&one.score) && guarded_intact(&one.state);
    return fmax(ulps_apart(one.score.data, one.wanted, rows * FOLD_KEYS),
                ulps_apart(one.state.data, state, 3 * rows));
}

static void check_softmax_fold(struct check *check) {
    static const int64_t keys[] = {1, 2, 15, 16, 17, 40, 63, 64};
    bool intact = true;
    for (int kind = 0; kind < VALUES_KINDS; kind++) {
        double worst = 0;
        for (size_t k = 0; k < COUNT_OF(keys) * 2; k++)
            for (int64_t rows = 1; rows <= ROWS_MOST; rows += 1 + rows / 4)
                worst = fmax(worst, fold_error(check, (enum check_values)kind, rows, keys[k / 2],
                                               (int64_t)(k % 2), &intact));
        check_say(check, check_values_name((enum check_values)kind), worst, 0);
    }
    check_say(check, "nothing outside is written", intact ? 0 : 1, 0);
}

static double transpose_error(struct check *check, int64_t rows, int64_t columns, bool *intact) {
    int64_t x_stride = columns + check_random(check) % 3, y_stride = rows + check_random(check) % 3;
    struct guarded x = guarded_take(check, (size_t)(rows * x_stride) * sizeof(float), 4),
                   y = guarded_take(check, (size_t)(columns * y_stride) * sizeof(float), 8);
    if (check->out_of_memory) return 0;
    float *from = x.data, *to = y.data;
    double worst = 0;
    check_fill(check, VALUES_WIDE, from, rows * x_stride);
    for (int64_t i = 0; i < columns * y_stride; i++) to[i] = -3;
    check->tested.transpose(from, x_stride, rows, columns, to, y_stride);
    for (int64_t c = 0; c < columns; c++)
        for (int64_t r = 0; r < y_stride; r++)
            worst = fmax(worst, ulps_between(to[c * y_stride + r], r < rows ? from[r * x_stride + c] : -3));
    *intact = *intact && guarded_intact(&x) && guarded_intact(&y);
    return worst;
}

static void check_transpose(struct check *check) {
    static const int64_t sizes[] = {1, 5, 15, 16, 17, 32, 48, 64, 100};
    double worst = 0;
    bool intact = true;
    for (size_t i = 0; i < COUNT_OF(sizes) * COUNT_OF(sizes); i++)
        worst = fmax(worst,
                     transpose_error(check, sizes[i / COUNT_OF(sizes)], sizes[i % COUNT_OF(sizes)], &intact));
    check_say(check, "every element in its place", worst, 0);
    check_say(check, "nothing outside is written", intact ? 0 : 1, 0);
}

void check_fold(struct check *check) {
    const struct kernels *tested = &check->tested, *below = &check->below;
    if (check_wants(check, "softmax_fold", tested->softmax_fold != below->softmax_fold))
        check_softmax_fold(check);
    if (check_wants(check, "transpose", tested->transpose != below->transpose)) check_transpose(check);
}
