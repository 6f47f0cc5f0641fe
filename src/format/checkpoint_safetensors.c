/* checkpoint_safetensors.c - the weights of a Hugging Face directory: one file, or the shards of an
 * index that must agree with them tensor by tensor. */
#include "format/checkpoint_load.h"
#include "format/safetensors.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INDEX_LIMIT = 64 << 20, SHARD_LIMIT = 1000, SHARD_NAME_BYTES = 255 };

static enum status no_memory(const struct checkpoint *checkpoint) {
    return fail(STATUS_MEMORY, "%s: out of memory for the list of files", checkpoint->path);
}

static enum status open_shard(struct checkpoint *checkpoint, const char *path) {
    struct file_map *map = &checkpoint->maps[checkpoint->map_count];
    TRY(file_map_open(map, path));
    checkpoint->map_count++;
    return safetensors_parse(map, &checkpoint->arena, &checkpoint->tensors);
}

/* A name that could leave the directory is an attack or a mistake. */
static enum status check_shard_name(const char *index_path, const char *tensor, const json_t *value) {
    static const char suffix[] = ".safetensors";
    const char *name = json_string_value(value);
    if (!name) return fail(STATUS_FORMAT, "%s: weight_map entry %.100s must be a string", index_path, tensor);
    size_t bytes = strlen(name), tail = sizeof suffix - 1;
    if (bytes != json_string_length(value) || bytes > SHARD_NAME_BYTES || strpbrk(name, "/\\") ||
        strstr(name, "..") || bytes <= tail || strcmp(name + bytes - tail, suffix))
        return fail(STATUS_FORMAT,
                    "%s: weight_map entry %.100s names \"%.100s\", which is no file name of a shard",
                    index_path, tensor, name);
    return STATUS_OK;
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The different file names in the map, sorted; names stay in the JSON. */
static enum status list_shards(const char *index_path, json_t *weight_map, const char **names,
                               size_t *count) {
    const char *tensor;
    json_t *value;
    size_t all = 0;
    json_object_foreach(weight_map, tensor, value) {
        TRY(check_shard_name(index_path, tensor, value));
        names[all++] = json_string_value(value);
    }
    qsort(names, all, sizeof *names, compare_texts);
    *count = 0;
    for (size_t i = 0; i < all; i++)
        if (!*count || strcmp(names[*count - 1], names[i])) names[(*count)++] = names[i];
    if (*count > SHARD_LIMIT)
        return fail(STATUS_LIMIT, "%s: names %zu files, at most %d are allowed", index_path, *count,
                    SHARD_LIMIT);
    return STATUS_OK;
}

static enum status open_shards(struct checkpoint *checkpoint, const char *index_path,
                               const char *const *names, size_t count) {
    checkpoint->maps = calloc(count, sizeof *checkpoint->maps);
    if (!checkpoint->maps) return no_memory(checkpoint);
    for (size_t i = 0; i < count; i++) {
        char *path = checkpoint_join(&checkpoint->arena, checkpoint->path, names[i]);
        if (!path) return no_memory(checkpoint);
        enum status status = open_shard(checkpoint, path);
        if (status == STATUS_NOT_FOUND)
            return fail_within(status, "%s lists a shard that is missing", index_path);
        TRY(status);
    }
    return STATUS_OK;
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static enum status check_index(const struct checkpoint *checkpoint, const char *index_path,
                               json_t *weight_map) {
    const struct tensor_list *tensors = &checkpoint->tensors;
    for (size_t i = 0; i < tensors->count; i++) {
        const struct named_tensor *item = &tensors->item[i];
        const char *listed = json_string_value(json_object_get(weight_map, item->name));
        if (!listed)
            return fail(STATUS_FORMAT, "%s: does not list tensor %s of %s", index_path, item->name,
                        file_name(item->path));
        if (strcmp(listed, file_name(item->path)))
            return fail(STATUS_FORMAT, "%s: places tensor %s in %s, but it is in %s", index_path, item->name,
                        listed, file_name(item->path));
    }
    const char *name;
    json_t *value;
    json_object_foreach(weight_map, name, value) {
        if (!tensor_list_find(tensors, name))
            return fail(STATUS_FORMAT, "%s: places tensor %.200s in %s, which does not have it", index_path,
                        name, json_string_value(value));
    }
    return STATUS_OK;
}

static enum status load_listed(struct checkpoint *checkpoint, const char *index_path, json_t *weight_map) {
    size_t count, entries = json_object_size(weight_map);
    if (!entries)
        return fail(STATUS_FORMAT, "%s: field \"weight_map\" must be an object with entries", index_path);
    const char **names = calloc(entries, sizeof *names);
    if (!names) return no_memory(checkpoint);
    enum status status = list_shards(index_path, weight_map, names, &count);
    if (status == STATUS_OK) status = open_shards(checkpoint, index_path, names, count);
    free(names);
    TRY(status);
    TRY(tensor_list_sort(&checkpoint->tensors));
    return check_index(checkpoint, index_path, weight_map);
}

static enum status load_index(struct checkpoint *checkpoint, const char *index_path) {
    json_t *index;
    enum status status = checkpoint_read_object(index_path, INDEX_LIMIT, &index);
    if (status == STATUS_NOT_FOUND)
        return fail(STATUS_NOT_FOUND, "%s: has neither model.safetensors nor model.safetensors.index.json",
                    checkpoint->path);
    TRY(status);
    status = load_listed(checkpoint, index_path, json_object_get(index, "weight_map"));
    json_decref(index);
    return status;
}

enum status checkpoint_load_safetensors(struct checkpoint *checkpoint) {
    char *single = checkpoint_join(&checkpoint->arena, checkpoint->path, "model.safetensors");
    char *index = checkpoint_join(&checkpoint->arena, checkpoint->path, "model.safetensors.index.json");
    if (!single || !index) return no_memory(checkpoint);
    if (access(single, F_OK)) return load_index(checkpoint, index);
    checkpoint->maps = calloc(1, sizeof *checkpoint->maps);
    if (!checkpoint->maps) return no_memory(checkpoint);
    TRY(open_shard(checkpoint, single));
    return tensor_list_sort(&checkpoint->tensors);
}
