/* quantize_plan.h - the tensors of a converted file, and where the numbers of each come from. Owned by one
 * thread while it is made, then constant. */
#ifndef HADAL_MODEL_QUANTIZE_PLAN_H
#define HADAL_MODEL_QUANTIZE_PLAN_H

#include "format/imatrix.h"
#include "model/quantize.h"
#include "model/weights.h"

enum { QUANTIZE_NAME_BYTES = 160 };

struct quantize_item {
    enum weight weight;
    int layer;
    enum dtype dtype;
    int rank;
    int64_t shape[3];      /* in the file */
    int64_t rows, columns; /* of all its matrices together; a vector is one row */
    int64_t matrix_rows;   /* of one */
    int64_t row_bytes, bytes;
    int64_t chunk_rows;                     /* made at once by one thread */
    const struct imatrix_entry *importance; /* NULL: none */
    char name[QUANTIZE_NAME_BYTES];
};

struct quantize_plan {
    const struct quantize_options *options;
    struct checkpoint checkpoint;
    struct model_desc desc;
    struct weights weights;
    bool interleaves; /* q and k of a llama directory: their rows take GGUF's order */
    struct imatrix imatrix;
    float *rope; /* the computed rotary divisors; NULL: none */
    struct quantize_item *item;
    size_t items, capacity;
    int64_t bytes;
};

/* Opens the source. quantize_plan_close() also after a failure. */
must_use enum status quantize_plan_open(struct quantize_plan *plan, const struct quantize_options *options);
void quantize_plan_close(struct quantize_plan *plan); /* zeroed allowed */

/* Where row `row` of q and k, and value `row` of their biases, is in a plan that interleaves. */
int64_t quantize_interleaved(const struct quantize_plan *plan, int64_t row);
/* k_b out of a whole kv_b: its rows are columns there. */
bool quantize_is_transposed(const struct quantize_plan *plan, const struct quantize_item *item);
/* The tensor and the row in it that row `row` of the item is; not for transposed items. */
struct tensor quantize_source_row(const struct quantize_plan *plan, const struct quantize_item *item,
                                  int64_t row, int64_t *source_row);

/* quantize_tensor.c: makes and measures one item after the other. */
struct weight_stream;
struct quantize_workers;
must_use enum status quantize_workers_open(struct quantize_workers **workers,
                                           const struct quantize_plan *plan, int count);
void quantize_workers_close(struct quantize_workers *workers); /* NULL allowed */
must_use enum status quantize_item_write(struct quantize_workers *workers, const struct quantize_item *item,
                                         struct weight_stream *stream, struct quantize_count *count);

#endif
