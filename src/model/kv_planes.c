/* kv_planes.c - the declarations of kv_planes.h. */
#include "model/kv_planes.h"

#include "base/bytes.h"

static struct kv_plane plane_of(const char *name, enum dtype dtype, int heads, int width) {
    const struct dtype_traits *traits = dtype_traits(dtype);
    return (struct kv_plane){name, dtype, heads, width,
                             divide_up(width, traits->block_elements) * traits->block_bytes};
}

enum status kv_planes_of(const struct model_desc *desc, enum dtype kv_type,
                         struct kv_plane plane[KV_PLANES]) {
    bool reduced = kv_type == DTYPE_Q8_0 || kv_type == DTYPE_F8_E4M3;
    if (kv_type != DTYPE_F32 && kv_type != DTYPE_F16 && kv_type != DTYPE_BF16 && !reduced)
        return fail(STATUS_UNSUPPORTED, "a cache of type %s is not supported (f32, f16, bf16, q8_0, fp8)",
                    dtype_traits(kv_type)->name);
    if (kv_type == DTYPE_F8_E4M3) kv_type = DTYPE_F8_SCALED;
    if (desc->layer[0].attention == ATTEND_LATENT) {
        plane[0] = plane_of("latent", kv_type, 1, desc->kv_rank);
        plane[1] = plane_of("rope_key", reduced ? DTYPE_BF16 : kv_type, 1, desc->rope_dim);
    } else {
        plane[0] = plane_of("key", kv_type, desc->kv_heads, desc->head_dim);
        plane[1] = plane_of("value", kv_type, desc->kv_heads, desc->head_dim);
    }
    return STATUS_OK;
}

int64_t kv_bytes_per_token(const struct model_desc *desc, const struct kv_plane plane[KV_PLANES], bool mtp) {
    int64_t bytes = 0, layers = desc->layers + (mtp ? desc->mtp_layers : 0);
    for (int i = 0; i < KV_PLANES; i++) bytes += plane[i].heads * plane[i].entry_bytes;
    return bytes * layers;
}
