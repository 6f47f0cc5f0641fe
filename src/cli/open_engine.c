/* open_engine.c - the common options of all commands that run a model. */
#include "cli/open_engine.h"

#include "kernel/kernel.h"

#include <string.h>

static enum cpu_level level_of(const char *name) {
    for (int level = 0; level < CPU_LEVEL_COUNT; level++)
        if (!strcmp(name, cpu_level_name((enum cpu_level)level))) return (enum cpu_level)level;
    return CPU_LEVEL_COUNT - 1; /* auto */
}

enum status engine_options_from(const struct option_values *values, struct engine_options *options) {
    const char *path = option_text(values, "model"), *kv_type = option_text(values, "kv-type");
    if (!path) return fail(STATUS_USAGE, "no model given: name a directory or .gguf file with --model");
    *options = (struct engine_options){
        .model = {.path = path,
                  .threads = option_given(values, "threads") ? (int)option_int(values, "threads") : 0,
                  .cpu_level_cap = level_of(option_text(values, "cpu")),
                  .max_rows = (int)option_int(values, "batch-size"),
                  .strict = option_flag(values, "strict"),
                  .kv_automatic = !strcmp(kv_type, "auto"),
                  .sequences = 1,
                  .context = option_given(values, "ctx") ? option_int(values, "ctx") : 0,
                  .memory_limit =
                      option_given(values, "memory-limit") ? option_int(values, "memory-limit") : 0}};
    if (!options->model.kv_automatic) MUST(dtype_from_name(kv_type, &options->model.kv_type));
    return STATUS_OK;
}

enum status open_engine(const struct option_values *values, struct engine **engine) {
    struct engine_options options;
    TRY(engine_options_from(values, &options));
    return engine_open(engine, &options);
}
