/* cmd_synth.c - `hadal synth`: a checkpoint of random weights with a real shape. */
#include "base/clock.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "model/synth.h"

#include <stdio.h>
#include <string.h>

enum { CONFIG_LIMIT = 1 << 20 };

static bool report_progress(void *context, int64_t done, int64_t total) {
    struct progress *progress = context;
    progress->total = total;
    progress_update(progress, done);
    return !interrupt_seen();
}

static enum status read_type(const char *name, struct synth_options *options) {
    if (gguf_mix_from_name(name, &options->mix)) return STATUS_OK;
    return fail(STATUS_USAGE,
                "--type: '%.20s' is no number format; f32, f16, bf16, fp8, q8_0, q4_k, q4_k_m and so on",
                name);
}

static enum status list_presets(const char *like) {
    char names[512] = "";
    for (int i = 0; model_preset_name(i); i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", model_preset_name(i));
    }
    return fail(STATUS_USAGE, "--like: '%.40s' is not known; these are: %s", like, names);
}

static enum status read_shape(const struct option_values *values, json_t **config, const char **origin) {
    const char *like = option_text(values, "like"), *file = option_text(values, "config");
    if (!like == !file) return fail(STATUS_USAGE, "one of --like NAME and --config FILE says which shape");
    *origin = like ? like : file;
    if (file) return json_read_file(file, CONFIG_LIMIT, config);
    const char *text = model_preset_config(like);
    return text ? json_parse(text, strlen(text), like, config) : list_presets(like);
}

static enum status write_model(struct synth_options *options) {
    struct progress progress;
    struct synth_result result;
    char bytes[32];
    double started = clock_seconds();
    options->progress = report_progress;
    options->progress_context = &progress;
    interrupt_catch();
    progress_start(&progress, "writing", 0, "bytes");
    enum status status = synth_write(options, &result);
    progress_finish(&progress);
    if (status == STATUS_OK)
        printf("%s: %lld tensors, %s in %.1f s\n", options->path, (long long)result.tensors,
               bytes_text(result.bytes, bytes), clock_seconds() - started);
    return status;
}

enum status command_synth(const struct option_values *values) {
    json_t *config = NULL;
    struct synth_options options = {.name = option_text(values, "like"),
                                    .path = option_text(values, "output"),
                                    .seed = (uint64_t)option_int(values, "seed"),
                                    .layers = (int)option_int(values, "layers"),
                                    .threads = (int)option_int(values, "threads")};
    if (!options.path) return fail(STATUS_USAGE, "-o PATH says what to write");
    TRY(read_type(option_text(values, "type"), &options));
    TRY(read_shape(values, &config, &options.origin));
    options.config = config;
    enum status status = write_model(&options);
    json_decref(config);
    return status;
}
