/* bench_bytes.c - what decoding reads: the bytes of the weights that one token touches, and how fast this machine can
 * read such bytes at all. Their quotient is the speed that no decoder of one sequence can pass. */
#include "cli/bench.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/thread_pool.h"

enum { READ_PASSES = 3 };
static const int64_t read_most = INT64_C(1) << 30;

static int64_t matrix_bytes(const struct model *model, enum weight weight, int layer, int copies) {
    int64_t bytes = 0;
    for (int copy = 0; copy < copies; copy++) {
        const struct tensor *w = weights_matrix(&model->weights, weight, layer, copy);
        if (w) bytes += tensor_bytes(w);
    }
    return bytes;
}

int64_t bench_weight_bytes(const struct model *model) {
    const struct model_desc *desc = &model->desc;
    int64_t bytes = 0;
    for (enum weight w = 0; w < WEIGHT_COUNT; w++) {
        enum weight_copies copies = weight_rows()[w].copies;
        for (int layer = 0; layer < (copies == PER_MODEL ? 1 : desc->layers); layer++) {
            if (!weight_exists(desc, w, layer)) continue;
            int64_t all = matrix_bytes(model, w, layer, copies == PER_EXPERT ? desc->experts : 1);
            if (copies == PER_EXPERT) all = all / desc->experts * desc->experts_used;
            if (w == WEIGHT_EMBED && !desc->tied_head) all /= desc->vocab; /* one row */
            bytes += all;
        }
    }
    return bytes;
}

/* ---- reading ---- */

struct read_job {
    const uint8_t *data;
    int64_t bytes;
    _Atomic uint64_t sum; /* keeps the reads from being optimised away */
};

static void read_share(void *context, int worker, int slice, int slices) {
    (void)worker;
    struct read_job *job = context;
    int64_t begin, end;
    uint64_t sum[4] = {0};
    slice_share(job->bytes, 4096, slice, slices, &begin, &end);
    for (; begin + 32 <= end; begin += 32)
        for (int i = 0; i < 4; i++) sum[i] += read_u64(job->data + begin + 8 * i);
    job->sum += sum[0] + sum[1] + sum[2] + sum[3];
}

static double read_all(const struct checkpoint *checkpoint, struct thread_pool *pool, int64_t *bytes) {
    double started = clock_seconds();
    *bytes = 0;
    for (size_t i = 0; i < checkpoint->map_count; i++) {
        const struct file_map *map = &checkpoint->maps[i];
        struct read_job job = {map->data, min_i64(map->bytes, read_most), 0};
        thread_pool_run(pool, SLICES_FINE, read_share, &job);
        *bytes += job.bytes;
    }
    return clock_seconds() - started;
}

/* The best of some passes behind one that brings the files into memory. */
enum status bench_read_speed(const struct checkpoint *checkpoint, int threads, double *speed) {
    struct thread_pool *pool;
    int64_t bytes;
    *speed = 0;
    TRY(thread_pool_open(&pool, threads));
    read_all(checkpoint, pool, &bytes);
    for (int pass = 0; pass < READ_PASSES; pass++) {
        double seconds = read_all(checkpoint, pool, &bytes);
        if (seconds > 0 && (double)bytes / seconds > *speed) *speed = (double)bytes / seconds;
    }
    thread_pool_close(pool);
    return STATUS_OK;
}
