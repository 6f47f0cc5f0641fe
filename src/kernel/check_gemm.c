/* check_gemm.c - the matrix product for every weight format: against sums in double over the decoded
 * weights, and the same bits however rows and columns are divided. */
#include "base/bytes.h"
#include "kernel/check_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A weight matrix with its activations and results. */
struct product {
    struct tensor w;
    int64_t rows, out, in;
    float *x, *bias, *y, *scratch;
    float *row; /* one decoded row of w */
};

static void *take(struct check *check, int64_t bytes) {
    return guarded_take(check, (size_t)bytes, 0).data;
}

enum { DISTINCT_ROWS = 64 }; /* further rows repeat them */

/* Bytes that decode to finite numbers of ordinary size: by the encoder where there is one, else random ones whose
 * block is taken again until it does. */
static void fill_weights(struct check *check, enum dtype dtype, uint8_t *data, float *values,
                         int64_t elements) {
    const struct dtype_traits *traits = dtype_traits(dtype);
    if (traits->encode) {
        check_fill(check, VALUES_ORDINARY, values, elements);
        traits->encode(values, data, elements);
        return;
    }
    for (int64_t at = 0; at < elements; at += traits->block_elements, data += traits->block_bytes) {
        float largest = 0;
        do {
            largest = 0;
            for (int i = 0; i < traits->block_bytes; i++) data[i] = (uint8_t)(check_random(check) >> 9);
            traits->decode(data, values, traits->block_elements);
            for (int i = 0; i < traits->block_elements; i++)
                largest = isfinite(values[i]) ? fmaxf(largest, fabsf(values[i])) : INFINITY;
        } while (!(largest < 1e6f && largest > 1e-6f));
    }
}

static bool product_take(struct check *check, enum dtype dtype, int64_t rows, int64_t out, int64_t in,
                         struct product *product) {
    int64_t bytes, scales = divide_up(out, 128) * divide_up(in, 128);
    MUST(dtype_row_bytes(dtype, in, &bytes));
    *product = (struct product){.rows = rows, .out = out, .in = in};
    uint8_t *data = take(check, bytes * out);
    float *scale = take(check, scales * (int64_t)sizeof(float));
    product->x = take(check, rows * in * (int64_t)sizeof(float));
    product->y = take(check, rows * out * (int64_t)sizeof(float));
    product->bias = take(check, out * (int64_t)sizeof(float));
    product->row = take(check, in * (int64_t)sizeof(float));
    product->scratch = take(check, GEMM_SCRATCH_ROWS * in * (int64_t)sizeof(float));
    if (check->out_of_memory) return false;
    product->w = (struct tensor){.data = data, .dtype = dtype, .rank = 2, .shape = {out, in}};
    for (int64_t o = 0; o < out; o++) {
        if (o < DISTINCT_ROWS)
            fill_weights(check, dtype, data + o * bytes, product->row, in);
        else
            memcpy(data + o * bytes, data + (o - DISTINCT_ROWS) * bytes, (size_t)bytes);
    }
    if (dtype == DTYPE_F8_E4M3) {
        for (int64_t i = 0; i < scales; i++) scale[i] = check_uniform(check, 0.01f, 0.1f);
        product->w.scale = scale;
        product->w.block[0] = product->w.block[1] = 128;
    }
    check_fill(check, VALUES_ORDINARY, product->x, rows * in);
    check_fill(check, VALUES_ORDINARY, product->bias, out);
    return true;
}

static void run_rows(const struct kernels *kernels, const struct product *product, int64_t row, int64_t rows,
                     int64_t out_begin, int64_t out_end, float *y) {
    struct gemm gemm = {.w = &product->w,
                        .bias = product->bias,
                        .x = product->x + row * product->in,
                        .y = y + row * product->out,
                        .x_stride = product->in,
                        .y_stride = product->out,
                        .rows = rows};
    gemm_columns(kernels, &gemm, out_begin, out_end, product->scratch);
}

/* Worst error in units of 2^-24 of the magnitudes, relative to `bound`. */
static double product_error(const struct product *product, double bound) {
    double worst = 0;
    for (int64_t o = 0; o < product->out; o++) {
        tensor_decode_row(&product->w, o, product->row);
        for (int64_t r = 0; r < product->rows; r++) {
            double sum = (double)product->bias[o], magnitudes = fabs(sum);
            for (int64_t i = 0; i < product->in; i++) {
                double one = (double)product->x[r * product->in + i] * (double)product->row[i];
                sum += one;
                magnitudes += fabs(one);
            }
            double error = fabs((double)product->y[r * product->out + o] - sum) / (magnitudes * 0x1p-24);
            worst = fmax(worst, error / bound);
        }
    }
    return worst;
}

/* Results whose bits change when rows come one by one, or columns in unequal parts. */
static double division_differences(struct check *check, const struct product *product) {
    float *again = take(check, product->rows * product->out * (int64_t)sizeof(float));
    if (check->out_of_memory) return 0;
    size_t bytes = (size_t)(product->rows * product->out) * sizeof(float);
    double different = 0;
    for (int64_t r = 0; r < product->rows; r++)
        run_rows(&check->tested, product, r, 1, 0, product->out, again);
    different += memcmp(again, product->y, bytes) != 0;
    memset(again, 0, bytes);
    int64_t cut = product->out / 3 + 1;
    run_rows(&check->tested, product, 0, product->rows, 0, cut, again);
    run_rows(&check->tested, product, 0, product->rows, cut, product->out, again);
    return different + (memcmp(again, product->y, bytes) != 0);
}

static double decoded_rows_differ(struct check *check, const struct product *product) {
    float *row = take(check, product->in * (int64_t)sizeof(float));
    double different = 0;
    for (int64_t o = 0; o < product->out && !check->out_of_memory; o++) {
        tensor_decode_row(&product->w, o, product->row);
        kernels_decode_row(&check->tested, &product->w, o, row);
        different += memcmp(row, product->row, (size_t)product->in * sizeof *row) != 0;
    }
    return different;
}

struct speed_work {
    const struct kernels *kernels;
    const struct product *product;
};

static void run_product(void *context) {
    const struct speed_work *work = context;
    run_rows(work->kernels, work->product, 0, work->product->rows, 0, work->product->out, work->product->y);
}

/* One row over more weights than the caches near a core hold, and many rows. */
static void measure_product(struct check *check, enum dtype dtype) {
    struct product product;
    int64_t in = 2048, bytes;
    MUST(dtype_row_bytes(dtype, in, &bytes));
    if (product_take(check, dtype, 1, (INT64_C(32) << 20) / bytes, in, &product)) {
        struct speed_work work = {&check->tested, &product};
        check_speed(check, "speed, 1 row", run_product, &work, (double)bytes * (double)product.out * 1e-9,
                    "GB/s");
    }
    arena_free(&check->arena);
    if (product_take(check, dtype, 256, 256, in, &product)) {
        struct speed_work work = {&check->tested, &product};
        check_speed(check, "speed, 256 rows", run_product, &work, 2e-9 * 256 * 256 * (double)in, "GFLOP/s");
    }
    arena_free(&check->arena);
}

static void check_format(struct check *check, enum dtype dtype) {
    static const struct {
        int rows, out, in;
    } shapes[] = {{1, 9, 256},  {2, 17, 1280},  {4, 8, 512},  {5, 13, 768},
                  {9, 6, 1280}, {37, 41, 1280}, {200, 5, 768}};
    double worst = 0, different = 0, rows = 0, split = check->tested.dot_rows_any[dtype] ? 64 : 0;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct product product;
        int64_t ragged = dtype_traits(dtype)->block_elements == 1 ? 61 : 0;
        if (!product_take(check, dtype, shapes[i].rows, shapes[i].out, shapes[i].in - ragged, &product))
            return;
        run_rows(&check->tested, &product, 0, product.rows, 0, product.out, product.y);
        worst = fmax(worst, product_error(&product, (double)product.in / 8 + 8 + split));
        different += division_differences(check, &product);
        rows += decoded_rows_differ(check, &product);
        arena_free(&check->arena);
    }
    if (check->out_of_memory) return;
    check_say(check, "ordinary", worst, 1);
    check_say(check, "any division alike", different, 0);
    check_say(check, "decoded rows", rows, 0);
    if (check->options->bench) measure_product(check, dtype);
}

void check_products(struct check *check) {
    for (int i = 0; i < DTYPE_COUNT; i++) {
        char name[32];
        if (!check->truth.decode[i]) continue;
        bool is_new = check->tested.dot_blocks[i] != check->below.dot_blocks[i] ||
                      check->tested.decode[i] != check->below.decode[i] ||
                      check->tested.dot_tile != check->below.dot_tile ||
                      check->tested.dot_rows[i] != check->below.dot_rows[i];
        snprintf(name, sizeof name, "gemm.%s", dtype_traits((enum dtype)i)->name);
        if (check_wants(check, name, is_new)) check_format(check, (enum dtype)i);
    }
}
