/* cpu_round.c - rounding activations for integer products, rearranging weights for them, copying them. */
#include "backend/cpu/cpu.h"

#include <string.h>

struct round_task {
    struct cpu_backend *cpu;
    const float *x;
    int64_t x_stride, rows, n;
};

static void round_rows(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct round_task *task = context;
    struct rounded_rows to = task->cpu->rounded;
    int64_t begin, end;
    to.in = task->n;
    slice_share(task->rows, 1, slice, slices, &begin, &end);
    for (int64_t r = begin; r < end; r++) {
        struct rounded_rows row = rounded_from(&to, r);
        task->cpu->kernels.panel_round(task->x + r * task->x_stride, task->n, row.value, row.scale, row.sum);
    }
}

struct rounded_rows cpu_round(struct cpu_backend *cpu, const float *x, int64_t x_stride, int64_t rows,
                              int64_t n, bool needed) {
    struct round_task task = {cpu, x, x_stride, rows, n};
    struct rounded_rows view = cpu->rounded;
    view.in = n;
    if (needed) cpu_run_rows(cpu, rows, round_rows, &task);
    return view;
}

struct rounded_rows rounded_from(const struct rounded_rows *rounded, int64_t first) {
    int64_t at = first * rounded->in;
    return (struct rounded_rows){rounded->value + at, rounded->scale + at / PANEL_BLOCK,
                                 rounded->sum + at / (PANEL_BLOCK / 2), rounded->in};
}

struct pack_task {
    const struct tensor *w;
    enum panel_format format;
    uint8_t *panels;
};

static void pack_panels(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct pack_task *task = context;
    int64_t begin, end, panels = (task->w->shape[0] + PANEL_OUTS - 1) / PANEL_OUTS;
    slice_share(panels, 1, slice, slices, &begin, &end);
    panels_pack(task->format, task->w, begin, end, task->panels);
}

void cpu_pack(struct backend *backend, const struct tensor *w, int panel_format, void *panels) {
    struct pack_task task = {w, (enum panel_format)panel_format, panels};
    thread_pool_run(cpu_of(backend)->pool, SLICES_FINE, pack_panels, &task);
}

struct copy_task {
    const char *from;
    char *to;
    int64_t bytes;
};

static void copy_bytes(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct copy_task *task = context;
    int64_t begin, end, page = 4096;
    slice_share(task->bytes, page, slice, slices, &begin, &end);
    memcpy(task->to + begin, task->from + begin, (size_t)(end - begin));
}

void cpu_copy(struct backend *backend, const void *from, void *to, int64_t bytes) {
    struct copy_task task = {from, to, bytes};
    thread_pool_run(cpu_of(backend)->pool, SLICES_FINE, copy_bytes, &task);
}
