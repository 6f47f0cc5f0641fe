/* panel.c - the scalar truth of integer products over panels: the order in which blocks are added, for every level.
 *
 * For each row and output, with xs the scale and xv the values of the row's block b, and all operations rounded once:
 *   I8, I4      acc = fma(float(sum q' xv), ws * xs, acc)                          q' = q, or q - 8
 *   Q4_K, Q5_K  acc = fma(float(sum q xv), (f * sc) * xs, acc), then acc = fma(-(fm * m), xs * float(sum xv), acc)
 *   Q6_K        for both halves of 16: acc = fma(float(sum (q - 32) xv), (f * sc) * xs, acc)
 * in ascending b. The integer sums are exact. */
#include "base/bytes.h"
#include "kernel/level.h"
#include "kernel/panel_layout.h"

#include <math.h>

/* One unit of one output in plain form. */
struct numbers {
    int value[K_UNIT];
};

static int nibble(const uint8_t *quarter, int o, int i) {
    return quarter[i % 32 / 4 * 64 + o * 4 + i % 4] >> (i / 32 * 4) & 15;
}

static void read_numbers(enum panel_format format, const uint8_t *unit, int o, struct numbers *n) {
    int inputs = (int)panel_unit_inputs(format);
    for (int i = 0; i < inputs; i++) {
        if (format == PANEL_I8) {
            n->value[i] = (int8_t)unit[i / 4 * 64 + o * 4 + i % 4];
            continue;
        }
        n->value[i] = nibble(unit + i / 64 * K_QUARTER, o, i % 64);
        if (format == PANEL_Q5_K)
            n->value[i] |= (unit[Q5_K_HIGH + i / 32 * 64 + o * 4 + i % 4] >> (i % 32 / 4) & 1) << 4;
        if (format == PANEL_Q6_K)
            n->value[i] |= (unit[Q6_K_HIGH + i / 16 * 64 + o * 4 + i % 4] >> (i % 16 / 4 * 2) & 3) << 4;
        if (format == PANEL_I4) n->value[i] -= 8;
        if (format == PANEL_Q6_K) n->value[i] -= 32;
    }
}

static float half_at(const uint8_t *scales, int index) {
    return f16_to_f32(read_u16(scales + index * 2));
}

static float dot(const int *w, const int8_t *x, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += w[i] * x[i];
    return (float)sum;
}

/* Adds the blocks of one unit; x, scale and sum at the unit's first input. */
static float add_plain(enum panel_format format, const uint8_t *unit, int o, const struct numbers *n,
                       const int8_t *x, const float *scale, float acc) {
    const uint8_t *scales = unit + (format == PANEL_I8 ? I8_SCALE : I4_SCALE);
    for (int b = 0; b < 2; b++)
        acc =
            fmaf(dot(n->value + b * 32, x + b * 32, 32), half_at(scales, b * PANEL_OUTS + o) * scale[b], acc);
    return acc;
}

static float add_with_minimum(enum panel_format format, const uint8_t *unit, int o, const struct numbers *n,
                              const int8_t *x, const float *scale, const int32_t *sum, float acc) {
    bool five = format == PANEL_Q5_K;
    const uint8_t *scales = unit + (five ? Q5_K_SCALE : Q4_K_SCALE),
                  *minima = unit + (five ? Q5_K_MINIMUM : Q4_K_MINIMUM);
    const uint8_t *factor = unit + (five ? Q5_K_FACTOR : Q4_K_FACTOR);
    float of_scales = half_at(factor, o), of_minima = half_at(factor, PANEL_OUTS + o);
    for (int b = 0; b < 8; b++) {
        float s = of_scales * (float)scales[b * PANEL_OUTS + o],
              m = of_minima * (float)minima[b * PANEL_OUTS + o];
        acc = fmaf(dot(n->value + b * 32, x + b * 32, 32), s * scale[b], acc);
        acc = fmaf(-m, scale[b] * (float)(sum[2 * b] + sum[2 * b + 1]), acc);
    }
    return acc;
}

static float add_halves(const uint8_t *unit, int o, const struct numbers *n, const int8_t *x,
                        const float *scale, float acc) {
    float factor = half_at(unit + Q6_K_FACTOR, o);
    for (int h = 0; h < 16; h++) {
        float s = factor * (float)(int8_t)unit[Q6_K_SCALE + h * PANEL_OUTS + o];
        acc = fmaf(dot(n->value + h * 16, x + h * 16, 16), s * scale[h / 2], acc);
    }
    return acc;
}

static float product_of(enum panel_format format, const uint8_t *panel, int o, const struct rounded_rows *x,
                        int64_t row) {
    int64_t inputs = panel_unit_inputs(format);
    struct numbers n;
    float acc = 0;
    for (int64_t u = 0; u < x->in / inputs; u++, panel += panel_unit_bytes(format)) {
        const int8_t *value = x->value + row * x->in + u * inputs;
        const float *scale = x->scale + (row * x->in + u * inputs) / 32;
        const int32_t *sum = x->sum + (row * x->in + u * inputs) / 16;
        read_numbers(format, panel, o, &n);
        if (format == PANEL_I8 || format == PANEL_I4)
            acc = add_plain(format, panel, o, &n, value, scale, acc);
        else if (format == PANEL_Q6_K)
            acc = add_halves(panel, o, &n, value, scale, acc);
        else
            acc = add_with_minimum(format, panel, o, &n, value, scale, sum, acc);
    }
    return acc;
}

static void multiply(const struct panel_product *product, int64_t begin, int64_t end) {
    const struct panels *w = product->w;
    int64_t panel_bytes = panel_row_bytes(w->format, w->in);
    for (int64_t out = begin * PANEL_OUTS; out < min_i64(end * PANEL_OUTS, w->outs); out++) {
        const uint8_t *panel = w->data + out / PANEL_OUTS * panel_bytes;
        for (int64_t r = 0; r < product->rows; r++) {
            float y = product_of(w->format, panel, (int)(out % PANEL_OUTS), product->x, r);
            product->y[r * product->y_stride + out] = product->bias ? y + product->bias[out] : y;
        }
    }
}

static void round_block(const float *x, int8_t *value, float *scale, int32_t *sum) {
    float largest = 0;
    bool finite = true;
    for (int i = 0; i < PANEL_BLOCK; i++) {
        finite = finite && isfinite(x[i]);
        largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    }
    float factor = finite && largest > 0 ? 127 / largest : 0;
    if (!isfinite(factor)) factor = 0; /* a block of denormals counts as zero */
    *scale = finite ? largest / 127 : NAN;
    sum[0] = sum[1] = 0;
    for (int i = 0; i < PANEL_BLOCK; i++) {
        value[i] = finite ? (int8_t)rintf(x[i] * factor) : 0;
        sum[i / 16] += value[i];
    }
}

static void round_row(const float *x, int64_t n, int8_t *value, float *scale, int32_t *sum) {
    for (int64_t b = 0; b < n / PANEL_BLOCK; b++)
        round_block(x + b * PANEL_BLOCK, value + b * PANEL_BLOCK, scale + b, sum + 2 * b);
}

void reference_add_panels(struct kernels *kernels) {
    for (int format = PANEL_I8; format < PANEL_COUNT; format++) kernels->panel_multiply[format] = multiply;
    kernels->panel_round = round_row;
}
