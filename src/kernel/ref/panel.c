/* panel.c - the scalar truth of integer products over panels: the order in which blocks are added, for every level.
 *
 * For each row and output, with xs the scale and xv the values of the row's block b, and all operations rounded once:
 *   I8, I4, I5  acc = fma(float(sum q' xv), ws * xs, acc)                          q' = q, q - 8, or q - 16
 *   IQ4_NL, MXFP4, IQ4_XS   likewise, q' = level[q], and ws = f * sc in IQ4_XS
 *   Q4_K, Q5_K  acc = fma(float(sum q xv), (f * sc) * xs, acc), then acc = fma(-(fm * m), xs * float(sum xv), acc)
 *   Q6_K        for both halves of 16: acc = fma(float(sum (q - 32) xv), (f * sc) * xs, acc)
 *   Q2_K        acc = fma(float(sum sc sum q xv), f * xs, acc), then acc = fma(-float(sum m sum xv), fm * xs, acc), the
 *               outer sums over both halves of 16
 *   Q3_K        acc = fma(float(sum sc sum (q - 4) xv), f * xs, acc)
 * in ascending b. The integer sums are exact, as floats too. */
#include "base/bytes.h"
#include "kernel/level.h"
#include "kernel/panel_layout.h"
#include "tensor/block.h"

#include <math.h>

/* One unit of one output in plain form. */
struct numbers {
    int value[K_UNIT];
};

static int nibble(const uint8_t *quarters, int o, int i) {
    const uint8_t *quarter = quarters + i / 64 * K_QUARTER;
    return quarter[i % 32 / 4 * 64 + o * 4 + i % 4] >> (i % 64 / 32 * 4) & 15;
}

/* Of a line with a bit for each of eight groups, or two for each of four. */
static int one_bit(const uint8_t *lines, int o, int i) {
    return lines[i / 32 * 64 + o * 4 + i % 4] >> (i % 32 / 4) & 1;
}
static int two_bits(const uint8_t *lines, int o, int i) {
    return lines[i / 16 * 64 + o * 4 + i % 4] >> (i % 16 / 4 * 2) & 3;
}

static int number_at(enum panel_format format, const uint8_t *unit, int o, int i) {
    switch (format) {
    case PANEL_I8: return (int8_t)unit[i / 4 * 64 + o * 4 + i % 4];
    case PANEL_I4: return nibble(unit, o, i) - 8;
    case PANEL_I5: return (nibble(unit, o, i) | one_bit(unit + I5_HIGH, o, i) << 4) - 16;
    case PANEL_Q5_K: return nibble(unit, o, i) | one_bit(unit + Q5_K_HIGH, o, i) << 4;
    case PANEL_Q6_K: return (nibble(unit, o, i) | two_bits(unit + Q6_K_HIGH, o, i) << 4) - 32;
    case PANEL_IQ4_NL:
    case PANEL_IQ4_XS: return iq4_levels[nibble(unit, o, i)];
    case PANEL_MXFP4: return mxfp4_levels[nibble(unit, o, i)];
    case PANEL_Q2_K: return two_bits(unit, o, i);
    case PANEL_Q3_K: return (two_bits(unit, o, i) | one_bit(unit + Q3_K_HIGH, o, i) << 2) - 4;
    default: return nibble(unit, o, i);
    }
}

static void read_numbers(enum panel_format format, const uint8_t *unit, int o, struct numbers *n) {
    int inputs = (int)panel_unit_inputs(format);
    for (int i = 0; i < inputs; i++) n->value[i] = number_at(format, unit, o, i);
}

static float half_at(const uint8_t *scales, int index) {
    return f16_to_f32(read_u16(scales + index * 2));
}

static int whole_dot(const int *w, const int8_t *x, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += w[i] * x[i];
    return sum;
}
static float dot(const int *w, const int8_t *x, int n) {
    return (float)whole_dot(w, x, n);
}

/* The scale of a block in the formats that have one for each: half of the power of two in MXFP4, whose levels count
 * twice. */
static float block_scale(enum panel_format format, const uint8_t *unit, int b, int o) {
    int at = b * PANEL_OUTS + o;
    switch (format) {
    case PANEL_I8: return half_at(unit + I8_SCALE, at);
    case PANEL_I5: return half_at(unit + I5_SCALE, at);
    case PANEL_MXFP4: return ldexpf(1, unit[MXFP4_EXPONENT + at] - 128);
    case PANEL_IQ4_XS: return half_at(unit + IQ4_XS_FACTOR, o) * (float)(int8_t)unit[IQ4_XS_SCALE + at];
    default: return half_at(unit + I4_SCALE, at);
    }
}

/* Adds the blocks of one unit; x, scale and sum at the unit's first input. */
static float add_plain(enum panel_format format, const uint8_t *unit, int o, const struct numbers *n,
                       const int8_t *x, const float *scale, float acc) {
    int blocks = (int)panel_unit_inputs(format) / PANEL_BLOCK;
    for (int b = 0; b < blocks; b++)
        acc = fmaf(dot(n->value + b * 32, x + b * 32, 32), block_scale(format, unit, b, o) * scale[b], acc);
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

/* Q2_K and Q3_K: both halves of a block are added as integers. */
static float add_joined_halves(enum panel_format format, const uint8_t *unit, int o, const struct numbers *n,
                               const int8_t *x, const float *scale, const int32_t *sum, float acc) {
    bool two = format == PANEL_Q2_K;
    const uint8_t *scales = unit + (two ? Q2_K_SCALE : Q3_K_SCALE) + o * 2;
    const uint8_t *factor = unit + (two ? Q2_K_FACTOR : Q3_K_FACTOR);
    for (int b = 0; b < 8; b++, scales += 2 * PANEL_OUTS) {
        int products = 0, minima = 0;
        for (int h = 0; h < 2; h++) {
            int s = two ? scales[h] & 15 : (int8_t)scales[h];
            products += s * whole_dot(n->value + b * 32 + h * 16, x + b * 32 + h * 16, 16);
            minima += (scales[h] >> 4) * sum[2 * b + h];
        }
        acc = fmaf((float)products, half_at(factor, o) * scale[b], acc);
        if (two) acc = fmaf(-(float)minima, half_at(factor, PANEL_OUTS + o) * scale[b], acc);
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
        switch (format) {
        case PANEL_Q4_K:
        case PANEL_Q5_K: acc = add_with_minimum(format, panel, o, &n, value, scale, sum, acc); break;
        case PANEL_Q6_K: acc = add_halves(panel, o, &n, value, scale, acc); break;
        case PANEL_Q2_K:
        case PANEL_Q3_K: acc = add_joined_halves(format, panel, o, &n, value, scale, sum, acc); break;
        default: acc = add_plain(format, panel, o, &n, value, scale, acc);
        }
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
