/* tensor_file.h - what both tensor containers yield: a list of named views into mapped files. */
#ifndef HADAL_FORMAT_TENSOR_FILE_H
#define HADAL_FORMAT_TENSOR_FILE_H

#include "base/status.h"
#include "tensor/tensor.h"

#include <stddef.h>

struct named_tensor {
    const char *name;
    const char *path;       /* of the file that holds it, for sentences */
    struct tensor tensor;   /* shape outermost first, also for GGUF */
};

/* Sorted by name after tensor_list_sort(); duplicate names are refused there. */
struct tensor_list {
    struct named_tensor *item;
    size_t count, capacity;
};

must_use enum status tensor_list_append(struct tensor_list *list, const struct named_tensor *item);
must_use enum status tensor_list_sort(struct tensor_list *list);
const struct named_tensor *tensor_list_find(const struct tensor_list *list, const char *name); /* NULL: none */
void tensor_list_free(struct tensor_list *list);

#endif
