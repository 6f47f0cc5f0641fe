/* fit_parts.h - small arithmetic that both searches use. */
#ifndef HADAL_TENSOR_FIT_PARTS_H
#define HADAL_TENSOR_FIT_PARTS_H

static inline float divide_or_zero(float a, float b) {
    return b != 0 ? a / b : 0;
}

/* To nearest; halves go up. */
static inline int clamp_round(float value, int low, int high) {
    float lifted = value - (float)low + 0.5f;
    if (!(lifted > 0)) return low;
    return lifted < (float)(high - low) ? low + (int)lifted : high;
}

#endif
