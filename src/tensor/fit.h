/* fit.h - the searches behind the encoders of block formats: which scales, and which numbers under them, leave the least
 * weighted square error. Everything is judged under the scales as they will be read, rounded as the format rounds
 * them. Values are finite and weights neither negative nor all 0 (see fit_prepare). Pure functions, any thread. */
#ifndef HADAL_TENSOR_FIT_H
#define HADAL_TENSOR_FIT_H

#include <stdbool.h>
#include <stdint.h>

enum { FIT_ELEMENTS = 256, FIT_SUBS = 16 };

/* Values and weights of one block, ready to be fitted. `importance` NULL: all alike. */
struct fit_input {
    float x[FIT_ELEMENTS], weight[FIT_ELEMENTS];
};
void fit_prepare(struct fit_input *input, const float *values, const float *importance, int elements);

float fit_write_f16(uint8_t at[2], float value); /* stops at the largest; returns what will be read */

/* ---- scale * number - minimum, numbers from 0 to `top` ---- */

/* Sub-blocks share one scale and one minimum, and have sub-scales and sub-minima from 0 to `sub_top`. */
struct range_format {
    int subs, top, sub_top;
};
struct range_fit {
    uint8_t scale[2], minimum[2]; /* f16 */
    uint8_t scales[FIT_SUBS], minima[FIT_SUBS];
    uint8_t numbers[FIT_ELEMENTS];
};
void fit_ranges(const struct fit_input *input, const struct range_format *format, struct range_fit *fit);

/* One block of 32 with an f16 scale and an f16 offset of either sign, numbers from 0 to top. */
struct offset_fit {
    uint8_t scale[2], offset[2];
    uint8_t numbers[32];
};
void fit_offset(const struct fit_input *input, int top, struct offset_fit *fit);

/* ---- scale * level ---- */

/* Ascending levels; the first is the one of largest magnitude. */
struct levels {
    int count;
    int trials; /* scales to try for each end of the levels: fine levels gain little from more */
    bool even;  /* evenly spaced, one apart */
    float level[64];
    /* Of uneven ones: the middles between neighbours, closed by infinity; and how many of them lie at or below
     * cell - 128, which leaves one to compare with, since they are more than 1 apart. */
    float middle[16];
    uint8_t passed[256];
};
struct levels levels_even(int count, int trials);
struct levels levels_uneven(const int8_t level[16], int trials);

/* Sub-blocks share one scale and have sub-scales from -sub_most to sub_most - 1. */
struct level_format {
    const struct levels *levels;
    int subs, sub_most;
};
struct level_fit {
    uint8_t scale[2];
    int8_t scales[FIT_SUBS];
    uint8_t numbers[FIT_ELEMENTS]; /* indices of levels */
};
void fit_levels(const struct fit_input *input, const struct level_format *format, struct level_fit *fit);

/* One block of 32 with an f16 scale. */
void fit_level(const struct fit_input *input, const struct levels *levels, uint8_t scale[2],
               uint8_t numbers[32]);

#endif
