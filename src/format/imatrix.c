/* imatrix.c - reads both formats into one form: means and counts. Everything is checked, since a NaN among the weights
 * would make every scale one. */
#include "format/imatrix.h"

#include "base/bytes.h"
#include "format/gguf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MOST = 1 << 20, NAME_MOST = 1024 };

static const char sums_suffix[] = ".in_sum2", counts_suffix[] = ".counts";

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct imatrix_entry *)a)->name, ((const struct imatrix_entry *)b)->name);
}

static enum status take_floats(struct arena *arena, int64_t count, float **floats) {
    *floats = arena_take(arena, (size_t)count * sizeof **floats); /* no more than the file's own bytes */
    return *floats ? STATUS_OK : fail(STATUS_MEMORY, "no memory for %lld importances", (long long)count);
}

/* ---- GGUF ---- */

static bool ends_with(const char *name, const char *suffix) {
    size_t bytes = strlen(name), tail = strlen(suffix);
    return bytes > tail && !strcmp(name + bytes - tail, suffix);
}

static enum status check_tensor(const char *path, const struct named_tensor *named) {
    const struct tensor *tensor = &named->tensor;
    if (tensor->dtype != DTYPE_F32)
        return fail(STATUS_FORMAT, "%s: %.100s must be f32, found %s", path, named->name,
                    dtype_traits(tensor->dtype)->name);
    for (int64_t i = 0; i < tensor_elements(tensor); i++) {
        float value = read_f32((const uint8_t *)tensor->data + 4 * i);
        if (!(value >= 0) || !isfinite(value))
            return fail(STATUS_FORMAT,
                        "%s: value %lld of %.100s is %g: sums of squares and counts are not less than 0",
                        path, (long long)i, named->name, (double)value);
    }
    return STATUS_OK;
}

static enum status read_pair(struct imatrix *imatrix, const char *path, const struct named_tensor *sums,
                             const struct named_tensor *counts) {
    struct imatrix_entry *entry = &imatrix->entry[imatrix->entries];
    float *mean, *count;
    TRY(check_tensor(path, sums));
    TRY(check_tensor(path, counts));
    entry->values = tensor_elements(&sums->tensor);
    entry->count_values = tensor_elements(&counts->tensor);
    if (entry->values < 1 || entry->count_values < 1 || entry->values % entry->count_values)
        return fail(STATUS_FORMAT, "%s: %.100s has %lld values for %lld counts", path, sums->name,
                    (long long)entry->values, (long long)entry->count_values);
    TRY(take_floats(&imatrix->arena, entry->values, &mean));
    TRY(take_floats(&imatrix->arena, entry->count_values, &count));
    memcpy(count, counts->tensor.data, (size_t)entry->count_values * sizeof *count);
    int64_t each = entry->values / entry->count_values;
    for (int64_t i = 0; i < entry->values; i++) {
        float rows = count[i / each];
        mean[i] = rows > 0 ? read_f32((const uint8_t *)sums->tensor.data + 4 * i) / rows : 1;
    }
    entry->name = arena_copy(&imatrix->arena, sums->name, strlen(sums->name) - strlen(sums_suffix));
    if (!entry->name) return fail(STATUS_MEMORY, "no memory for a name");
    entry->mean = mean;
    entry->counts = count;
    imatrix->entries++;
    return STATUS_OK;
}

static enum status read_list(struct imatrix *imatrix, const char *path, struct tensor_list *list) {
    char name[NAME_MOST];
    TRY(tensor_list_sort(list));
    imatrix->entry = arena_take(&imatrix->arena, (list->count + 1) * sizeof *imatrix->entry);
    if (!imatrix->entry) return fail(STATUS_MEMORY, "no memory for %zu tensors", list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct named_tensor *named = &list->item[i];
        if (!ends_with(named->name, sums_suffix)) continue;
        snprintf(name, sizeof name, "%.*s%s", (int)(strlen(named->name) - strlen(sums_suffix)), named->name,
                 counts_suffix);
        const struct named_tensor *counts = tensor_list_find(list, name);
        if (!counts) return fail(STATUS_FORMAT, "%s: %.100s has no counts beside it", path, named->name);
        TRY(read_pair(imatrix, path, named, counts));
    }
    return STATUS_OK;
}

static enum status parse_gguf(struct imatrix *imatrix, const struct file_map *map) {
    struct gguf gguf = {0};
    struct arena arena = {0};
    struct tensor_list list = {0};
    enum status status = gguf_parse(map, &arena, &gguf, &list);
    if (status == STATUS_OK) status = read_list(imatrix, map->path, &list);
    tensor_list_free(&list);
    arena_free(&arena);
    return status;
}

/* ---- the older format: entries of name, calls and sums, then optionally calls and the text's name ---- */

struct cursor {
    const struct file_map *map;
    int64_t at;
};

static enum status read_count(struct cursor *cursor, const char *what, int64_t low, int64_t high,
                              int64_t *value) {
    if (cursor->map->bytes - cursor->at < 4)
        return fail(STATUS_FORMAT, "%s: ends inside %s", cursor->map->path, what);
    *value = (int32_t)read_u32(cursor->map->data + cursor->at);
    cursor->at += 4;
    if (*value >= low && *value <= high) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: %s is %lld, which is no importance matrix", cursor->map->path, what,
                (long long)*value);
}

static enum status read_entry(struct imatrix *imatrix, struct cursor *cursor, struct imatrix_entry *entry) {
    const struct file_map *map = cursor->map;
    int64_t name_bytes, calls;
    float *mean, *count;
    TRY(read_count(cursor, "the length of a name", 1, NAME_MOST - 1, &name_bytes));
    if (map->bytes - cursor->at < name_bytes) return fail(STATUS_FORMAT, "%s: ends inside a name", map->path);
    entry->name = arena_copy(&imatrix->arena, (const char *)map->data + cursor->at, (size_t)name_bytes);
    if (!entry->name) return fail(STATUS_MEMORY, "no memory for a name");
    cursor->at += name_bytes;
    TRY(read_count(cursor, "a number of calls", 0, INT32_MAX, &calls));
    TRY(read_count(cursor, "a number of values", 1, INT32_MAX, &entry->values));
    if ((map->bytes - cursor->at) / 4 < entry->values)
        return fail(STATUS_FORMAT, "%s: ends inside the values of %.100s", map->path, entry->name);
    TRY(take_floats(&imatrix->arena, entry->values, &mean));
    TRY(take_floats(&imatrix->arena, 1, &count));
    for (int64_t i = 0; i < entry->values; i++) {
        mean[i] = read_f32(map->data + cursor->at + 4 * i) / (float)(calls ? calls : 1);
        if (!(mean[i] >= 0) || !isfinite(mean[i]))
            return fail(STATUS_FORMAT, "%s: value %lld of %.100s is %g: sums of squares are not less than 0",
                        map->path, (long long)i, entry->name, (double)mean[i]);
    }
    cursor->at += 4 * entry->values;
    *count = (float)(calls ? calls : 1); /* of chunks: all that this format tells */
    entry->mean = mean;
    entry->counts = count;
    entry->count_values = 1;
    return STATUS_OK;
}

static enum status parse_binary(struct imatrix *imatrix, const struct file_map *map) {
    struct cursor cursor = {map, 0};
    int64_t entries;
    TRY(read_count(&cursor, "its number of entries", 1, ENTRIES_MOST, &entries));
    if (entries > map->bytes / 17) /* the least that an entry takes */
        return fail(STATUS_FORMAT, "%s: %lld entries do not fit in its %lld bytes", map->path,
                    (long long)entries, (long long)map->bytes);
    imatrix->entry = arena_take(&imatrix->arena, (size_t)entries * sizeof *imatrix->entry);
    if (!imatrix->entry) return fail(STATUS_MEMORY, "no memory for %lld entries", (long long)entries);
    while ((int64_t)imatrix->entries < entries) {
        TRY(read_entry(imatrix, &cursor, &imatrix->entry[imatrix->entries]));
        imatrix->entries++;
    }
    return STATUS_OK;
}

/* ---- both ---- */

static enum status check_names(const struct imatrix *imatrix, const char *path) {
    if (!imatrix->entries) return fail(STATUS_FORMAT, "%s: holds no importance matrix", path);
    for (size_t i = 1; i < imatrix->entries; i++)
        if (!strcmp(imatrix->entry[i - 1].name, imatrix->entry[i].name))
            return fail(STATUS_FORMAT, "%s: %.100s is there twice", path, imatrix->entry[i].name);
    return STATUS_OK;
}

enum status imatrix_parse(struct imatrix *imatrix, const struct file_map *map) {
    *imatrix = (struct imatrix){0};
    bool gguf = map->bytes >= 4 && !memcmp(map->data, "GGUF", 4);
    enum status status = gguf ? parse_gguf(imatrix, map) : parse_binary(imatrix, map);
    if (status == STATUS_OK && imatrix->entries)
        qsort(imatrix->entry, imatrix->entries, sizeof *imatrix->entry, by_name);
    if (status == STATUS_OK) status = check_names(imatrix, map->path);
    if (status != STATUS_OK) imatrix_close(imatrix);
    return status;
}

enum status imatrix_open(struct imatrix *imatrix, const char *path) {
    struct file_map map;
    *imatrix = (struct imatrix){0};
    TRY(file_map_open(&map, path));
    enum status status = imatrix_parse(imatrix, &map);
    if (status == STATUS_OK) status = file_map_check(&map);
    if (status != STATUS_OK) imatrix_close(imatrix);
    file_map_close(&map);
    return status;
}

void imatrix_close(struct imatrix *imatrix) {
    arena_free(&imatrix->arena);
    *imatrix = (struct imatrix){0};
}

const struct imatrix_entry *imatrix_find(const struct imatrix *imatrix, const char *name) {
    struct imatrix_entry wanted = {.name = name};
    if (!imatrix->entries) return NULL;
    return bsearch(&wanted, imatrix->entry, imatrix->entries, sizeof *imatrix->entry, by_name);
}

enum status imatrix_columns(const struct imatrix_entry *entry, int64_t matrices, int64_t matrix,
                            int64_t columns, const float **mean) {
    bool counted_each = entry->count_values == matrices;
    if (entry->values != matrices * columns || (entry->count_values != 1 && !counted_each))
        return fail(STATUS_FORMAT, "the importance matrix of %.100s has %lld values, expected %lld x %lld",
                    entry->name, (long long)entry->values, (long long)matrices, (long long)columns);
    bool seen = entry->counts[counted_each ? matrix : 0] > 0;
    *mean = seen ? entry->mean + matrix * columns : NULL;
    return STATUS_OK;
}
