/* cpu_attention.c - what latent and grouped attention share: pages out of the cache and the running softmax.
 *
 * Keys are visited page by page in the order of positions, so a row's sums have one order however the
 * prompt was cut into steps (online softmax as in arXiv 2205.14135, with tiles fixed to pages). */
#include "backend/cpu/cpu.h"

#include "base/bytes.h"

#include <string.h>

int64_t kv_padded_width(const struct kv_plane_view *plane) {
    return round_up(plane->width, dtype_traits(plane->dtype)->block_elements);
}

void kv_decode_page(const struct kernels *kernels, const struct kv_plane_view *plane, int32_t page, int head,
                    int tokens, float *values) {
    int64_t width = kv_padded_width(plane);
    const uint8_t *entry =
        plane->data + ((int64_t)page * KV_PAGE_TOKENS * plane->heads + head) * plane->entry_bytes;
    for (int t = 0; t < tokens; t++)
        kernels->decode[plane->dtype](entry + (int64_t)t * plane->heads * plane->entry_bytes,
                                      values + t * width, width);
    memset(values + tokens * width, 0, (size_t)((KV_PAGE_TOKENS - tokens) * width) * sizeof *values);
}

float softmax_fold(const struct kernels *kernels, struct softmax_state *state, float *scores, int keys,
                   float scale) {
    kernels->scale(scale, scores, keys);
    float highest = kernels->maximum(scores, keys);
    float maximum = highest > state->maximum ? highest : state->maximum;
    float shrink = state->maximum;
    kernels->exp_sum(&shrink, 1, maximum);
    state->sum = state->sum * shrink + kernels->exp_sum(scores, keys, maximum);
    state->maximum = maximum;
    memset(scores + keys, 0, (size_t)(KV_PAGE_TOKENS - keys) * sizeof *scores);
    return shrink;
}
