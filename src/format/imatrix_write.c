/* imatrix_write.c - importance matrices as GGUF: tensors NAME.in_sum2 and NAME.counts, and the keys that readers ask for. */
#include "format/gguf.h"
#include "format/imatrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 96 };

static enum status declare(struct gguf_writer *writer, const struct imatrix_sums *sums) {
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s.in_sum2", sums->name);
    TRY(gguf_writer_declare(writer, name, DTYPE_F32, 2, (int64_t[]){sums->matrices, sums->columns}));
    snprintf(name, sizeof name, "%s.counts", sums->name);
    return gguf_writer_declare(writer, name, DTYPE_F32, 2, (int64_t[]){sums->count_values, 1});
}

static enum status append(struct gguf_writer *writer, const struct imatrix_sums *sums) {
    int64_t values = sums->matrices * sums->columns;
    float *floats = malloc((size_t)(values + sums->count_values) * sizeof *floats);
    if (!floats) return fail(STATUS_MEMORY, "no memory for %lld importances", (long long)values);
    for (int64_t i = 0; i < values; i++) floats[i] = (float)sums->sum[i];
    for (int64_t i = 0; i < sums->count_values; i++) floats[values + i] = (float)sums->counts[i];
    enum status status = gguf_writer_append(writer, floats, (size_t)values * sizeof *floats);
    if (status == STATUS_OK)
        status = gguf_writer_append(writer, floats + values, (size_t)sums->count_values * sizeof *floats);
    free(floats);
    return status;
}

static enum status write_all(struct gguf_writer *writer, const struct imatrix_origin *origin,
                             const struct imatrix_sums *sums, size_t count) {
    struct gguf_text text = {origin->text, strlen(origin->text)};
    gguf_writer_text(writer, "general.type", "imatrix");
    gguf_writer_texts(writer, "imatrix.datasets", &text, 1);
    gguf_writer_u32(writer, "imatrix.chunk_count", origin->windows);
    gguf_writer_u32(writer, "imatrix.chunk_size", origin->window);
    for (size_t i = 0; i < count; i++) TRY(declare(writer, &sums[i]));
    for (size_t i = 0; i < count; i++) TRY(append(writer, &sums[i]));
    return gguf_writer_finish(writer);
}

enum status imatrix_write(const char *path, const struct imatrix_origin *origin,
                          const struct imatrix_sums *sums, size_t count) {
    struct gguf_writer *writer;
    TRY(gguf_writer_open(&writer, path));
    enum status status = write_all(writer, origin, sums, count);
    gguf_writer_close(writer);
    return status;
}
