/* check_mix.c - weighted sums of rows: errors against sums in double, and the promise that a row has the same bits in any
 * company. */
#include "kernel/check_parts.h"

#include <math.h>
#include <string.h>

struct mix_case {
    struct mix op;
    struct guarded p, v, y;
    float *start; /* y before the call */
};

static bool take_case(struct check *check, enum check_values kind, int64_t rows, int64_t keys, int64_t n,
                      struct mix_case *one) {
    size_t shift = check_random(check) % 4 * sizeof(float);
    int64_t p_stride = keys + check_random(check) % 3, stride = n + check_random(check) % 5;
    size_t y_bytes = (size_t)(rows * stride) * sizeof(float);
    one->p = guarded_take(check, (size_t)(rows * p_stride) * sizeof(float), shift);
    one->v = guarded_take(check, (size_t)(keys * stride) * sizeof(float), shift);
    one->y = guarded_take(check, y_bytes, shift);
    one->start = arena_take(&check->arena, y_bytes);
    if (check->out_of_memory || !one->start) return false;
    one->op = (struct mix){one->p.data, one->v.data, one->y.data, p_stride, stride, stride, rows, keys, n};
    check_fill(check, VALUES_ORDINARY, one->p.data, rows * p_stride);
    check_fill(check, kind, one->v.data, keys * stride);
    check_fill(check, VALUES_ORDINARY, one->start, rows * stride);
    memcpy(one->y.data, one->start, y_bytes);
    return true;
}

/* |y - sum| in units of what the additions of one value may lose; 2^32 where NaN or infinity differ. */
static double value_error(const struct mix_case *one, int64_t row, int64_t column) {
    const struct mix *op = &one->op;
    double sum = (double)one->start[row * op->y_stride + column], size = fabs(sum), finite = size;
    for (int64_t k = 0; k < op->keys; k++) {
        double term = (double)op->p[row * op->p_stride + k] * (double)op->v[k * op->v_stride + column];
        sum += term;
        size += fabs(term);
        finite += isfinite(term) ? fabs(term) : 0;
    }
    if (finite >= 0x1p127) return 0; /* a float on the way may overflow, which the order decides */
    float y = op->y[row * op->y_stride + column];
    if (!isfinite(sum)) return ulps_between((float)sum, y);
    if (!isfinite(y)) return 0x1p32;
    double lost = fmax(0, fabs((double)y - sum) - (double)(op->keys + 1) * 0x1p-149);
    return lost > 0 ? lost / (size * (double)(op->keys + 1) * 0x1p-24) : 0;
}

static bool untouched_outside(const struct mix_case *one) {
    const struct mix *op = &one->op;
    bool intact = guarded_intact(&one->p) && guarded_intact(&one->v) && guarded_intact(&one->y);
    for (int64_t r = 0; r < op->rows; r++)
        intact = intact && !memcmp(op->y + r * op->y_stride + op->n, one->start + r * op->y_stride + op->n,
                                   (size_t)(op->y_stride - op->n) * sizeof(float));
    return intact;
}

/* Values that a row gets alone, compared with those that it got among others. */
static double company_error(const struct check *check, const struct mix_case *one) {
    double worst = 0;
    float alone[256];
    for (int64_t r = 0; r < one->op.rows; r++) {
        struct mix row = one->op;
        row.rows = 1;
        row.p += r * row.p_stride;
        row.y = memcpy(alone, one->start + r * one->op.y_stride, (size_t)row.n * sizeof *alone);
        check->tested.mix(&row);
        worst = fmax(worst, ulps_apart(alone, one->op.y + r * one->op.y_stride, row.n));
    }
    return worst;
}

void check_mix(struct check *check) {
    static const int64_t widths[] = {1, 7, 8, 16, 17, 48, 64, 65, 200}, keys[] = {0, 1, 5, 64, 300};
    if (!check_wants(check, "mix", check->tested.mix != check->below.mix)) return;
    double company = 0;
    bool intact = true;
    for (int kind = 0; kind < VALUES_KINDS; kind++) {
        double worst = 0;
        for (size_t w = 0; w < COUNT_OF(widths) * COUNT_OF(keys); w++) {
            for (int64_t rows = 1; rows <= 9; rows++) {
                struct mix_case one;
                int64_t n = widths[w / COUNT_OF(keys)];
                if (!take_case(check, (enum check_values)kind, rows, keys[w % COUNT_OF(keys)], n, &one))
                    return;
                check->tested.mix(&one.op);
                for (int64_t i = 0; i < rows * n; i++) worst = fmax(worst, value_error(&one, i / n, i % n));
                intact = intact && untouched_outside(&one);
                company = fmax(company, company_error(check, &one));
            }
        }
        check_say(check, check_values_name((enum check_values)kind), worst, 1);
    }
    check_say(check, "same bits in any company", company, 0);
    check_say(check, "nothing outside is written", intact ? 0 : 1, 0);
}
