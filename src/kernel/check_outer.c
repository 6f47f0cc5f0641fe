/* check_outer.c - sums of outer products: errors against sums in double, the same bits for a row in any company, and nothing
 * written beside the result. */
#include "kernel/check_parts.h"

#include <math.h>
#include <string.h>

struct outer_case {
    struct outer op;
    struct guarded a, b, y;
    float *start; /* y before the call */
    float *scratch;
};

static bool take_case(struct check *check, enum check_values kind, bool turned, int64_t rows, int64_t keys,
                      int64_t n, struct outer_case *one) {
    size_t shift = check_random(check) % 4 * sizeof(float);
    int64_t a_stride = (turned ? rows : keys) + check_random(check) % 3, stride = n + check_random(check) % 5;
    int64_t a_count = turned ? (keys - 1) * a_stride + rows : (rows - 1) * a_stride + keys;
    int64_t b_count = (keys - 1) * stride + n, y_count = (rows - 1) * stride + n;
    one->a = guarded_take(check, (size_t)a_count * sizeof(float), shift);
    one->b = guarded_take(check, (size_t)b_count * sizeof(float), shift);
    one->y = guarded_take(check, (size_t)y_count * sizeof(float), shift);
    one->start = arena_take(&check->arena, (size_t)y_count * sizeof(float));
    one->scratch = arena_take(&check->arena, OUTER_SCRATCH_FLOATS * sizeof(float));
    if (check->out_of_memory || !one->start || !one->scratch) return false;
    check_fill(check, kind, one->a.data, a_count);
    check_fill(check, VALUES_ORDINARY, one->b.data, b_count);
    check_fill(check, VALUES_ORDINARY, one->start, y_count);
    memcpy(one->y.data, one->start, (size_t)y_count * sizeof(float));
    one->op = (struct outer){one->a.data, one->b.data,           one->y.data,           rows,   keys,
                             n,           turned ? 1 : a_stride, turned ? a_stride : 1, stride, stride};
    return true;
}

/* In units of two roundings to bf16 in each term and one to float in each addition. */
static double value_error(const struct outer_case *one, int64_t row, int64_t column) {
    const struct outer *op = &one->op;
    double sum = (double)one->start[row * op->y_stride + column], size = fabs(sum), terms = 0;
    for (int64_t k = 0; k < op->keys; k++) {
        double term =
            (double)op->a[row * op->a_row + k * op->a_key] * (double)op->b[k * op->b_stride + column];
        sum += term;
        terms += fabs(term);
    }
    double bound = terms * 0x1.01p-7 + (size + terms) * (double)(op->keys + 1) * 0x1p-24;
    return fabs((double)op->y[row * op->y_stride + column] - sum) / bound;
}

static bool untouched_outside(const struct outer_case *one) {
    const struct outer *op = &one->op;
    bool intact = guarded_intact(&one->a) && guarded_intact(&one->b) && guarded_intact(&one->y);
    for (int64_t r = 0; r + 1 < op->rows; r++)
        intact = intact && !memcmp(op->y + r * op->y_stride + op->n, one->start + r * op->y_stride + op->n,
                                   (size_t)(op->y_stride - op->n) * sizeof(float));
    return intact;
}

/* The last row's values alone, compared with those among others. */
static double company_error(const struct check *check, const struct outer_case *one) {
    float alone[1024];
    struct outer row = one->op;
    int64_t last = row.rows - 1;
    row.rows = 1;
    row.a += last * row.a_row;
    row.y = memcpy(alone, one->start + last * row.y_stride, (size_t)row.n * sizeof *alone);
    check->tested.outer(&row, one->scratch);
    return ulps_apart(alone, one->op.y + last * one->op.y_stride, row.n);
}

/* Without tiles nothing is rounded: the bits of mix(). */
static double mix_error(const struct check *check, const struct outer_case *one) {
    const struct outer *op = &one->op;
    struct mix mix = {op->a,        op->b,    one->start, op->a_row, op->b_stride,
                      op->y_stride, op->rows, op->keys,   op->n};
    if (check->tested.level >= CPU_AMX || op->a_key != 1) return 0;
    check->tested.mix(&mix);
    double apart = 0;
    for (int64_t r = 0; r < op->rows; r++)
        apart = fmax(apart, ulps_apart(one->start + r * op->y_stride, op->y + r * op->y_stride, op->n));
    return apart;
}

struct outer_result {
    double worst, company, mix;
    bool intact;
};

static bool run_case(struct check *check, enum check_values kind, bool turned, const int64_t shape[3],
                     struct outer_result *result) {
    struct outer_case one;
    if (!take_case(check, kind, turned, shape[0], shape[1], shape[2], &one)) return false;
    check->tested.outer(&one.op, one.scratch);
    for (int64_t i = 0; i < shape[0] * shape[2]; i++)
        result->worst = fmax(result->worst, value_error(&one, i / shape[2], i % shape[2]));
    result->intact = result->intact && untouched_outside(&one);
    result->company = fmax(result->company, company_error(check, &one));
    result->mix = fmax(result->mix, mix_error(check, &one));
    return true;
}

void check_outer(struct check *check) {
    static const int64_t shape[][3] = {{1, 1, 1},    {3, 5, 7},    {16, 32, 16},     {17, 33, 17},
                                       {32, 64, 32}, {33, 31, 48}, {40, 100, 65},    {9, 520, 20},
                                       {5, 40, 530}, {64, 96, 96}, {135, 300, 1000}, {14, 150, 90}};
    if (!check->tested.outer || !check_wants(check, "outer", check->tested.outer != check->below.outer))
        return;
    struct outer_result result = {.intact = true};
    for (int kind = VALUES_ORDINARY; kind <= VALUES_WIDE; kind++) {
        result.worst = 0;
        for (size_t s = 0; s < 2 * COUNT_OF(shape); s++)
            if (!run_case(check, (enum check_values)kind, s % 2, shape[s / 2], &result)) return;
        check_say(check, check_values_name((enum check_values)kind), result.worst, 1);
    }
    check_say(check, "same bits in any company", result.company, 0);
    check_say(check, "the bits of mix below tiles", result.mix, 0);
    check_say(check, "nothing outside is written", result.intact ? 0 : 1, 0);
}
