/* cpu.h - the CPU backend's state, shared by its files alone. */
#ifndef HADAL_BACKEND_CPU_CPU_H
#define HADAL_BACKEND_CPU_CPU_H

#include "backend/backend.h"
#include "base/thread_pool.h"
#include "kernel/kernel.h"

struct cpu_backend {
    struct backend base; /* first: a struct backend * is one of these */
    struct kernels kernels;
    struct thread_pool *pool;
    struct node_plan *nodes; /* NULL: one */
    int threads;
    float *scratch;              /* [threads][scratch_floats] */
    int64_t scratch_floats;      /* of one worker */
    float *shared;               /* of all: behind the workers' scratch */
    struct rounded_rows rounded; /* room for the activations of one operation, for integer products */
    struct backend_shape shape;
    float *backward_scratch; /* [threads][backward_floats], once a trainer has asked for it */
    int64_t backward_floats;
    float *muon_room; /* [threads][muon_floats], once an optimizer has asked for it */
    int64_t muon_floats;
    float *fp8_room; /* [2][fp8_floats] of an operation's inputs, where training is in FP8 */
    int64_t fp8_floats;
    char description[64];
};

/* Columns are shared out in multiples of this, so that a panel, or a tile of decoded weights, has one owner. */
enum { COLUMN_GRAIN = PANEL_OUTS };

static inline struct cpu_backend *cpu_of(struct backend *backend) {
    return (struct cpu_backend *)backend;
}
static inline float *cpu_scratch(const struct cpu_backend *cpu, int worker) {
    return cpu->scratch + worker * cpu->scratch_floats;
}

/* What one worker needs for a shape, in floats. */
int64_t cpu_latent_scratch_floats(const struct backend_shape *shape);
int64_t cpu_grouped_scratch_floats(const struct backend_shape *shape);
/* What the attentions need besides, once for all workers. */
int64_t cpu_latent_shared_floats(const struct backend_shape *shape);
int64_t cpu_grouped_shared_floats(const struct backend_shape *shape);

/* Runs work whose slices are shares of `rows`. A single row stays on the calling thread: calling the others takes longer
 * than the work. */
static inline void cpu_run_rows(struct cpu_backend *cpu, int64_t rows, thread_work *work, void *context) {
    if (rows == 1)
        work(context, 0, 0, 1);
    else
        thread_pool_run(cpu->pool, SLICES_FINE, work, context);
}

/* Rounds x [rows, n], row stride x_stride, into the backend's room, where `needed`; the view lasts until the next call. */
struct rounded_rows cpu_round(struct cpu_backend *cpu, const float *x, int64_t x_stride, int64_t rows,
                              int64_t n, bool needed);
/* The view from row `first` on. */
struct rounded_rows rounded_from(const struct rounded_rows *rounded, int64_t first);

/* Was the matrix rounded to FP8, as training does it? Then its inputs are: as a copy in room 0 or 1, which lasts until the next
 * such call, or where they lie. */
bool cpu_meets_fp8(const struct tensor *w);
const float *cpu_fp8_copy(struct cpu_backend *cpu, int room, const float *x, int64_t x_stride, int64_t rows,
                          int64_t n);
void cpu_fp8_in_place(struct cpu_backend *cpu, float *x, int64_t x_stride, int64_t rows, int64_t n);

void cpu_pack(struct backend *backend, const struct tensor *w, int panel_format, void *panels);
void cpu_copy(struct backend *backend, const void *from, void *to, int64_t bytes);
void cpu_embed(struct backend *backend, const struct embed_op *op);
void cpu_norm(struct backend *backend, const struct norm_op *op);
void cpu_project(struct backend *backend, const struct project_op *op);
void cpu_rope(struct backend *backend, const struct rope_op *op);
void cpu_add(struct backend *backend, const float *x, float *y, int64_t n);
void cpu_kv_store(struct backend *backend, const struct kv_store_op *op);
void cpu_attend_latent(struct backend *backend, const struct latent_attention_op *op);
void cpu_attend_grouped(struct backend *backend, const struct grouped_attention_op *op);
void cpu_route(struct backend *backend, const struct route_op *op);
void cpu_ffn(struct backend *backend, const struct ffn_op *op);
void cpu_experts(struct backend *backend, const struct experts_op *op);

#endif
