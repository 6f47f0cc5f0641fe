/* tensor_walk.c - reads what a view promises, so that a sanitizer sees a wrong promise. */
#include "support/tensor_walk.h"

#include <string.h>

enum { ROW_MOST = 4096 };

static void check_view(const struct named_tensor *item, const struct file_map *map) {
    const struct tensor *tensor = &item->tensor;
    int64_t bytes = tensor_bytes(tensor), offset = (const uint8_t *)tensor->data - map->data;
    MUST(item->name && *item->name && !strcmp(item->path, map->path));
    MUST(tensor->rank <= TENSOR_MAX_RANK); /* 0: a single number */
    for (int i = 0; i < tensor->rank; i++) MUST(tensor->shape[i] >= 0);
    MUST(bytes >= 0 && tensor_elements(tensor) >= 0);
    if (bytes) MUST(offset >= 0 && offset <= map->bytes && bytes <= map->bytes - offset);
}

/* The first and last row of a matrix; blocks of every format are decoded from wherever they lie. */
static void decode_rows(const struct tensor *tensor) {
    static float row[ROW_MOST];
    int64_t width = tensor->rank ? tensor->shape[tensor->rank - 1] : 0;
    bool weight = dtype_traits(tensor->dtype)->decode != NULL;
    if (!weight || !tensor->rank || tensor->rank > 2 || width > ROW_MOST || !tensor_bytes(tensor)) return;
    tensor_decode_row(tensor, 0, row);
    if (tensor->rank == 2) tensor_decode_row(tensor, tensor->shape[0] - 1, row);
}

void tensor_walk(const struct tensor_list *list, const struct file_map *map) {
    for (size_t i = 0; i < list->count; i++) {
        check_view(&list->item[i], map);
        decode_rows(&list->item[i].tensor);
        MUST(tensor_list_find(list, list->item[i].name));
    }
}
