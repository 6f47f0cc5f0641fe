/* tensor_file.h - what both tensor containers yield: a list of named views into mapped files. */
#ifndef HADAL_FORMAT_TENSOR_FILE_H
#define HADAL_FORMAT_TENSOR_FILE_H

#include "base/file_map.h"
#include "base/status.h"
#include "tensor/tensor.h"

#include <stdbool.h>
#include <stddef.h>

struct named_tensor {
    const char *name;
    const char *path;     /* of the file that holds it, for sentences */
    struct tensor tensor; /* shape outermost first, also for GGUF */
};

/* Sorted by name after tensor_list_sort(); duplicate names are refused there. */
struct tensor_list {
    struct named_tensor *item;
    size_t count, capacity;
};

enum { TENSOR_NAME_BYTES = 255 }; /* longest name that a reader accepts */

must_use enum status tensor_list_append(struct tensor_list *list, const struct named_tensor *item);
must_use enum status tensor_list_sort(struct tensor_list *list);
const struct named_tensor *tensor_list_find(const struct tensor_list *list,
                                            const char *name); /* NULL: none */
void tensor_list_free(struct tensor_list *list);

/* For readers and writers. Bytes of a tensor; false when a dimension is not positive, the row is no whole
 * number of blocks, or the product overflows. Rank 0 is one number. */
bool shape_bytes(enum dtype dtype, int rank, const int64_t *shape, int64_t *bytes);
/* Refuses two tensors with a byte in common among the items from `first` on, which share one file. */
must_use enum status tensor_list_check_overlap(const struct tensor_list *list, size_t first);
/* Refuses the small text file that a clone without Git LFS leaves in place of a large one. */
must_use enum status refuse_lfs_pointer(const struct file_map *map);

#endif
