/* select.c - which level this processor has, and the table of a level: the only file that asks about
 * the architecture. Any thread, any number of times: the one thing that stays is the system's permission to use
 * matrix tiles, which belongs to the process. */
#include "kernel/level.h"
#include "kernel/peak.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The parts of the register state that the operating system saves, bit by bit as XCR0 gives them. */
enum { STATE_AVX = 0x6, STATE_AVX512 = 0xe6, STATE_AMX = 0x60000 };

static uint64_t saved_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has_all(uint64_t value, uint64_t wanted) {
    return (value & wanted) == wanted;
}

/* Tiles make a thread's saved state larger by 8 KiB, so the kernel wants to be asked, and later threads inherit its
 * answer. Numbers as in asm/prctl.h, which older systems' headers lack. */
static bool tiles_permitted(void) {
    enum { REQUEST_STATE = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_STATE, TILE_DATA) == 0;
}

static bool has_bf16(void) {
    uint32_t a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & bit_AVX512BF16);
}

enum cpu_level cpu_level_available(void) {
    uint32_t a, b, c1, d, b7, c7, d7;
    if (!__get_cpuid(1, &a, &b, &c1, &d) || !has_all(c1, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C))
        return CPU_SCALAR;
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7) || !has_all(b7, bit_AVX2)) return CPU_SCALAR;
    uint64_t state = saved_state();
    if (!has_all(state, STATE_AVX)) return CPU_SCALAR;
    const uint32_t avx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
    if (!has_all(b7, avx512) || !has_all(state, STATE_AVX512)) return CPU_AVX2;
    const uint32_t amx = 1u << 24 | 1u << 25 | 1u << 22;         /* tiles, int8, bf16 */
    const uint32_t companions = bit_AVX512VNNI | bit_AVX512VBMI; /* every processor with tiles has them */
    if (!has_all(d7, amx) || !has_all(c7, companions) || !has_bf16() || !has_all(state, STATE_AMX))
        return CPU_AVX512;
    return tiles_permitted() ? CPU_AMX : CPU_AVX512;
}

/* AVX-512 came some years before its byte products. */
static bool has_vnni(void) {
    uint32_t a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_AVX512VNNI);
}

static void add_vector_levels(struct kernels *kernels, enum cpu_level level) {
    if (level >= CPU_AVX2) {
        avx2_add_decoders(kernels);
        avx2_add_grid_decoders(kernels);
        avx2_add_dot(kernels);
        avx2_add_dot_blocks(kernels);
        avx2_add_dot_rows(kernels);
        avx2_add_elements(kernels);
        avx2_add_panels(kernels);
        avx2_add_low_panels(kernels);
        avx2_add_columns(kernels);
        avx2_add_mix(kernels);
    }
    if (level >= CPU_AVX512) {
        avx512_add_decoders(kernels);
        avx512_add_dot(kernels);
        avx512_add_dot_blocks(kernels);
        avx512_add_dot_rows(kernels);
        avx512_add_elements(kernels);
        avx512_add_mix(kernels);
        avx512_add_outer(kernels);
        avx512_add_columns(kernels);
        if (has_vnni()) {
            avx512_add_panels(kernels);
            avx512_add_low_panels(kernels);
        }
    }
    if (level >= CPU_AMX) {
        amx_add_panels(kernels);
        amx_add_dot_rows(kernels);
        amx_add_outer(kernels);
    }
}

static void add_vector_peaks(struct peak_kernels *peaks, enum cpu_level level) {
    if (level >= CPU_AVX2) avx2_add_peaks(peaks);
    if (level >= CPU_AVX512) {
        avx512_add_peaks(peaks);
        if (has_vnni()) avx512_add_int8_peak(peaks);
        if (has_bf16()) avx512_add_bf16_peak(peaks);
    }
    if (level >= CPU_AMX) amx_add_peaks(peaks);
}
#else
enum cpu_level cpu_level_available(void) {
    return CPU_SCALAR;
}

static void add_vector_levels(struct kernels *kernels, enum cpu_level level) {
    (void)kernels;
    (void)level;
}

static void add_vector_peaks(struct peak_kernels *peaks, enum cpu_level level) {
    (void)peaks;
    (void)level;
}
#endif

const char *cpu_level_name(enum cpu_level level) {
    static const char *const names[CPU_LEVEL_COUNT] = {"scalar", "avx2", "avx512", "amx"};
    return (unsigned)level < CPU_LEVEL_COUNT ? names[level] : "unknown";
}

bool cpu_level_from_name(const char *name, enum cpu_level *level) {
    for (*level = 0; *level < CPU_LEVEL_COUNT; ++*level)
        if (!strcmp(name, cpu_level_name(*level))) return true;
    *level = CPU_LEVEL_COUNT - 1;
    return !strcmp(name, "auto");
}

struct kernels kernels_for(enum cpu_level cap) {
    enum cpu_level available = cpu_level_available();
    return kernels_of(cap < available ? cap : available);
}

struct kernels kernels_of(enum cpu_level level) {
    struct kernels kernels = {.level = level};
    reference_add_decoders(&kernels);
    reference_add_dot(&kernels);
    reference_add_elements(&kernels);
    reference_add_mix(&kernels);
    reference_add_panels(&kernels);
    reference_add_columns(&kernels);
    add_vector_levels(&kernels, kernels.level);
    return kernels;
}

const char *peak_name(enum peak peak) {
    static const char *const names[PEAK_COUNT] = {"f32", "int8", "bf16", "amx_int8", "amx_bf16"};
    return (unsigned)peak < PEAK_COUNT ? names[peak] : "unknown";
}

struct peak_kernels peak_kernels_for(enum cpu_level cap) {
    enum cpu_level available = cpu_level_available();
    struct peak_kernels peaks = {.level = cap < available ? cap : available};
    reference_add_peaks(&peaks);
    add_vector_peaks(&peaks, peaks.level);
    return peaks;
}
