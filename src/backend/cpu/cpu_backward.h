/* cpu_backward.h - what the files of the CPU backend's backward part share. */
#ifndef HADAL_BACKEND_CPU_CPU_BACKWARD_H
#define HADAL_BACKEND_CPU_CPU_BACKWARD_H

#include "backend/backward.h"
#include "backend/cpu/cpu.h"

enum { SLICES_PRODUCT = 2 }; /* matrix products begin with packing a factor: few slices */

/* A worker's memory for derivatives, apart from that of the forward operations. */
static inline float *cpu_backward_scratch(const struct cpu_backend *cpu, int worker) {
    return cpu->backward_scratch + worker * cpu->backward_floats;
}

/* What the products below need of it, in floats. */
int64_t cpu_product_floats(int64_t widest);

/* Keys in ascending order, or in that of the table's own kernel. */
void cpu_multiply(const struct kernels *kernels, const struct outer *op, float *scratch);

/* Rows of dx += dy w for `rows` rows; keys in ascending order. */
struct input_product {
    const struct tensor *w; /* [out, in] */
    const float *dy;
    float *dx;
    int64_t rows, dy_stride, dx_stride;
};
void cpu_input_product(const struct kernels *kernels, const struct input_product *product, float *scratch);

/* Rows [begin, end) of dw [out, in] += dy^T x; batch rows in ascending order. */
struct weight_product {
    const float *dy, *x;
    float *dw;
    int64_t rows, in, dy_stride, x_stride;
};
void cpu_weight_product(const struct kernels *kernels, const struct weight_product *product, int64_t begin,
                        int64_t end, float *scratch);

/* dgate and dup of one row from dy times `weight`. */
struct swiglu_row {
    const float *gate, *up, *dy;
    float weight;
    float *dgate, *dup;
};
void cpu_swiglu_row(const struct kernels *kernels, const struct swiglu_row *row, int64_t n);

int64_t cpu_attention_backward_floats(const struct backward_shape *shape);

enum status cpu_reserve_backward(struct backend *backend, const struct backward_shape *shape);
void cpu_linear_backward(struct backend *backend, const struct linear_backward_op *op);
void cpu_norm_backward(struct backend *backend, const struct norm_backward_op *op);
void cpu_attention_backward(struct backend *backend, const struct attention_backward_op *op);
void cpu_swiglu_backward(struct backend *backend, const struct swiglu_backward_op *op);
void cpu_experts_backward(struct backend *backend, const struct experts_backward_op *op);
void cpu_route_backward(struct backend *backend, const struct route_backward_op *op);
void cpu_embed_backward(struct backend *backend, const struct embed_backward_op *op);
void cpu_cross_entropy(struct backend *backend, const struct cross_entropy_op *op);
enum status cpu_reserve_muon(struct backend *backend, int64_t rows, int64_t columns);
void cpu_muon(struct backend *backend, const struct muon_op *op);
void cpu_adam(struct backend *backend, const struct adam_op *op);
double cpu_squares(struct backend *backend, const float *x, int64_t n);

extern const struct backward_ops cpu_backward_operations;

#endif
