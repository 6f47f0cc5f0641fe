/* tensor.c - address arithmetic of tensor views, and whole rows as floats with scales applied. A view
 * that a reader has validated cannot overflow here. Pure functions, any thread. */
#include "tensor/tensor.h"
#include "base/bytes.h"
#include "base/status.h"

int64_t tensor_elements(const struct tensor *tensor) {
    int64_t elements = 1;
    for (int i = 0; i < tensor->rank; i++) elements *= tensor->shape[i];
    return elements;
}

int64_t tensor_bytes(const struct tensor *tensor) {
    int64_t bytes;
    MUST(dtype_row_bytes(tensor->dtype, tensor_elements(tensor), &bytes));
    return bytes;
}

static const void *advance(const void *data, enum dtype dtype, int64_t elements) {
    int64_t bytes;
    MUST(dtype_row_bytes(dtype, elements, &bytes));
    return (const uint8_t *)data + bytes;
}

/* Scales along one dimension of `extent`; a block of 0 means that one scale covers it all. */
static int64_t scales_along(int64_t extent, uint16_t block) {
    return block ? divide_up(extent, block) : 1;
}

struct tensor tensor_matrix(const struct tensor *tensor, int64_t index) {
    if (tensor->rank == 2 && index == 0) return *tensor;
    MUST(tensor->rank == 3 && index >= 0 && index < tensor->shape[0]);
    struct tensor matrix = *tensor;
    int64_t out = tensor->shape[1], in = tensor->shape[2];
    matrix.rank = 2;
    matrix.shape[0] = out;
    matrix.shape[1] = in;
    matrix.shape[2] = 0;
    matrix.panels = NULL;
    matrix.data = advance(tensor->data, tensor->dtype, index * out * in);
    if (tensor->scale) {
        int64_t scales = scales_along(out, tensor->block[0]) * scales_along(in, tensor->block[1]);
        matrix.scale = advance(tensor->scale, tensor->scale_dtype, index * scales);
    }
    return matrix;
}

struct tensor tensor_flat(const struct tensor *tensor) {
    struct tensor flat = *tensor;
    if (tensor->rank == 2) return flat;
    MUST(tensor->rank == 3 && !tensor->scale);
    flat.rank = 2;
    flat.shape[0] = tensor->shape[0] * tensor->shape[1];
    flat.shape[1] = tensor->shape[2];
    flat.shape[2] = 0;
    return flat;
}

struct tensor tensor_rows(const struct tensor *tensor, int64_t begin, int64_t rows) {
    MUST(tensor->rank == 2 && begin >= 0 && rows >= 0 && rows <= tensor->shape[0] - begin);
    struct tensor part = *tensor;
    part.shape[0] = rows;
    part.data = advance(tensor->data, tensor->dtype, begin * tensor->shape[1]);
    if (tensor->scale && begin > 0) {
        MUST(tensor->block[0] != 0 && begin % tensor->block[0] == 0);
        int64_t scales = begin / tensor->block[0] * scales_along(tensor->shape[1], tensor->block[1]);
        part.scale = advance(tensor->scale, tensor->scale_dtype, scales);
    }
    return part;
}

float tensor_scale(const struct tensor *tensor, int64_t row, int64_t column) {
    if (!tensor->scale) return 1.0f;
    int64_t in = tensor->shape[tensor->rank - 1];
    int64_t block_row = tensor->block[0] ? row / tensor->block[0] : 0;
    int64_t block_column = tensor->block[1] ? column / tensor->block[1] : 0;
    int64_t index = block_row * scales_along(in, tensor->block[1]) + block_column;
    float scale;
    dtype_traits(tensor->scale_dtype)->decode(advance(tensor->scale, tensor->scale_dtype, index), &scale, 1);
    return scale;
}

const void *tensor_row_data(const struct tensor *tensor, int64_t row) {
    MUST((tensor->rank == 2 && row >= 0 && row < tensor->shape[0]) || (tensor->rank == 1 && row == 0));
    return advance(tensor->data, tensor->dtype, row * tensor->shape[tensor->rank - 1]);
}

void tensor_decode_row(const struct tensor *tensor, int64_t row, float *values) {
    int64_t in = tensor->shape[tensor->rank - 1];
    dtype_traits(tensor->dtype)->decode(tensor_row_data(tensor, row), values, in);
    if (!tensor->scale) return;
    int64_t step = tensor->block[1] ? tensor->block[1] : in;
    for (int64_t begin = 0; begin < in; begin += step) {
        float scale = tensor_scale(tensor, row, begin);
        for (int64_t i = begin; i < min_i64(begin + step, in); i++) values[i] *= scale;
    }
}
