/* packed_identity.c - which checkpoint a cache file was made of, and what the file is called. Reads file attributes
 * only. The attributes are those of the mapped files, whatever their paths name by now. */
#include "model/packed_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { NAME_BYTES = 80 };

static char *resolved(const char *path) {
    char *real = realpath(path, NULL);
    return real ? real : strdup(path);
}

static enum status no_memory(const struct checkpoint *checkpoint) {
    return fail(STATUS_MEMORY, "%s: out of memory", checkpoint->path);
}

static void add_number(XXH3_state_t *state, int64_t number) {
    XXH3_128bits_update(state, &number, sizeof number);
}

static enum status add_file(XXH3_state_t *state, const struct checkpoint *checkpoint,
                            const struct file_map *map) {
    struct stat about;
    TRY(file_map_stat(map, &about));
    char *path = resolved(map->path);
    if (!path) return no_memory(checkpoint);
    XXH3_128bits_update(state, path, strlen(path) + 1);
    free(path);
    add_number(state, about.st_size);
    add_number(state, about.st_mtim.tv_sec);
    add_number(state, about.st_mtim.tv_nsec);
    return STATUS_OK;
}

/* Where the numbers are: file and offset. Most tensors are in the same file as the one before. */
static void add_place(XXH3_state_t *state, const struct checkpoint *checkpoint, const void *data,
                      size_t *file) {
    const uint8_t *at = data;
    for (size_t i = 0; i < checkpoint->map_count; i++) {
        size_t f = (*file + i) % checkpoint->map_count;
        const struct file_map *map = &checkpoint->maps[f];
        if (at < map->data || at >= map->data + map->bytes) continue;
        *file = f;
        add_number(state, (int64_t)f);
        add_number(state, at - map->data);
        return;
    }
}

static void add_tensors(XXH3_state_t *state, const struct checkpoint *checkpoint) {
    size_t file = 0;
    for (size_t i = 0; i < checkpoint->tensors.count; i++) {
        const struct named_tensor *item = &checkpoint->tensors.item[i];
        XXH3_128bits_update(state, item->name, strlen(item->name) + 1);
        XXH3_128bits_update(state, dtype_traits(item->tensor.dtype)->name,
                            strlen(dtype_traits(item->tensor.dtype)->name) + 1);
        add_number(state, item->tensor.rank);
        for (int d = 0; d < item->tensor.rank; d++) add_number(state, item->tensor.shape[d]);
        add_place(state, checkpoint, item->tensor.data, &file);
    }
}

enum status packed_identity(const struct checkpoint *checkpoint, struct packed_identity *identity) {
    XXH3_state_t *state = XXH3_createState();
    if (!state) return no_memory(checkpoint);
    enum status status = STATUS_OK;
    XXH3_128bits_reset(state);
    for (size_t i = 0; i < checkpoint->map_count && status == STATUS_OK; i++)
        status = add_file(state, checkpoint, &checkpoint->maps[i]);
    add_tensors(state, checkpoint);
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    *identity = (struct packed_identity){{hash.low64, hash.high64}};
    XXH3_freeState(state);
    return status;
}

/* The last part of the path without its ending, in characters that every file system takes. */
static void plain_name(const char *path, char name[NAME_BYTES]) {
    const char *slash = strrchr(path, '/'), *from = slash ? slash + 1 : path;
    size_t bytes = strlen(from), used = 0;
    if (bytes > 5 && !strcmp(from + bytes - 5, ".gguf")) bytes -= 5;
    for (size_t i = 0; i < bytes && used + 1 < NAME_BYTES; i++) {
        char c = from[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '_';
        name[used] = '_';
        if (plain || (c == '.' && used)) name[used] = c;
        used++;
    }
    name[used] = 0;
}

enum status packed_path(const struct checkpoint *checkpoint, const char *directory, char **path) {
    char name[NAME_BYTES], *real = resolved(checkpoint->path);
    if (!real) return no_memory(checkpoint);
    plain_name(real, name);
    unsigned long long hash = XXH3_64bits(real, strlen(real));
    free(real);
    if (asprintf(path, "%s/%s-%016llx.hadal", directory, name, hash) >= 0) return STATUS_OK;
    *path = NULL;
    return no_memory(checkpoint);
}
