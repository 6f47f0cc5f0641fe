/* kv_planes.h - what each attention mechanism keeps per token. The cache is sized, laid out and counted from these
 * declarations alone. Pure functions. */
#ifndef HADAL_MODEL_KV_PLANES_H
#define HADAL_MODEL_KV_PLANES_H

#include "model/desc.h"
#include "tensor/dtype.h"

enum { KV_PLANES = 2 }; /* latent: latent, rope_key; grouped: key, value */

struct kv_plane {
    const char *name;
    enum dtype dtype;
    int heads, width;    /* entries per token, values per entry */
    int64_t entry_bytes; /* padded to whole blocks */
};

/* kv_type: F32, F16, BF16, Q8_0 or F8_E4M3, which is kept with a scale for each 128 values. The rotated key of latent
 * attention stays BF16 under the last two: it is shared by all heads and a tenth of the bytes. */
must_use enum status kv_planes_of(const struct model_desc *desc, enum dtype kv_type,
                                  struct kv_plane plane[KV_PLANES]);

/* Bytes of one token over the trunk's layers (mtp: with the MTP modules). */
int64_t kv_bytes_per_token(const struct model_desc *desc, const struct kv_plane plane[KV_PLANES], bool mtp);

#endif
