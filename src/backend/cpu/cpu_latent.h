/* cpu_latent.h - the two forms of latent attention. */
#ifndef HADAL_BACKEND_CPU_CPU_LATENT_H
#define HADAL_BACKEND_CPU_CPU_LATENT_H

#include "backend/cpu/cpu_attention.h"

/* All absorbed runs of the operation. */
void attend_absorbed(struct cpu_backend *cpu, const struct latent_attention_op *op);
/* What it needs of each worker's scratch and of the room that all share. */
int64_t absorbed_worker_floats(const struct backend_shape *shape);
int64_t absorbed_shared_floats(const struct backend_shape *shape);

#endif
