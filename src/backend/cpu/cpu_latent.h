/* cpu_latent.h - the forms of latent attention. */
#ifndef HADAL_BACKEND_CPU_CPU_LATENT_H
#define HADAL_BACKEND_CPU_CPU_LATENT_H

#include "backend/cpu/cpu_attention.h"

/* All absorbed runs of the operation. */
void attend_absorbed(struct cpu_backend *cpu, const struct latent_attention_op *op);
/* What it needs of each worker's scratch and of the room that all share. */
int64_t absorbed_worker_floats(const struct backend_shape *shape);
int64_t absorbed_shared_floats(const struct backend_shape *shape);

/* All prompt runs of the operation with products in integers, and what that needs. */
void attend_rounded(struct cpu_backend *cpu, const struct latent_attention_op *op);
int64_t latent_rounded_worker_floats(const struct backend_shape *shape);
int64_t latent_rounded_shared_floats(const struct backend_shape *shape);

/* A head's W_uk and W_uv transposed, [kv_rank, stride], from either layout; `decoded` is room for LATENT_DECODED_ROWS rows of
 * kv_rank or nope_dim floats. */
enum { LATENT_DECODED_ROWS = 64 };
void latent_load_keys(const struct kernels *kernels, const struct latent_attention_op *op, int head,
                      float *decoded, float *columns, int64_t stride);
void latent_load_values(const struct kernels *kernels, const struct latent_attention_op *op, int head,
                        float *decoded, float *columns, int64_t stride);

#endif
