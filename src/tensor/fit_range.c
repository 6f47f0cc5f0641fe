/* fit_range.c - fits scale * number - minimum. Each sub-block first by itself: scales around the plain one are tried,
 * and the numbers that each gives are fitted back by least squares. Then the block as a whole: neighbours of each
 * rounded sub-scale and sub-minimum are tried exactly, the two shared scales are fitted to all numbers, and so on
 * until nothing gets better. */
#include "base/bytes.h"
#include "tensor/dtype.h"
#include "tensor/fit.h"
#include "tensor/fit_parts.h"

#include <math.h>

enum { TRIALS = 8, REFITS = 2, PASSES = 4 }; /* trials to either side of the plain scale */

/* What all blocks start from: finite values that can be squared, weights that can be summed. */
void fit_prepare(struct fit_input *input, const float *values, const float *importance, int elements) {
    const float most = 5e7f;
    float sum = 0;
    for (int i = 0; i < elements; i++)
        input->x[i] = values[i] != values[i] ? 0 : fmaxf(-most, fminf(values[i], most));
    for (int i = 0; importance && i < elements; i++) sum += importance[i];
    bool usable = sum > 0 && isfinite(sum);
    /* relative to their mean, so that sums of them stay in the range of floats */
    float unit = usable ? (float)elements / sum : 0;
    usable = usable && isfinite(unit);
    for (int i = 0; i < elements; i++) input->weight[i] = usable ? importance[i] * unit + 1e-6f : 1;
}

float fit_write_f16(uint8_t at[2], float value) {
    uint16_t bits = f32_to_f16(fmaxf(-65504.0f, fminf(value, 65504.0f)));
    memcpy(at, &bits, sizeof bits);
    return f16_to_f32(bits);
}

/* One sub-block of n values. */
struct part {
    const float *x, *weight;
    int n, top;
};

struct range {
    float scale, minimum; /* both at least 0, but for fit_offset() */
};

static void number_range(const struct part *part, struct range range, uint8_t *numbers) {
    float inverse = divide_or_zero(1, range.scale);
    for (int i = 0; i < part->n; i++)
        numbers[i] = (uint8_t)clamp_round((part->x[i] + range.minimum) * inverse, 0, part->top);
}

static float range_error(const struct part *part, struct range range, const uint8_t *numbers) {
    float error = 0;
    for (int i = 0; i < part->n; i++) {
        float off = range.scale * (float)numbers[i] - range.minimum - part->x[i];
        error += part->weight[i] * off * off;
    }
    return error;
}

/* The least squares line through (number, x); without an offset when that would have to be negative. */
static struct range refit_range(const struct part *part, const uint8_t *numbers, bool negative) {
    float w = 0, q = 0, qq = 0, sum = 0, qx = 0;
    for (int i = 0; i < part->n; i++) {
        float number = numbers[i], weighted = part->weight[i] * number, x = part->x[i];
        w += part->weight[i];
        q += weighted;
        qq += weighted * number;
        sum += part->weight[i] * x;
        qx += weighted * x;
    }
    float determinant = w * qq - q * q;
    struct range range = {0, 0};
    bool line = determinant > 1e-6f * w * qq;
    if (line) {
        range.scale = (w * qx - q * sum) / determinant;
        range.minimum = (q * qx - qq * sum) / determinant;
    }
    if (!line || (range.minimum < 0 && !negative)) range = (struct range){divide_or_zero(qx, qq), 0};
    if (range.scale < 0) range.scale = 0;
    return range;
}

struct trial {
    struct range best;
    float error;
};

/* From the numbers under `range` to the line through them, and again from there. */
static void try_range(const struct part *part, struct range range, bool negative, struct trial *trial) {
    uint8_t numbers[32];
    for (int i = 0; i < REFITS; i++) {
        number_range(part, range, numbers);
        range = refit_range(part, numbers, negative);
        float error = range_error(part, range, numbers);
        if (error >= trial->error) return;
        trial->best = range;
        trial->error = error;
    }
}

/* Coarse numbers leave more to gain by a scale that is far from the plain one. */
static float trial_step(int top) {
    return top <= 3 ? 0.045f : top <= 15 ? 0.012f : 0.008f;
}

static struct range fit_range(const struct part *part, bool negative) {
    float low = negative ? part->x[0] : 0, high = part->x[0];
    for (int i = 0; i < part->n; i++) {
        low = fminf(low, part->x[i]);
        high = fmaxf(high, part->x[i]);
    }
    struct range plain = {fmaxf(high - low, 0) / (float)part->top, -low};
    struct trial trial = {plain, INFINITY};
    for (int i = -TRIALS; i <= TRIALS && plain.scale > 0; i++) {
        float scale = plain.scale * (1 + trial_step(part->top) * (float)i);
        /* around the middle of the values, so that both ends give way */
        float middle = 0.5f * (high + low), minimum = 0.5f * scale * (float)part->top - middle;
        try_range(part, (struct range){scale, low < 0 || negative ? minimum : 0}, negative, &trial);
        try_range(part, (struct range){scale, plain.minimum}, negative, &trial);
    }
    return trial.best;
}

/* ---- a block of sub-blocks ---- */

struct block {
    const struct fit_input *input;
    const struct range_format *format;
    struct range unit;
    struct range_fit *fit;
};

static struct part part_of(const struct block *block, int sub) {
    int n = FIT_ELEMENTS / block->format->subs;
    return (struct part){block->input->x + n * sub, block->input->weight + n * sub, n, block->format->top};
}

static struct range unit_of(const struct range *ranges, int subs, int sub_top, struct range_fit *fit) {
    struct range most = {0, 0};
    for (int i = 0; i < subs; i++) {
        most.scale = fmaxf(most.scale, ranges[i].scale);
        most.minimum = fmaxf(most.minimum, ranges[i].minimum);
    }
    return (struct range){fit_write_f16(fit->scale, most.scale / (float)sub_top),
                          fit_write_f16(fit->minimum, most.minimum / (float)sub_top)};
}

/* The best of the sub-scales and sub-minima within one of (scale, minimum); returns its error. */
static float settle_sub(const struct block *block, int sub, int scale, int minimum) {
    struct part part = part_of(block, sub);
    uint8_t numbers[32];
    float best = INFINITY;
    for (int s = scale - 1; s <= scale + 1; s++)
        for (int m = minimum - 1; m <= minimum + 1; m++) {
            if (s < 0 || m < 0 || s > block->format->sub_top || m > block->format->sub_top) continue;
            struct range range = {block->unit.scale * (float)s, block->unit.minimum * (float)m};
            number_range(&part, range, numbers);
            float error = range_error(&part, range, numbers);
            if (error >= best) continue;
            best = error;
            block->fit->scales[sub] = (uint8_t)s;
            block->fit->minima[sub] = (uint8_t)m;
            memcpy(block->fit->numbers + part.n * sub, numbers, (size_t)part.n);
        }
    return best;
}

/* The shared scales by least squares, for all numbers, sub-scales and sub-minima as they are. */
static struct range refit_units(const struct block *block) {
    const struct range_fit *fit = block->fit;
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (int sub = 0; sub < block->format->subs; sub++) {
        struct part part = part_of(block, sub);
        for (int i = 0; i < part.n; i++) {
            double a = (double)fit->scales[sub] * fit->numbers[part.n * sub + i], b = fit->minima[sub];
            double w = part.weight[i], x = part.x[i];
            aa += w * a * a;
            ab += w * a * b;
            bb += w * b * b;
            ax += w * a * x;
            bx += w * b * x;
        }
    }
    double determinant = aa * bb - ab * ab;
    if (determinant > 1e-9 * aa * bb)
        return (struct range){(float)((ax * bb - bx * ab) / determinant),
                              (float)((ax * ab - bx * aa) / determinant)};
    return (struct range){aa > 0 ? (float)(ax / aa) : 0, block->unit.minimum};
}

/* One more pass under refitted units, into `next`; false when it gains nothing. */
static bool improve(struct block *block, struct range_fit *next, float *error) {
    const struct range_fit *before = block->fit;
    struct range unit = refit_units(block);
    if (!(unit.scale >= 0) || !(unit.minimum >= 0)) return false;
    *next = *before;
    struct block trial = {block->input, block->format, {0, 0}, next};
    trial.unit =
        (struct range){fit_write_f16(next->scale, unit.scale), fit_write_f16(next->minimum, unit.minimum)};
    float sum = 0;
    for (int sub = 0; sub < block->format->subs; sub++)
        sum += settle_sub(&trial, sub, before->scales[sub], before->minima[sub]);
    if (!(sum < *error)) return false;
    *error = sum;
    block->unit = trial.unit;
    return true;
}

void fit_ranges(const struct fit_input *input, const struct range_format *format, struct range_fit *fit) {
    struct block block = {input, format, {0, 0}, fit};
    struct range ranges[FIT_SUBS];
    struct range_fit next;
    float error = 0;
    for (int sub = 0; sub < format->subs; sub++) {
        struct part part = part_of(&block, sub);
        ranges[sub] = fit_range(&part, false);
    }
    block.unit = unit_of(ranges, format->subs, format->sub_top, fit);
    for (int sub = 0; sub < format->subs; sub++)
        error += settle_sub(
            &block, sub, clamp_round(divide_or_zero(ranges[sub].scale, block.unit.scale), 0, format->sub_top),
            clamp_round(divide_or_zero(ranges[sub].minimum, block.unit.minimum), 0, format->sub_top));
    for (int pass = 0; pass < PASSES && improve(&block, &next, &error); pass++) *fit = next;
}

/* ---- a block with an offset ---- */

void fit_offset(const struct fit_input *input, int top, struct offset_fit *fit) {
    struct part part = {input->x, input->weight, 32, top};
    struct range range = fit_range(&part, true);
    range.scale = fit_write_f16(fit->scale, range.scale);
    range.minimum = -fit_write_f16(fit->offset, -range.minimum);
    number_range(&part, range, fit->numbers);
}
