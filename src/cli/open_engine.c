/* open_engine.c - the common options of all commands that run a model. */
#include "cli/open_engine.h"

#include "cli/environment.h"
#include "cli/progress.h"
#include "kernel/kernel.h"

#include <stdio.h>
#include <string.h>

enum status model_path_from(const struct option_values *values, const char **path) {
    *path = option_text(values, "model");
    if (!*path) *path = option_shipped_model(values);
    return *path ? STATUS_OK
                 : fail(STATUS_USAGE, "no model given: name a directory or .gguf file with --model");
}

enum status engine_options_from(const struct option_values *values, struct engine_options *options) {
    const char *path, *kv_type = option_text(values, "kv-type");
    enum cpu_level cap;
    TRY(model_path_from(values, &path));
    MUST(cpu_level_from_name(option_text(values, "cpu"), &cap)); /* one of the choices */
    *options = (struct engine_options){
        .model = {.path = path,
                  .threads = option_given(values, "threads") ? (int)option_int(values, "threads") : 0,
                  .cpu_level_cap = cap,
                  .numa = option_text(values, "numa"),
                  .max_rows = (int)option_int(values, "batch-size"),
                  .strict = option_flag(values, "strict"),
                  .kv_automatic = !strcmp(kv_type, "auto"),
                  .sequences = 1,
                  .context = option_given(values, "ctx") ? option_int(values, "ctx") : 0,
                  .memory_limit =
                      option_given(values, "memory-limit") ? option_int(values, "memory-limit") : 0}};
    options->model.cache_dir = option_text(values, "cache-dir");
    MUST(pack_mode_from_name(option_text(values, "pack"), &options->model.pack));
    if (!options->model.kv_automatic) MUST(dtype_from_name(kv_type, &options->model.kv_type));
    return STATUS_OK;
}

static bool show_arranging(void *context, int64_t done, int64_t total) {
    struct progress *progress = context;
    /* what is arranged may then be placed on memory nodes, which is another total */
    if (progress->total != total) progress_start(progress, "arranging weights", total, "bytes");
    progress_update(progress, done);
    return true;
}

void cache_directory_default(struct engine_options *options, char *directory, size_t bytes) {
    if (!options->model.cache_dir && user_path(USER_CACHE, "weights", directory, bytes))
        options->model.cache_dir = directory;
}

enum status open_engine(struct engine **engine, const struct engine_options *options) {
    char directory[4096];
    struct progress progress = {0};
    struct engine_options complete = *options;
    complete.model.progress = show_arranging;
    complete.model.progress_context = &progress;
    cache_directory_default(&complete, directory, sizeof directory);
    enum status status = engine_open(engine, &complete);
    progress_finish(&progress);
    if (status == STATUS_OK && *(*engine)->model.packed.notice)
        fprintf(stderr, "hadal: %s\n", (*engine)->model.packed.notice);
    return status;
}
