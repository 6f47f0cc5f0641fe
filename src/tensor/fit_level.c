/* fit_level.c - fits scale * level, by the same two stages as fit_range.c: each sub-block by itself, then all of them
 * under the shared scale as it will be read. */
#include "base/bytes.h"
#include "tensor/fit.h"
#include "tensor/fit_parts.h"

#include <math.h>

enum { REFITS = 2, PASSES = 4 };
static const float trial_step = 0.02f;

struct levels levels_even(int count, int trials) {
    struct levels levels = {.count = count, .trials = trials, .even = true};
    for (int i = 0; i < count; i++) levels.level[i] = (float)(i - count / 2);
    return levels;
}

struct levels levels_uneven(const int8_t level[16], int trials) {
    struct levels levels = {.count = 16, .trials = trials};
    for (int i = 0; i < 16; i++) levels.level[i] = level[i];
    for (int i = 0; i < 15; i++) levels.middle[i] = 0.5f * (levels.level[i] + levels.level[i + 1]);
    levels.middle[15] = INFINITY;
    for (int cell = 0; cell < 256; cell++)
        for (int i = 0; i < 15; i++) levels.passed[cell] += levels.middle[i] <= (float)(cell - 128);
    return levels;
}

/* The index of the nearest level. */
static uint8_t nearest_level(const struct levels *levels, float value) {
    if (levels->even) return (uint8_t)clamp_round(value - levels->level[0], 0, levels->count - 1);
    float lifted = value + 128;
    int passed = levels->passed[!(lifted > 0) ? 0 : lifted < 255 ? (int)lifted : 255];
    return (uint8_t)(passed + (value > levels->middle[passed]));
}

/* One sub-block of n values. */
struct part {
    const float *x, *weight;
    int n;
    const struct levels *levels;
};

static void number_levels(const struct part *part, float scale, uint8_t *numbers) {
    float inverse = divide_or_zero(1, scale);
    for (int i = 0; i < part->n; i++) numbers[i] = nearest_level(part->levels, part->x[i] * inverse);
}

static float level_error(const struct part *part, float scale, const uint8_t *numbers) {
    float error = 0;
    for (int i = 0; i < part->n; i++) {
        float off = scale * part->levels->level[numbers[i]] - part->x[i];
        error += part->weight[i] * off * off;
    }
    return error;
}

/* The scale of least squares for the numbers. */
static float refit_scale(const struct part *part, const uint8_t *numbers) {
    float lx = 0, ll = 0;
    for (int i = 0; i < part->n; i++) {
        float level = part->levels->level[numbers[i]], weighted = part->weight[i] * level;
        lx += weighted * part->x[i];
        ll += weighted * level;
    }
    return divide_or_zero(lx, ll);
}

static void try_scale(const struct part *part, float scale, float *best, float *best_error) {
    uint8_t numbers[32];
    for (int i = 0; i < REFITS; i++) {
        number_levels(part, scale, numbers);
        scale = refit_scale(part, numbers);
        float error = level_error(part, scale, numbers);
        if (error >= *best_error) return;
        *best = scale;
        *best_error = error;
    }
}

/* A scale of either sign: the value of largest magnitude goes near one end or the other. */
static float fit_scale(const struct part *part) {
    const struct levels *levels = part->levels;
    float extreme = 0, best = 0, best_error = INFINITY;
    for (int i = 0; i < part->n; i++)
        if (fabsf(part->x[i]) > fabsf(extreme)) extreme = part->x[i];
    for (int trial = 0; trial < 2 * levels->trials && extreme != 0; trial++) {
        float plain = extreme / levels->level[trial % 2 ? levels->count - 1 : 0];
        try_scale(part, plain * (1 + trial_step * (float)(trial / 2 - levels->trials / 2)), &best,
                  &best_error);
    }
    return best;
}

/* ---- a block of sub-blocks ---- */

struct block {
    const struct fit_input *input;
    const struct level_format *format;
    float unit;
    struct level_fit *fit;
};

static struct part part_of(const struct block *block, int sub) {
    int n = FIT_ELEMENTS / block->format->subs;
    return (struct part){block->input->x + n * sub, block->input->weight + n * sub, n, block->format->levels};
}

/* One unit for signed scales that reach from -most to most - 1; the largest becomes -most. */
static float unit_of(const float *scales, int subs, int most) {
    float extreme = 0;
    for (int i = 0; i < subs; i++)
        if (fabsf(scales[i]) > fabsf(extreme)) extreme = scales[i];
    return extreme / (float)-most;
}

/* The best of the sub-scales within one of `scale`; returns its error. */
static float settle_sub(const struct block *block, int sub, int scale) {
    struct part part = part_of(block, sub);
    uint8_t numbers[32];
    float best = INFINITY;
    for (int s = scale - 1; s <= scale + 1; s++) {
        if (s < -block->format->sub_most || s >= block->format->sub_most) continue;
        number_levels(&part, block->unit * (float)s, numbers);
        float error = level_error(&part, block->unit * (float)s, numbers);
        if (error >= best) continue;
        best = error;
        block->fit->scales[sub] = (int8_t)s;
        memcpy(block->fit->numbers + part.n * sub, numbers, (size_t)part.n);
    }
    return best;
}

static float refit_unit(const struct block *block) {
    double lx = 0, ll = 0;
    for (int sub = 0; sub < block->format->subs; sub++) {
        struct part part = part_of(block, sub);
        for (int i = 0; i < part.n; i++) {
            double level =
                (double)block->fit->scales[sub] * part.levels->level[block->fit->numbers[part.n * sub + i]];
            lx += part.weight[i] * level * part.x[i];
            ll += part.weight[i] * level * level;
        }
    }
    return ll > 0 ? (float)(lx / ll) : 0;
}

static bool improve(struct block *block, struct level_fit *next, float *error) {
    const struct level_fit *before = block->fit;
    *next = *before;
    struct block trial = {block->input, block->format, fit_write_f16(next->scale, refit_unit(block)), next};
    float sum = 0;
    for (int sub = 0; sub < block->format->subs; sub++) sum += settle_sub(&trial, sub, before->scales[sub]);
    if (!(sum < *error)) return false;
    *error = sum;
    block->unit = trial.unit;
    return true;
}

void fit_levels(const struct fit_input *input, const struct level_format *format, struct level_fit *fit) {
    struct block block = {input, format, 0, fit};
    struct level_fit next;
    float scales[FIT_SUBS], error = 0;
    for (int sub = 0; sub < format->subs; sub++) {
        struct part part = part_of(&block, sub);
        scales[sub] = fit_scale(&part);
    }
    block.unit = fit_write_f16(fit->scale, unit_of(scales, format->subs, format->sub_most));
    for (int sub = 0; sub < format->subs; sub++)
        error += settle_sub(
            &block, sub,
            clamp_round(divide_or_zero(scales[sub], block.unit), -format->sub_most, format->sub_most - 1));
    for (int pass = 0; pass < PASSES && improve(&block, &next, &error); pass++) *fit = next;
}

void fit_level(const struct fit_input *input, const struct levels *levels, uint8_t scale[2],
               uint8_t numbers[32]) {
    struct part part = {input->x, input->weight, 32, levels};
    number_levels(&part, fit_write_f16(scale, fit_scale(&part)), numbers);
}
