/* tokenizer_open.c - a tokenizer from what a user calls a model: a directory, a tokenizer.json, a GGUF file. Only the
 * tokenizer's part is read. */
#include "text/tokenizer.h"

#include "base/arena.h"
#include "base/file_map.h"
#include "format/gguf.h"
#include "format/tensor_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES = 1 << 28 };

static bool ends_in(const char *text, const char *end) {
    size_t bytes = strlen(text), tail = strlen(end);
    return bytes >= tail && !strcmp(text + bytes - tail, end);
}

static enum status open_gguf(struct tokenizer **tokenizer, const char *path) {
    struct file_map map = {0};
    struct arena arena = {0};
    struct gguf gguf = {0};
    struct tensor_list tensors = {0};
    TRY(file_map_open(&map, path));
    enum status status = gguf_parse(&map, &arena, &gguf, &tensors);
    if (status == STATUS_OK) status = tokenizer_from_gguf(tokenizer, &gguf);
    if (status == STATUS_OK) {
        status = file_map_check(&map);
        if (status != STATUS_OK) {
            tokenizer_close(*tokenizer);
            *tokenizer = NULL;
        }
    }
    tensor_list_free(&tensors);
    arena_free(&arena);
    file_map_close(&map);
    return status;
}

static enum status read_json(const char *path, json_t **root) {
    TRY(file_check_regular(path));
    return json_read_file(path, FILE_BYTES, root);
}

/* `path` is tokenizer.json, `config_path` tokenizer_config.json beside it, which may be missing. */
static enum status open_json(struct tokenizer **tokenizer, const char *path, const char *config_path) {
    json_t *root = NULL, *config = NULL;
    enum status status = STATUS_OK;
    if (!access(config_path, F_OK)) status = read_json(config_path, &config);
    if (status == STATUS_OK) status = read_json(path, &root);
    if (status == STATUS_OK) status = tokenizer_from_json(tokenizer, root, config, path);
    json_decref(root);
    json_decref(config);
    return status;
}

enum status tokenizer_open(struct tokenizer **tokenizer, const char *path) {
    struct buffer json = {0}, config = {0};
    struct stat about;
    *tokenizer = NULL;
    if (stat(path, &about)) return fail(STATUS_NOT_FOUND, "%s: %s", path, strerror(errno));
    bool directory = S_ISDIR(about.st_mode);
    if (!directory && ends_in(path, ".gguf")) return open_gguf(tokenizer, path);
    if (!directory && !ends_in(path, ".json"))
        return fail(STATUS_INPUT,
                    "%s: not a model; expected a directory with tokenizer.json, or a .gguf file", path);
    const char *slash = strrchr(path, '/');
    size_t folder = directory ? strlen(path) : slash ? (size_t)(slash - path) : 0;
    buffer_append(&config, path, folder);
    if (directory || slash) buffer_append_char(&config, '/');
    buffer_append(&json, config.data, config.bytes);
    buffer_append_text(&json, "tokenizer.json");
    buffer_append_text(&config, "tokenizer_config.json");
    enum status status = buffer_check(&config, "path");
    if (status == STATUS_OK) status = buffer_check(&json, "path");
    bool given = !directory && !ends_in(path, "/config.json") && strcmp(path, "config.json") != 0;
    if (status == STATUS_OK) status = open_json(tokenizer, given ? path : json.data, config.data);
    buffer_free(&config);
    buffer_free(&json);
    return status;
}
