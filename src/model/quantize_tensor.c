/* quantize_tensor.c - rows decoded, encoded and measured by all threads. Each worker has its own rows of
 * floats and its own sums, which are added up behind every tensor. */
#include "model/quantize_plan.h"

#include "base/bytes.h"
#include "model/weight_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct worker {
    float *values, *decoded; /* [most_values], [most_columns] */
    double error, reference;
    int64_t copied;
};

struct quantize_workers {
    const struct quantize_plan *plan;
    const struct quantize_item *item; /* the one at work */
    int count;
    struct worker worker[];
};

/* Floats at once: a row, or of a transposed item the rows of a chunk and one row of its source. */
static int64_t values_of(const struct quantize_plan *plan, const struct quantize_item *item) {
    if (!quantize_is_transposed(plan, item)) return item->columns;
    return item->chunk_rows * item->columns + plan->desc.kv_rank;
}

enum status quantize_workers_open(struct quantize_workers **workers, const struct quantize_plan *plan,
                                  int count) {
    int64_t values = 1, columns = 1;
    for (size_t i = 0; i < plan->items; i++) {
        values = max_i64(values, values_of(plan, &plan->item[i]));
        columns = max_i64(columns, plan->item[i].columns);
    }
    struct quantize_workers *made = calloc(1, sizeof *made + (size_t)count * sizeof *made->worker);
    *workers = made;
    if (!made) return fail(STATUS_MEMORY, "no memory for %d threads", count);
    made->plan = plan;
    made->count = count;
    for (int i = 0; i < count; i++) {
        struct worker *worker = &made->worker[i];
        worker->values = calloc((size_t)values, sizeof *worker->values);
        worker->decoded = calloc((size_t)columns, sizeof *worker->decoded);
        if (!worker->values || !worker->decoded)
            return fail(STATUS_MEMORY, "no memory for rows of %lld values", (long long)columns);
    }
    return STATUS_OK;
}

void quantize_workers_close(struct quantize_workers *workers) {
    for (int i = 0; workers && i < workers->count; i++) {
        free(workers->worker[i].values);
        free(workers->worker[i].decoded);
    }
    free(workers);
}

/* ---- rows ---- */

/* In double: the square of a large float is no float. */
static void measure(struct worker *worker, const float *values, int64_t columns) {
    double error = 0, reference = 0;
    for (int64_t i = 0; i < columns; i++) {
        double difference = (double)values[i] - worker->decoded[i];
        error += difference * difference;
        reference += (double)values[i] * values[i];
    }
    worker->error += error;
    worker->reference += reference;
}

/* How much the columns of row `row` count; NULL: all alike. */
static const float *importance_of(const struct quantize_item *item, int64_t row) {
    const float *mean = NULL;
    int64_t matrix = row / item->matrix_rows;
    if (item->importance)
        MUST(imatrix_columns(item->importance, item->rows / item->matrix_rows, matrix, item->columns,
                             &mean) == STATUS_OK);
    return mean;
}

static void encode_row(const struct quantize_item *item, struct worker *worker, int64_t row,
                       const float *values, uint8_t *data) {
    const struct dtype_traits *traits = dtype_traits(item->dtype);
    if (traits->fit)
        traits->fit(values, importance_of(item, row), data, item->columns);
    else
        traits->encode(values, data, item->columns);
    traits->decode(data, worker->decoded, item->columns);
    measure(worker, values, item->columns);
}

static void make_bias(const struct quantize_workers *workers, struct worker *worker, const float *source,
                      uint8_t *data) {
    const struct quantize_item *item = workers->item;
    for (int64_t i = 0; i < item->columns; i++)
        worker->values[i] = source[quantize_interleaved(workers->plan, i)];
    encode_row(item, worker, 0, worker->values, data);
}

static void make_row(const struct quantize_workers *workers, struct worker *worker, int64_t row,
                     uint8_t *data) {
    const struct quantize_item *item = workers->item;
    int64_t source_row;
    struct tensor source = quantize_source_row(workers->plan, item, row, &source_row);
    if (workers->plan->interleaves && (item->weight == WEIGHT_Q_BIAS || item->weight == WEIGHT_K_BIAS)) {
        make_bias(workers, worker, source.data, data);
        return;
    }
    if (source.dtype == item->dtype && !source.scale) {
        memcpy(data, tensor_row_data(&source, source_row), (size_t)item->row_bytes);
        worker->copied += item->columns;
        return;
    }
    tensor_decode_row(&source, source_row, worker->values);
    encode_row(item, worker, row, worker->values, data);
}

/* Rows [first, last) of one head of k_b: columns of that head's key rows in kv_b. */
static void make_columns(const struct quantize_workers *workers, struct worker *worker, int64_t first,
                         int64_t last, uint8_t *data) {
    const struct quantize_item *item = workers->item;
    const struct model_desc *desc = &workers->plan->desc;
    const struct tensor *source = weights_matrix(&workers->plan->weights, WEIGHT_KV_B, item->layer, 0);
    int64_t head = first / desc->kv_rank, begin = first % desc->kv_rank, rows = last - first;
    float *source_row = worker->values + rows * item->columns;
    for (int64_t key = 0; key < desc->nope_dim; key++) {
        tensor_decode_row(source, head * ((int64_t)desc->nope_dim + desc->value_dim) + key, source_row);
        for (int64_t r = 0; r < rows; r++) worker->values[r * item->columns + key] = source_row[begin + r];
    }
    for (int64_t r = 0; r < rows; r++)
        encode_row(item, worker, first + r, worker->values + r * item->columns, data + r * item->row_bytes);
}

static void make_chunk(void *context, int worker_index, int64_t chunk, uint8_t *data) {
    struct quantize_workers *workers = context;
    const struct quantize_item *item = workers->item;
    struct worker *worker = &workers->worker[worker_index];
    int64_t first = chunk * item->chunk_rows, last = min_i64(item->rows, first + item->chunk_rows);
    bool transposed = quantize_is_transposed(workers->plan, item);
    for (int64_t row = first, end; row < last; row = end) {
        uint8_t *at = data + (row - first) * item->row_bytes;
        end = transposed ? min_i64(last, round_up(row + 1, item->matrix_rows)) : row + 1;
        if (transposed)
            make_columns(workers, worker, row, end, at);
        else
            make_row(workers, worker, row, at);
    }
}

/* ---- tensors ---- */

static void gather(struct quantize_workers *workers, const struct quantize_item *item,
                   struct quantize_count *count) {
    *count =
        (struct quantize_count){.tensors = 1, .elements = item->rows * item->columns, .bytes = item->bytes};
    for (int i = 0; i < workers->count; i++) {
        struct worker *worker = &workers->worker[i];
        count->error += worker->error;
        count->reference += worker->reference;
        count->copied += worker->copied;
        worker->error = worker->reference = 0;
        worker->copied = 0;
    }
}

enum status quantize_item_write(struct quantize_workers *workers, const struct quantize_item *item,
                                struct weight_stream *stream, struct quantize_count *count) {
    const char *source = workers->plan->options->source;
    struct weight_chunks chunks = {.make = make_chunk,
                                   .context = workers,
                                   .chunks = divide_up(item->rows, item->chunk_rows),
                                   .chunk_bytes = (size_t)(item->chunk_rows * item->row_bytes),
                                   .bytes = item->bytes};
    workers->item = item;
    TRY(weight_stream_write(stream, &chunks));
    gather(workers, item, count);
    TRY(checkpoint_check(&workers->plan->checkpoint));
    if (!isfinite(count->reference))
        return fail(STATUS_FORMAT, "%s: %s has values that are not finite", source, item->name);
    if (!isfinite(count->error))
        return fail(STATUS_FORMAT, "%s: %s has values that %s cannot hold", source, item->name,
                    dtype_traits(item->dtype)->name);
    return STATUS_OK;
}
