/* ceilings_measure.c - times the loops of kernel/peak.h on all threads at once.
 *
 * Each thread reads its own part of one large buffer, which it has touched first. A sample of reading is one pass; a
 * sample of multiplying lasts some hundredths of a second. What is reported is every sample: other programs only make
 * them slower, so the reader sees how quiet the machine was. */
#include "cli/ceilings.h"

#include "cli/bench.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/nodes.h"
#include "base/thread_pool.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static const double multiply_seconds = 0.04, arrival_patience = 0.02;
enum { WAKES = 50, SLEEP_NANOSECONDS = 2000000 };

struct measuring {
    const struct ceiling_request *request;
    struct ceilings *ceilings;
    struct peak_kernels peaks;
    struct thread_pool *pool;
    uint8_t *buffer; /* [bytes] */
    int64_t bytes;
    /* of the run that is going on */
    peak_multiply *multiply;
    int64_t rounds;
    _Atomic uint64_t kept; /* so that no result is for nothing */
    atomic_int arrived;
};

/* ---- work of the threads ---- */

static void touch_share(void *context, int worker, int slice, int slices) {
    (void)worker;
    struct measuring *m = context;
    int64_t begin, end;
    slice_share(m->bytes, PEAK_GRAIN, slice, slices, &begin, &end);
    memset(m->buffer + begin, 1, (size_t)(end - begin));
}

static void read_share(void *context, int worker, int slice, int slices) {
    (void)worker;
    struct measuring *m = context;
    int64_t begin, end;
    slice_share(m->bytes, PEAK_GRAIN, slice, slices, &begin, &end);
    atomic_fetch_add(&m->kept, m->peaks.read(m->buffer + begin, end - begin));
}

static void copy_share(void *context, int worker, int slice, int slices) {
    (void)worker;
    struct measuring *m = context;
    int64_t begin, end, half = m->bytes / 2;
    slice_share(half, PEAK_GRAIN, slice, slices, &begin, &end);
    m->peaks.copy(m->buffer + half + begin, m->buffer + begin, end - begin);
}

static void multiply_share(void *context, int worker, int slice, int slices) {
    (void)worker;
    (void)slice;
    (void)slices;
    struct measuring *m = context;
    atomic_fetch_add(&m->kept, (uint64_t)(m->multiply(m->rounds) > 0));
}

/* Holds its thread until all have come, so that none does another's part. */
static void arrive(void *context, int worker, int slice, int slices) {
    (void)worker;
    (void)slice;
    struct measuring *m = context;
    double patience = clock_seconds() + arrival_patience;
    atomic_fetch_add(&m->arrived, 1);
    while (atomic_load(&m->arrived) < slices && clock_seconds() < patience) {}
}

/* ---- samples ---- */

static double run_seconds(struct measuring *m, int slices_each, thread_work *work) {
    double started = clock_seconds();
    thread_pool_run(m->pool, slices_each, work, m);
    double seconds = clock_seconds() - started;
    return seconds > 1e-9 ? seconds : 1e-9;
}

static void tell(const struct measuring *m, enum ceiling ceiling) {
    if (m->request->progress) m->request->progress(m->request->progress_context, ceiling);
}

static void keep(struct measuring *m, enum ceiling ceiling, double value) {
    struct ceiling_samples *samples = &m->ceilings->of[ceiling];
    MUST(samples->count < CEILING_SAMPLES_MOST);
    samples->value[samples->count++] = value;
}

static void measure_memory(struct measuring *m, enum ceiling ceiling, thread_work *work) {
    tell(m, ceiling);
    run_seconds(m, SLICES_FINE, work); /* warms up */
    for (int i = 0; i < m->request->samples; i++)
        keep(m, ceiling, (double)m->bytes / run_seconds(m, SLICES_FINE, work));
}

static void measure_multiply(struct measuring *m, enum peak peak) {
    enum ceiling ceiling = (enum ceiling)(CEILING_MULTIPLY + (int)peak);
    m->multiply = m->peaks.multiply[peak].run;
    if (!m->multiply) return;
    tell(m, ceiling);
    double operations = (double)m->peaks.multiply[peak].operations * m->ceilings->threads, seconds = 0;
    for (m->rounds = 1000; m->rounds < INT64_C(1) << 40; m->rounds *= 2) {
        seconds = run_seconds(m, SLICES_WHOLE, multiply_share);
        if (seconds > multiply_seconds) break;
    }
    for (int i = 0; i < m->request->samples; i++)
        keep(m, ceiling, operations * (double)m->rounds / run_seconds(m, SLICES_WHOLE, multiply_share));
}

/* The median of some wake-ups is one sample: where the system lets a thread wait for the processor, that is no wake-up. */
static void measure_wake(struct measuring *m, enum ceiling ceiling) {
    const struct timespec pause = {0, SLEEP_NANOSECONDS};
    if (m->ceilings->threads < 2) return;
    tell(m, ceiling);
    for (int i = 0; i < m->request->samples; i++) {
        double wake[WAKES];
        for (int k = 0; k < WAKES; k++) {
            if (ceiling == CEILING_WAKE_COLD) nanosleep(&pause, NULL);
            atomic_store(&m->arrived, 0);
            wake[k] = run_seconds(m, SLICES_WHOLE, arrive);
        }
        keep(m, ceiling, bench_median(wake, WAKES));
    }
}

static void measure_all(struct measuring *m) {
    run_seconds(m, SLICES_FINE, touch_share);
    measure_memory(m, CEILING_READ, read_share);
    if (!m->request->quick) measure_memory(m, CEILING_COPY, copy_share);
    for (enum peak peak = 0; peak < PEAK_COUNT; peak++) measure_multiply(m, peak);
    if (m->request->quick) return;
    measure_wake(m, CEILING_WAKE_WARM);
    measure_wake(m, CEILING_WAKE_COLD);
}

/* ---- whole ---- */

int64_t ceilings_buffer_bytes(int64_t limit) {
    const int64_t most = INT64_C(4) << 30, least = INT64_C(1) << 20;
    int64_t bytes = min_i64(most, memory_available() / 3);
    if (limit) bytes = min_i64(bytes, limit);
    return max_i64(least, bytes / (2 * PEAK_GRAIN) * (2 * PEAK_GRAIN));
}

static enum status open_buffer(struct measuring *m) {
    void *memory = mmap(NULL, (size_t)m->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return fail(STATUS_MEMORY, "no memory for a buffer of %lld bytes", (long long)m->bytes);
    m->ceilings->huge_pages = madvise(memory, (size_t)m->bytes, MADV_HUGEPAGE) == 0;
    m->buffer = memory;
    return STATUS_OK;
}

enum status ceilings_measure(struct ceilings *ceilings, const struct ceiling_request *request) {
    struct measuring m = {.request = request,
                          .ceilings = ceilings,
                          .peaks = peak_kernels_for(request->cap),
                          .bytes = request->buffer_bytes};
    MUST(request->samples > 0 && request->samples <= CEILING_SAMPLES_MOST);
    *ceilings = (struct ceilings){
        .level = m.peaks.level, .threads = request->threads, .buffer_bytes = request->buffer_bytes};
    struct node_plan *nodes;
    TRY(nodes_plan_for("auto", request->threads, &nodes));
    enum status status = thread_pool_open(&m.pool, request->threads);
    if (status != STATUS_OK) {
        free(nodes);
        return status;
    }
    if (nodes) thread_pool_place(m.pool, nodes); /* each then reads memory of its own node */
    status = open_buffer(&m);
    if (status == STATUS_OK) {
        measure_all(&m);
        munmap(m.buffer, (size_t)m.bytes);
    }
    thread_pool_close(m.pool);
    free(nodes);
    return status;
}
