/* imatrix.h - importance matrices: for each column of a weight matrix, how large the activations were that it was
 * multiplied by, as the mean of their squares over a text. Quantisers weigh errors with it.
 *
 * Two formats are read: GGUF with the tensors NAME.in_sum2 [matrices, columns] and NAME.counts, and the older binary one
 * (.dat). GGUF is written. Names are those of GGUF weights. Immutable once read; any thread. */
#ifndef HADAL_FORMAT_IMATRIX_H
#define HADAL_FORMAT_IMATRIX_H

#include "base/arena.h"
#include "base/file_map.h"

#include <stdbool.h>

struct imatrix_entry {
    const char *name;  /* "blk.0.ffn_down.weight" */
    const float *mean; /* [values]; of a matrix without data all 1 */
    int64_t values;    /* matrices * columns; the file does not say which is which when there is one count */
    const float *counts; /* [count_values] rows that were seen; 1 for all matrices, or 1 for each */
    int64_t count_values;
};

struct imatrix {
    struct imatrix_entry *entry; /* sorted by name */
    size_t entries;
    struct arena arena;
};

must_use enum status imatrix_open(struct imatrix *imatrix, const char *path);
/* The bytes of `map`, which are not needed any more afterwards. */
must_use enum status imatrix_parse(struct imatrix *imatrix, const struct file_map *map);
void imatrix_close(struct imatrix *imatrix); /* zeroed allowed */

/* NULL: no such entry. */
const struct imatrix_entry *imatrix_find(const struct imatrix *imatrix, const char *name);
/* The weights of the columns of matrix `matrix` out of `matrices`; NULL where there is no data for it. STATUS_FORMAT when
 * the entry is of another shape. */
must_use enum status imatrix_columns(const struct imatrix_entry *entry, int64_t matrices, int64_t matrix,
                                     int64_t columns, const float **mean);

/* What is written of one weight. */
struct imatrix_sums {
    char name[64];
    int64_t matrices, columns;
    const double *sum;     /* [matrices, columns] of squares */
    const int64_t *counts; /* [count_values] */
    int64_t count_values;  /* 1, or matrices */
};
struct imatrix_origin {
    const char *text; /* the name of the text */
    uint32_t windows, window;
};
must_use enum status imatrix_write(const char *path, const struct imatrix_origin *origin,
                                   const struct imatrix_sums *sums, size_t count);

#endif
