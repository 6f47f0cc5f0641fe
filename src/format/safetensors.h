/* safetensors.h - the header of a *.safetensors file: names, types, shapes, byte ranges. */
#ifndef HADAL_FORMAT_SAFETENSORS_H
#define HADAL_FORMAT_SAFETENSORS_H

#include "base/arena.h"
#include "base/file_map.h"
#include "format/tensor_file.h"

/* Parses the header in `map` and appends its tensors to `list` (names in `arena`). Everything is
 * checked: header length, JSON, known dtype, shape product against byte range, ranges inside the file,
 * no overlap. Sentences name file and tensor. */
must_use enum status safetensors_parse(const struct file_map *map, struct arena *arena,
                                       struct tensor_list *list);

/* A writer: all tensors are declared first, then their bytes follow in the declared order. The file
 * appears under its name only when finish succeeds. */
struct safetensors_writer;
must_use enum status safetensors_writer_open(struct safetensors_writer **writer, const char *path);
must_use enum status safetensors_writer_declare(struct safetensors_writer *writer, const char *name,
                                                enum dtype dtype, int rank, const int64_t *shape);
must_use enum status safetensors_writer_append(struct safetensors_writer *writer, const void *data,
                                               size_t bytes);
must_use enum status
safetensors_writer_finish(struct safetensors_writer *writer);     /* checks that all bytes came; publishes */
void safetensors_writer_close(struct safetensors_writer *writer); /* always; removes the unfinished file */

#endif
