/* level.h - what the files of each level put into a table. A level starts from the one below it and
 * replaces the entries that it has its own version of; an entry that it lacks stays as it was. Only
 * select.c calls these. */
#ifndef HADAL_KERNEL_LEVEL_H
#define HADAL_KERNEL_LEVEL_H

#include "kernel/kernel.h"

typedef void kernels_add(struct kernels *kernels);

kernels_add reference_add_mix, avx2_add_mix, avx512_add_mix;
kernels_add reference_add_columns, avx2_add_columns, avx512_add_columns;
kernels_add avx2_add_dot_rows, avx512_add_dot_rows;
kernels_add reference_add_decoders, reference_add_dot, reference_add_elements, reference_add_panels;
kernels_add avx2_add_decoders, avx2_add_grid_decoders, avx2_add_dot, avx2_add_dot_blocks, avx2_add_elements,
    avx2_add_panels, avx2_add_low_panels;
kernels_add avx512_add_decoders, avx512_add_dot, avx512_add_dot_blocks, avx512_add_elements,
    avx512_add_panels, avx512_add_low_panels, avx512_add_outer;
kernels_add amx_add_panels, amx_add_dot_rows, amx_add_outer;

/* Any of the formats of avx512_add_panels() and of avx512_add_low_panels(); what the amx level has for a few rows. */
panel_multiply avx512_panel_multiply, avx512_low_panel_multiply;

/* exp(x) without fused operations, so that every level gives the same bits: x = n ln 2 + r with |r| <= ln 2 / 2,
 * exp(r) = 1 + (r + r^2 p(r)), p of degree four fitted for the least relative error, and two factors that make 2^n so
 * that results below the normal range round once more instead of vanishing. Largest error seen: 0.97 units in the last
 * place. The exponent is taken out of the bits of `x / ln 2 + exp_round`, which works for NaN as well. */
static const float exp_lowest = -105.0f, exp_highest = 90.0f; /* beyond: 0 and infinity */
static const float exp_log2_e = 0x1.715476p+0f, exp_round = 0x1.8p+23f;
static const float exp_ln2_high = 0x1.62e4p-1f, exp_ln2_low = 0x1.7f7d1cp-20f; /* n * high is exact */
static const float exp_terms[5] = {0x1.fffffcp-2f, 0x1.55549p-3f, 0x1.5558f8p-5f, 0x1.123b04p-7f,
                                   0x1.6a224ap-10f};

#endif
