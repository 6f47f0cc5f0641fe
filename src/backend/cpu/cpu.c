/* cpu.c - the CPU backend: kernels chosen once, a pool of workers, one scratch block per worker. */
#include "backend/cpu/cpu_backward.h"

#include "base/bytes.h"
#include "base/node_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, SPREAD_BYTES = 64 << 20 };

static void cpu_close(struct backend *backend) {
    struct cpu_backend *cpu = cpu_of(backend);
    thread_pool_close(cpu->pool);
    free(cpu->scratch);
    free(cpu->backward_scratch);
    free(cpu->muon_room);
    free(cpu->fp8_room);
    free(cpu->rounded.value);
    free(cpu->nodes);
    free(cpu);
}

/* Zeroed by the system, page by page when first touched: a cache that is planned but not used costs nothing. On several
 * memory nodes it is spread over all of them: which worker meets which page of a cache changes with every batch. The pointer
 * that free() wants stands in front of the aligned one. */
static void *cpu_allocate(struct backend *backend, int64_t bytes) {
    int64_t whole;
    if (bytes < 0 || !add_fits(bytes, 2 * ALIGNMENT, &whole)) return NULL;
    char *base = calloc(1, (size_t)whole);
    if (!base) return NULL;
    char *aligned = base + ALIGNMENT + (ALIGNMENT - (uintptr_t)base % ALIGNMENT) % ALIGNMENT;
    if (backend->nodes && bytes >= SPREAD_BYTES) node_memory_spread(backend->nodes, aligned, bytes);
    memcpy(aligned - sizeof base, &base, sizeof base);
    return aligned;
}

static void cpu_release(struct backend *backend, void *memory) {
    (void)backend;
    void *base = NULL;
    if (memory) memcpy(&base, (char *)memory - sizeof base, sizeof base);
    free(base);
}

static int64_t scratch_floats(const struct backend_shape *shape) {
    int64_t need = GEMM_SCRATCH_ROWS * shape->widest;
    need = max_i64(need, cpu_latent_scratch_floats(shape));
    need = max_i64(need, cpu_grouped_scratch_floats(shape));
    return round_up(need + ALIGNMENT, ALIGNMENT);
}

static int64_t shared_floats(const struct backend_shape *shape) {
    return round_up(max_i64(cpu_latent_shared_floats(shape), cpu_grouped_shared_floats(shape)), ALIGNMENT);
}

/* Activations of the largest operation: all rows of the widest matrix, or all places of an expert's. */
static int64_t rounded_entries(const struct backend_shape *shape) {
    return round_up(max_i64(shape->rows * shape->widest, shape->places * shape->widest_expert), ALIGNMENT);
}

/* One byte for each value, a scale for each 32 and a sum for each 16. */
static int64_t rounded_bytes(const struct backend_shape *shape) {
    int64_t entries = rounded_entries(shape);
    return entries + entries / PANEL_BLOCK * (int64_t)(sizeof(float) + 2 * sizeof(int32_t)) + ALIGNMENT;
}

int64_t backend_cpu_scratch_bytes(const struct backend_shape *shape, int threads) {
    int64_t workers = threads ? threads : processors_available();
    return (scratch_floats(shape) * workers + shared_floats(shape)) * (int64_t)sizeof(float) +
           rounded_bytes(shape);
}

static enum status reserve_rounded(struct cpu_backend *cpu, const struct backend_shape *shape) {
    int64_t entries = rounded_entries(shape);
    int8_t *room = aligned_alloc(ALIGNMENT, (size_t)round_up(rounded_bytes(shape), ALIGNMENT));
    if (!room) return fail(STATUS_MEMORY, "no memory for %lld rounded activations", (long long)entries);
    free(cpu->rounded.value);
    cpu->rounded.value = room;
    cpu->rounded.scale = (float *)(void *)(room + entries);
    cpu->rounded.sum = (int32_t *)(void *)(cpu->rounded.scale + entries / PANEL_BLOCK);
    return STATUS_OK;
}

static enum status cpu_reserve(struct backend *backend, const struct backend_shape *shape) {
    struct cpu_backend *cpu = cpu_of(backend);
    int64_t floats = scratch_floats(shape), shared = shared_floats(shape) * (int64_t)sizeof(float), bytes;
    if (!multiply_fits(floats, (int64_t)sizeof(float) * cpu->threads, &bytes) ||
        !add_fits(bytes, shared, &bytes))
        return fail(STATUS_LIMIT, "the model's shapes are too large for this backend");
    if (cpu->base.integer_products) TRY(reserve_rounded(cpu, shape));
    float *scratch = aligned_alloc(ALIGNMENT, (size_t)bytes);
    if (!scratch) return fail(STATUS_MEMORY, "no memory for %lld bytes of scratch", (long long)bytes);
    free(cpu->scratch);
    cpu->scratch = scratch;
    cpu->scratch_floats = floats;
    cpu->shared = scratch + floats * cpu->threads;
    cpu->shape = *shape;
    return STATUS_OK;
}

static const struct backend_ops operations = {
    .name = "cpu",
    .close = cpu_close,
    .reserve = cpu_reserve,
    .allocate = cpu_allocate,
    .release = cpu_release,
    .pack = cpu_pack,
    .copy = cpu_copy,
    .embed = cpu_embed,
    .norm = cpu_norm,
    .project = cpu_project,
    .rope = cpu_rope,
    .kv_store = cpu_kv_store,
    .attend_latent = cpu_attend_latent,
    .attend_grouped = cpu_attend_grouped,
    .route = cpu_route,
    .ffn = cpu_ffn,
    .experts = cpu_experts,
    .add = cpu_add,
    .backward = &cpu_backward_operations,
};

static void describe(struct cpu_backend *cpu) {
    char nodes[32] = "";
    if (cpu->nodes) snprintf(nodes, sizeof nodes, ", %d memory nodes", cpu->nodes->nodes);
    snprintf(cpu->description, sizeof cpu->description, "cpu %s, %d thread%s%s",
             cpu_level_name(cpu->kernels.level), cpu->threads, cpu->threads == 1 ? "" : "s", nodes);
}

enum status backend_open_cpu(struct backend **backend, const struct backend_options *options) {
    struct cpu_backend *cpu = calloc(1, sizeof *cpu);
    if (!cpu) return fail(STATUS_MEMORY, "no memory for the CPU backend");
    cpu->base.ops = &operations;
    cpu->kernels = kernels_for((enum cpu_level)options->cpu_level_cap);
    cpu->base.integer_products = cpu->kernels.integer_products;
    cpu->threads = options->threads ? options->threads : processors_available();
    enum status status = nodes_plan_for(options->numa, cpu->threads, &cpu->nodes);
    if (status == STATUS_OK) status = thread_pool_open(&cpu->pool, cpu->threads);
    if (status != STATUS_OK) {
        free(cpu->nodes);
        free(cpu);
        return status;
    }
    cpu->base.nodes = cpu->nodes;
    if (cpu->nodes) thread_pool_place(cpu->pool, cpu->nodes);
    describe(cpu);
    *backend = &cpu->base;
    return STATUS_OK;
}

const char *backend_description(const struct backend *backend) {
    return ((const struct cpu_backend *)backend)->description;
}
