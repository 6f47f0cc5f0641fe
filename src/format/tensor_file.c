/* tensor_file.c - the list of named views and the checks that both containers need. Names and paths
 * belong to the caller; a list is changed by one thread and read by all. */
#include "format/tensor_file.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

enum status tensor_list_append(struct tensor_list *list, const struct named_tensor *item) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64, bytes;
        struct named_tensor *grown = NULL;
        if (multiply_size_fits(capacity, sizeof *grown, &bytes)) grown = realloc(list->item, bytes);
        if (!grown)
            return fail(STATUS_MEMORY, "%s: out of memory after %zu tensors", item->path, list->count);
        list->item = grown;
        list->capacity = capacity;
    }
    list->item[list->count++] = *item;
    return STATUS_OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct named_tensor *)a)->name, ((const struct named_tensor *)b)->name);
}

enum status tensor_list_sort(struct tensor_list *list) {
    if (list->count > 1) qsort(list->item, list->count, sizeof *list->item, compare_names);
    for (size_t i = 1; i < list->count; i++) {
        const struct named_tensor *one = &list->item[i - 1], *other = &list->item[i];
        if (!compare_names(one, other))
            return fail(STATUS_FORMAT, "%s: tensor %s occurs twice, again in %s", one->path, one->name,
                        other->path);
    }
    return STATUS_OK;
}

const struct named_tensor *tensor_list_find(const struct tensor_list *list, const char *name) {
    struct named_tensor key = {.name = name};
    return list->count ? bsearch(&key, list->item, list->count, sizeof key, compare_names) : NULL;
}

void tensor_list_free(struct tensor_list *list) {
    free(list->item);
    *list = (struct tensor_list){0};
}

bool shape_bytes(enum dtype dtype, int rank, const int64_t *shape, int64_t *bytes) {
    if (!dtype_row_bytes(dtype, rank ? shape[rank - 1] : 1, bytes) || *bytes <= 0) return false;
    for (int i = 0; i < rank - 1; i++)
        if (shape[i] <= 0 || !multiply_fits(*bytes, shape[i], bytes)) return false;
    return true;
}

struct byte_range {
    uintptr_t begin, end;
    const struct named_tensor *item;
};

static int compare_ranges(const void *a, const void *b) {
    const struct byte_range *one = a, *other = b;
    return one->begin < other->begin ? -1 : one->begin > other->begin;
}

/* Sorted by address, only neighbours can overlap first. */
enum status tensor_list_check_overlap(const struct tensor_list *list, size_t first) {
    size_t count = list->count - first;
    if (count < 2) return STATUS_OK;
    struct byte_range *range = calloc(count, sizeof *range);
    if (!range)
        return fail(STATUS_MEMORY, "%s: out of memory for %zu tensors", list->item[first].path, count);
    for (size_t i = 0; i < count; i++) {
        const struct named_tensor *item = &list->item[first + i];
        int64_t bytes = 0;
        MUST(shape_bytes(item->tensor.dtype, item->tensor.rank, item->tensor.shape, &bytes));
        uintptr_t begin = (uintptr_t)item->tensor.data;
        range[i] = (struct byte_range){begin, begin + (uintptr_t)bytes, item};
    }
    qsort(range, count, sizeof *range, compare_ranges);
    enum status status = STATUS_OK;
    for (size_t i = 1; i < count && status == STATUS_OK; i++)
        if (range[i].begin < range[i - 1].end)
            status = fail(STATUS_FORMAT, "%s: tensors %s and %s overlap", range[i].item->path,
                          range[i - 1].item->name, range[i].item->name);
    free(range);
    return status;
}

enum status refuse_lfs_pointer(const struct file_map *map) {
    static const char start[] = "version https://git-lfs";
    if (map->bytes < (int64_t)sizeof start || memcmp(map->data, start, sizeof start - 1)) return STATUS_OK;
    return fail(STATUS_FORMAT,
                "%s: is a Git LFS pointer, not the file itself; fetch it with \"git lfs pull\"", map->path);
}
