/* npy.h - float32 arrays in NumPy's .npy version 1, C order. */
#ifndef HADAL_FORMAT_NPY_H
#define HADAL_FORMAT_NPY_H

#include "base/status.h"

#include <stdint.h>

struct npy_writer;
/* Rows are appended one by one; the file is published by finish under its name. */
must_use enum status npy_writer_open(struct npy_writer **writer, const char *path, int64_t rows,
                                     int64_t columns);
must_use enum status npy_writer_append(struct npy_writer *writer, const float *row);
must_use enum status npy_writer_finish(struct npy_writer *writer);
void npy_writer_close(struct npy_writer *writer);

/* Reads a rank-2 float32 .npy; the caller frees *values. */
must_use enum status npy_read(const char *path, float **values, int64_t *rows, int64_t *columns);

#endif
