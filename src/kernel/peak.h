/* peak.h - loops that do nothing but what a processor is limited by: reading, copying and multiplying. `hadal bench
 * machine` times them to learn the ceilings that everything else is compared with.
 *
 * A table like that of kernel.h: a level starts from the one below it. The loops of a level use what its kernels
 * use. Pure functions, any thread; none allocates. */
#ifndef HADAL_KERNEL_PEAK_H
#define HADAL_KERNEL_PEAK_H

#include "kernel/kernel.h"

enum peak {
    PEAK_F32,      /* multiply-adds of floats */
    PEAK_INT8,     /* byte products summed in 32 bits, vector registers */
    PEAK_BF16,     /* pairs of bf16 summed in f32, vector registers */
    PEAK_AMX_INT8, /* tiles */
    PEAK_AMX_BF16,
    PEAK_COUNT
};

/* `rounds` times a fixed number of independent multiply-adds on registers. Returns a number that depends on all. */
typedef float peak_multiply(int64_t rounds);

enum { PEAK_GRAIN = 4096 }; /* bytes: what `read` and `copy` get is a multiple, aligned to 64 */

struct peak_kernels {
    enum cpu_level level;
    uint64_t (*read)(const void *data, int64_t bytes);
    void (*copy)(void *to, const void *from, int64_t bytes); /* past the caches where the level can */
    struct {
        peak_multiply *run; /* NULL: the processor has no such instruction at this level */
        int64_t operations; /* of one round: a multiplication and an addition are two */
    } multiply[PEAK_COUNT];
};

/* By value, for levels up to min(cap, available); select.c. */
struct peak_kernels peak_kernels_for(enum cpu_level cap);
const char *peak_name(enum peak peak); /* "amx_int8" */

/* What the files of each level put into a table; only select.c calls these. */
typedef void peak_add(struct peak_kernels *peaks);
peak_add reference_add_peaks, avx2_add_peaks, avx512_add_peaks, avx512_add_int8_peak, avx512_add_bf16_peak,
    amx_add_peaks;

#endif
