/* gemm.c - activations times a weight matrix of any format, from the table's decoders and dot products.
 *
 * Every result is a sum over chunks of CHUNK inputs: dot_tile gives the sum of each chunk, the chunks
 * are added in order, then the bias. That order is the same whichever loop nest below runs, so a row's
 * bits do not depend on how many rows or columns there are.
 *
 * A level may multiply a plain format by itself, in an order of its own: then it does so for every number of rows.
 *
 * Three ways through the weights: a few rows meet plain formats, and one row meets blocks, in the order in which the
 * weights lie in memory; for many rows a panel of decoded weights serves a tile of rows that stays in the second cache
 * level. */
#include "base/bytes.h"
#include "base/status.h"
#include "kernel/kernel.h"

enum {
    CHUNK = DOT_CHUNK,
    ROW_TILE = 192,    /* rows whose chunk of x stays cached, 384 KiB */
    DECODED_OUTS = 32, /* at most, weight rows decoded together */
    PARTIAL_ROWS = 48, /* rows of sums that wait to be added to y: whole tiles at every level */
    CHUNKS_TOGETHER = 4,
    CACHE_LINE = 64
};

/* Inputs that share a scale. */
static int64_t scale_inputs(const struct tensor *w) {
    return w->block[1] ? w->block[1] : w->shape[w->rank - 1];
}

/* Multiplies a decoded part of a row, columns [begin, begin + n), by the scales of its blocks. */
static void apply_scales(const struct kernels *kernels, const struct tensor *w, int64_t row, int64_t begin,
                         int64_t n, float *values) {
    int64_t step = scale_inputs(w);
    for (int64_t at = begin; at < begin + n;) {
        int64_t next = min_i64(round_up(at + 1, step), begin + n);
        kernels->scale(tensor_scale(w, row, at), values + (at - begin), next - at);
        at = next;
    }
}

/* What the loops need to know of a weight matrix, divided out once. */
struct weights {
    const struct kernels *kernels;
    const struct tensor *tensor;
    int64_t row_bytes, chunk_bytes;
    bool plain; /* F32 where floats may lie: used in place */
};

static struct weights weights_of(const struct kernels *kernels, const struct tensor *tensor) {
    struct weights weights = {kernels, tensor, 0, 0, false};
    MUST(dtype_row_bytes(tensor->dtype, tensor->shape[tensor->rank - 1], &weights.row_bytes));
    MUST(dtype_row_bytes(tensor->dtype, CHUNK, &weights.chunk_bytes));
    weights.plain = tensor->dtype == DTYPE_F32 && (uintptr_t)tensor->data % _Alignof(float) == 0;
    return weights;
}

static const uint8_t *chunk_data(const struct weights *weights, int64_t row, int64_t begin) {
    return (const uint8_t *)weights->tensor->data + row * weights->row_bytes +
           begin / CHUNK * weights->chunk_bytes;
}

/* `begin` is a multiple of CHUNK. */
static void decode_part(const struct weights *weights, int64_t row, int64_t begin, int64_t n, float *values) {
    const struct tensor *tensor = weights->tensor;
    weights->kernels->decode[tensor->dtype](chunk_data(weights, row, begin), values, n);
    if (tensor->scale) apply_scales(weights->kernels, tensor, row, begin, n, values);
}

void kernels_decode_row(const struct kernels *kernels, const struct tensor *w, int64_t row, float *values) {
    kernels_decode_rows(kernels, w, row, 1, values);
}

void kernels_decode_rows(const struct kernels *kernels, const struct tensor *w, int64_t first, int64_t rows,
                         float *values) {
    struct weights weights = weights_of(kernels, w);
    int64_t in = w->shape[w->rank - 1];
    for (int64_t r = 0; r < rows; r++) decode_part(&weights, first + r, 0, in, values + r * in);
}

/* A part of the product: rows [row, row + rows), outputs [out, out + outs), inputs [begin, begin + n). */
struct part {
    int64_t row, rows, out, outs, begin, n;
};

/* Weights of a part as floats. */
struct panel {
    const float *values;
    int64_t stride;
};

static struct panel panel_of(const struct weights *weights, const struct part *part, float *scratch) {
    if (weights->plain) {
        const float *values = (const void *)chunk_data(weights, part->out, part->begin);
        return (struct panel){values, weights->tensor->shape[1]};
    }
    for (int64_t row = part->out; row < part->out + part->outs; row++)
        decode_part(weights, row, part->begin, part->n, scratch + (row - part->out) * part->n);
    return (struct panel){scratch, part->n};
}

/* Asks for the same chunk of the weight rows [begin, end), as far as there are such rows. */
static void prefetch_chunks(const struct weights *weights, const struct part *part, int64_t begin,
                            int64_t end) {
    int64_t before = part->begin / CHUNK * weights->chunk_bytes,
            bytes = min_i64(weights->chunk_bytes, weights->row_bytes - before);
    end = min_i64(end, weights->tensor->shape[0]);
    for (int64_t row = begin; row < end; row++) {
        const uint8_t *data = chunk_data(weights, row, part->begin);
        for (int64_t at = 0; at < bytes; at += CACHE_LINE) __builtin_prefetch(data + at, 0, 2);
    }
}

/* The first chunk is stored, the others are added. Meanwhile the weight rows behind the part are on their way. */
static void multiply_part(const struct weights *weights, const struct gemm *gemm, const struct part *part,
                          struct panel w) {
    const struct kernels *kernels = weights->kernels;
    float partial[PARTIAL_ROWS * DECODED_OUTS];
    int64_t outs = part->outs, next = part->out + outs;
    for (int64_t done = 0; done < part->rows; done += PARTIAL_ROWS) {
        int64_t row = part->row + done, rows = min_i64(PARTIAL_ROWS, part->rows - done);
        const float *x = gemm->x + row * gemm->x_stride + part->begin;
        float *y = gemm->y + row * gemm->y_stride + part->out;
        bool first = part->begin == 0;
        prefetch_chunks(weights, part, next + outs * done / part->rows,
                        next + outs * (done + rows) / part->rows);
        kernels->dot_tile(x, gemm->x_stride, rows, w.values, w.stride, outs, part->n, first ? y : partial,
                          first ? gemm->y_stride : outs);
        for (int64_t r = 0; !first && r < rows; r++)
            kernels->add(partial + r * outs, y + r * gemm->y_stride, outs);
    }
}

/* Can a scale's end fall only where dot_rows looks for it? */
static bool scales_fit(const struct tensor *w) {
    return !w->scale || scale_inputs(w) >= w->shape[1] || scale_inputs(w) % DOT_SCALE_GRAIN == 0;
}

/* The scales of output `out` and of those that share them; returns where these end. */
static int64_t read_scales(const struct tensor *w, int64_t out, float *scale) {
    int64_t step = scale_inputs(w), in = w->shape[1];
    for (int64_t begin = 0; begin < in; begin += step) scale[begin / step] = tensor_scale(w, out, begin);
    return w->block[0] ? round_up(out + 1, w->block[0]) : w->shape[0];
}

static void plain_rows(const struct weights *weights, const struct gemm *gemm, int64_t out_begin,
                       int64_t out_end, float *scratch) {
    const struct tensor *w = gemm->w;
    for (int64_t out = out_begin; out < out_end;) {
        int64_t end = w->scale ? min_i64(read_scales(w, out, scratch), out_end) : out_end;
        struct dot_rows op = {.x = gemm->x,
                              .w = chunk_data(weights, out, 0),
                              .scale = w->scale ? scratch : NULL,
                              .y = gemm->y + out,
                              .x_stride = gemm->x_stride,
                              .w_bytes = weights->row_bytes,
                              .y_stride = gemm->y_stride,
                              .rows = gemm->rows,
                              .outs = end - out,
                              .in = w->shape[1],
                              .scale_inputs = scale_inputs(w)};
        weights->kernels->dot_rows[w->dtype](&op);
        out = end;
    }
}

/* Asks for `bytes` from `at` on, as far as the weights go. */
static void prefetch_bytes(const uint8_t *at, int64_t bytes, const uint8_t *end) {
    const uint8_t *stop = bytes < end - at ? at + bytes : end;
    for (; at < stop; at += CACHE_LINE) __builtin_prefetch(at, 0, 2);
}

/* Adds the sums of `count` chunks to that of the chunks before them. */
static float add_chunks(float sum, bool first, const float *partial, int64_t count) {
    for (int64_t i = 0; i < count; i++) sum = first && i == 0 ? partial[0] : sum + partial[i];
    return sum;
}

/* One row against weights that stay in their blocks. Several chunks of a weight row go together: their sums are
 * independent, and memory is read from one end to the other. */
static void one_row(const struct weights *weights, const struct gemm *gemm, int64_t out_begin,
                    int64_t out_end) {
    const struct tensor *w = weights->tensor;
    int64_t chunks = w->shape[1] / CHUNK, rest = w->shape[1] % CHUNK;
    const uint8_t *at = chunk_data(weights, out_begin, 0),
                  *end = at + (out_end - out_begin) * weights->row_bytes;
    for (int64_t out = out_begin; out < out_end; out++, at += weights->row_bytes) {
        const uint8_t *part = at;
        float partial[CHUNKS_TOGETHER], sum = 0;
        for (int64_t c = 0; c < chunks; c += CHUNKS_TOGETHER) {
            int64_t count = min_i64(CHUNKS_TOGETHER, chunks - c), bytes = count * weights->chunk_bytes;
            if (end - part > 2 * bytes) prefetch_bytes(part + 2 * bytes, bytes, end);
            weights->kernels->dot_blocks[w->dtype](gemm->x + c * CHUNK, CHUNK, part, weights->chunk_bytes,
                                                   count, CHUNK, partial);
            sum = add_chunks(sum, c == 0, partial, count);
            part += bytes;
        }
        if (rest > 0) {
            weights->kernels->dot_blocks[w->dtype](gemm->x + chunks * CHUNK, 0, part, 0, 1, rest, partial);
            sum = add_chunks(sum, chunks == 0, partial, 1);
        }
        gemm->y[out] = sum;
    }
}

static void many_rows(const struct weights *weights, const struct gemm *gemm, int64_t out_begin,
                      int64_t out_end, float *scratch) {
    int64_t in = gemm->w->shape[1];
    for (int64_t row = 0; row < gemm->rows; row += ROW_TILE) {
        struct part part = {row, min_i64(ROW_TILE, gemm->rows - row), 0, 0, 0, 0};
        for (part.begin = 0; part.begin < in; part.begin += CHUNK) {
            part.n = min_i64(CHUNK, in - part.begin);
            int64_t fitting = min_i64(DECODED_OUTS, GEMM_SCRATCH_ROWS * in / part.n);
            for (part.out = out_begin; part.out < out_end; part.out += part.outs) {
                part.outs = min_i64(fitting, out_end - part.out);
                multiply_part(weights, gemm, &part, panel_of(weights, &part, scratch));
            }
        }
    }
}

static void finish(const struct gemm *gemm, int64_t out_begin, int64_t out_end) {
    if (gemm->w->shape[1] > 0 && !gemm->bias) return;
    for (int64_t r = 0; r < gemm->rows; r++) {
        float *y = gemm->y + r * gemm->y_stride;
        for (int64_t o = out_begin; o < out_end; o++) {
            if (gemm->w->shape[1] == 0) y[o] = 0;
            if (gemm->bias) y[o] += gemm->bias[o];
        }
    }
}

static void panel_columns(const struct kernels *kernels, const struct gemm *gemm, int64_t out_begin,
                          int64_t out_end) {
    const struct tensor *w = gemm->w;
    struct panels panels = {(enum panel_format)w->panel_format, w->panels, w->shape[0], w->shape[1]};
    struct panel_product product = {&panels, gemm->rounded, gemm->bias, gemm->y, gemm->rows, gemm->y_stride};
    MUST(out_begin % PANEL_OUTS == 0 && gemm->rounded->in == panels.in);
    kernels->panel_multiply[panels.format](&product, out_begin / PANEL_OUTS, divide_up(out_end, PANEL_OUTS));
}

/* The matrix as a piece has it: rows keep their numbers, so that those before the piece lie in front of it. */
static struct tensor matrix_of_piece(const struct tensor *w, const struct tensor_piece *piece) {
    struct tensor part = *w;
    int64_t bytes;
    part.pieces = 0;
    if (w->panels) {
        bytes = piece->row / PANEL_OUTS * panel_row_bytes((enum panel_format)w->panel_format, w->shape[1]);
        part.panels = (const void *)((uintptr_t)piece->data - (uintptr_t)bytes);
    } else {
        MUST(dtype_row_bytes(w->dtype, w->shape[1], &bytes));
        part.data = (const void *)((uintptr_t)piece->data - (uintptr_t)(piece->row * bytes));
    }
    return part;
}

static void piece_columns(const struct kernels *kernels, const struct gemm *gemm, int64_t out_begin,
                          int64_t out_end, float *scratch) {
    const struct tensor *w = gemm->w;
    for (int i = 0; i < w->pieces; i++) {
        int64_t begin = max_i64(out_begin, w->piece[i].row),
                end = min_i64(out_end, i + 1 < w->pieces ? w->piece[i + 1].row : w->shape[0]);
        if (begin >= end) continue;
        struct tensor matrix = matrix_of_piece(w, &w->piece[i]);
        struct gemm part = *gemm;
        part.w = &matrix;
        gemm_columns(kernels, &part, begin, end, scratch);
    }
}

void gemm_columns(const struct kernels *kernels, const struct gemm *gemm, int64_t out_begin, int64_t out_end,
                  float *scratch) {
    if (out_begin == out_end) return;
    if (gemm->w->pieces) {
        piece_columns(kernels, gemm, out_begin, out_end, scratch);
        return;
    }
    if (gemm->w->panels) {
        panel_columns(kernels, gemm, out_begin, out_end);
        return;
    }
    struct weights weights = weights_of(kernels, gemm->w);
    enum dtype dtype = gemm->w->dtype;
    bool few = gemm->rows <= DOT_ROWS_MOST || kernels->dot_rows_any[dtype];
    if (few && kernels->dot_rows[dtype] && scales_fit(gemm->w))
        plain_rows(&weights, gemm, out_begin, out_end, scratch);
    else if (gemm->rows == 1 && kernels->dot_blocks[dtype])
        one_row(&weights, gemm, out_begin, out_end);
    else
        many_rows(&weights, gemm, out_begin, out_end, scratch);
    finish(gemm, out_begin, out_end);
}
