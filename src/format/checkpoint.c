/* checkpoint.c - telling the containers apart, the JSON files beside the weights, and ownership: every
 * path, map and name lives as long as the checkpoint. Opened and closed by one thread, then constant. */
#include "format/checkpoint.h"

#include "base/buffer.h"
#include "format/checkpoint_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { CONFIG_LIMIT = 1 << 20, TOKENIZER_CONFIG_LIMIT = 16 << 20 };

static const char expected[] = "expected a Hugging Face directory, a .gguf file or a config.json";

char *checkpoint_join(struct arena *arena, const char *directory, const char *name) {
    size_t stem = strlen(directory), tail = strlen(name);
    while (stem > 1 && directory[stem - 1] == '/') stem--;
    char *path = arena_take(arena, stem + 1 + tail + 1);
    if (!path) return NULL;
    memcpy(path, directory, stem);
    path[stem] = '/';
    memcpy(path + stem + 1, name, tail + 1);
    return path;
}

static enum status no_memory(const struct checkpoint *checkpoint) {
    return fail(STATUS_MEMORY, "%s: out of memory", checkpoint->path);
}

enum status checkpoint_read_object(const char *path, size_t limit_bytes, json_t **root) {
    TRY(file_check_regular(path));
    TRY(json_read_file(path, limit_bytes, root));
    if (json_is_object(*root)) return STATUS_OK;
    json_decref(*root);
    *root = NULL;
    return fail(STATUS_FORMAT, "%s: not a JSON object", path);
}

static enum status read_optional(struct checkpoint *checkpoint, const char *name, size_t limit_bytes,
                                 json_t **root) {
    char *path = checkpoint_join(&checkpoint->arena, checkpoint->path, name);
    if (!path) return no_memory(checkpoint);
    enum status status = checkpoint_read_object(path, limit_bytes, root);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status open_directory(struct checkpoint *checkpoint, unsigned flags) {
    char *path = checkpoint_join(&checkpoint->arena, checkpoint->path, "config.json");
    if (!path) return no_memory(checkpoint);
    enum status status = checkpoint_read_object(path, CONFIG_LIMIT, &checkpoint->config);
    if (status == STATUS_NOT_FOUND)
        return fail(STATUS_NOT_FOUND, "%s: has no config.json; %s", checkpoint->path, expected);
    TRY(status);
    TRY(read_optional(checkpoint, "generation_config.json", CONFIG_LIMIT, &checkpoint->generation_config));
    TRY(read_optional(checkpoint, "tokenizer_config.json", TOKENIZER_CONFIG_LIMIT,
                      &checkpoint->tokenizer_config));
    if (!(flags & CHECKPOINT_TENSORS)) return STATUS_OK;
    TRY(checkpoint_load_safetensors(checkpoint));
    return checkpoint_pair_scales(checkpoint);
}

static bool ends_with(const char *text, const char *end) {
    size_t bytes = strlen(text), tail = strlen(end);
    return bytes >= tail && !strcasecmp(text + bytes - tail, end);
}

static enum status open_file(struct checkpoint *checkpoint, unsigned flags) {
    const char *path = checkpoint->path;
    if (ends_with(path, ".gguf")) {
        checkpoint->kind = CHECKPOINT_GGUF;
        return checkpoint_load_gguf(checkpoint, flags);
    }
    if (ends_with(path, ".safetensors") || ends_with(path, ".index.json"))
        return fail(STATUS_INPUT, "%s: is a part of a model; give its directory", path);
    if (ends_with(path, ".json")) return checkpoint_read_object(path, CONFIG_LIMIT, &checkpoint->config);
    return fail(STATUS_INPUT, "%s: not a model; %s", path, expected);
}

static enum status open_path(struct checkpoint *checkpoint, unsigned flags) {
    struct stat about;
    if (stat(checkpoint->path, &about))
        return fail(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s; %s", checkpoint->path,
                    strerror(errno), expected);
    if (S_ISDIR(about.st_mode))
        TRY(open_directory(checkpoint, flags));
    else if (S_ISREG(about.st_mode))
        TRY(open_file(checkpoint, flags));
    else
        return fail(STATUS_INPUT, "%s: not a model; %s", checkpoint->path, expected);
    return checkpoint_check(checkpoint); /* a header read from lost pages is no header */
}

enum status checkpoint_open(struct checkpoint *checkpoint, const char *path, unsigned flags) {
    *checkpoint = (struct checkpoint){.path = strdup(path)};
    enum status status =
        checkpoint->path ? open_path(checkpoint, flags) : fail(STATUS_MEMORY, "%s: out of memory", path);
    if (status != STATUS_OK) checkpoint_close(checkpoint);
    return status;
}

enum status checkpoint_check(const struct checkpoint *checkpoint) {
    for (size_t i = 0; i < checkpoint->map_count; i++) TRY(file_map_check(&checkpoint->maps[i]));
    return STATUS_OK;
}

int64_t checkpoint_bytes(const struct checkpoint *checkpoint) {
    int64_t bytes = 0;
    for (size_t i = 0; i < checkpoint->map_count; i++) bytes += checkpoint->maps[i].bytes;
    return bytes;
}

void checkpoint_close(struct checkpoint *checkpoint) {
    for (size_t i = 0; i < checkpoint->map_count; i++) file_map_close(&checkpoint->maps[i]);
    json_decref(checkpoint->config);
    json_decref(checkpoint->generation_config);
    json_decref(checkpoint->tokenizer_config);
    tensor_list_free(&checkpoint->tensors);
    arena_free(&checkpoint->arena);
    free(checkpoint->maps);
    free(checkpoint->path);
    *checkpoint = (struct checkpoint){0};
}
