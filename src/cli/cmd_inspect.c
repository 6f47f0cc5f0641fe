/* cmd_inspect.c - `hadal inspect`: gathers what is known about a model. A config alone is enough. */
#include "base/bytes.h"
#include "cli/commands.h"
#include "cli/inspect.h"
#include "model/weights.h"
#include "text/chat.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static bool ends_in(const char *text, const char *end) {
    size_t bytes = strlen(text), tail = strlen(end);
    return bytes >= tail && !strcasecmp(text + bytes - tail, end);
}

/* A directory with a config and no weights is a model to look at, too. */
static bool has_weights(const char *path) {
    DIR *entries = opendir(path);
    bool found = false;
    if (!entries) return ends_in(path, ".gguf");
    for (struct dirent *entry; !found && (entry = readdir(entries));)
        found = ends_in(entry->d_name, ".safetensors");
    closedir(entries);
    return found;
}

static enum status open_preset(struct inspection *inspection) {
    const char *text = model_preset_config(inspection->model);
    json_t *config;
    inspection->form = "preset";
    TRY(json_parse(text, strlen(text), inspection->model, &config));
    enum status status = model_desc_from_config(&inspection->desc, config, inspection->model);
    json_decref(config);
    return status;
}

static void find_template(struct inspection *inspection) {
    enum chat_template template;
    if (chat_template_choose(&inspection->checkpoint, &template, NULL) == STATUS_OK)
        inspection->template = chat_template_name(template);
}

/* Counts, and checks as opening for use does. Files may lack the MTP modules or the head: the description follows. */
static void check_weights(struct inspection *inspection) {
    struct weights weights;
    const struct tensor_list *tensors = &inspection->checkpoint.tensors;
    for (size_t i = 0; i < tensors->count; i++)
        inspection->bytes += inspect_tensor_bytes(&tensors->item[i].tensor);
    if (weights_load(&weights, &inspection->desc, &inspection->checkpoint) == STATUS_OK)
        weights_free(&weights);
    else
        snprintf(inspection->problem, sizeof inspection->problem, "%s", status_message());
}

static enum status read_config(struct inspection *inspection) {
    char origin[512];
    bool file = ends_in(inspection->model, ".json");
    snprintf(origin, sizeof origin, file ? "%s" : "%s/config.json", inspection->model);
    return model_desc_from_config(&inspection->desc, inspection->checkpoint.config, origin);
}

static enum status open_checkpoint(struct inspection *inspection) {
    struct checkpoint *checkpoint = &inspection->checkpoint;
    bool weights = has_weights(inspection->model);
    TRY(checkpoint_open(checkpoint, inspection->model, weights ? CHECKPOINT_TENSORS : 0));
    bool gguf = checkpoint->kind == CHECKPOINT_GGUF;
    inspection->form = gguf ? "gguf" : weights ? "hugging face" : "config";
    TRY(gguf ? model_desc_from_checkpoint(&inspection->desc, checkpoint) : read_config(inspection));
    find_template(inspection);
    if (weights) check_weights(inspection);
    return checkpoint_check(checkpoint);
}

/* Unless asked otherwise in bf16, whatever the weights are: the figure that models are compared by. */
static enum status measure_cache(struct inspection *inspection, const char *type) {
    struct kv_plane plane[KV_PLANES];
    inspection->kv_type = DTYPE_BF16;
    if (strcmp(type, "auto") != 0) MUST(dtype_from_name(type, &inspection->kv_type)); /* one of the choices */
    TRY(kv_planes_of(&inspection->desc, inspection->kv_type, plane));
    inspection->kv_bytes = kv_bytes_per_token(&inspection->desc, plane, false);
    return STATUS_OK;
}

/* A name without a slash may be meant as a published model's. */
static enum status open_model(struct inspection *inspection) {
    struct stat about;
    bool absent = stat(inspection->model, &about) && errno == ENOENT;
    if (!absent || strchr(inspection->model, '/')) return open_checkpoint(inspection);
    if (model_preset_config(inspection->model)) return open_preset(inspection);
    char names[512] = "";
    for (int i = 0; model_preset_name(i); i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, ", %s", model_preset_name(i));
    }
    return fail(STATUS_NOT_FOUND, "%s: no such file or directory, and none of the published models: %s",
                inspection->model, names + 2);
}

static enum status inspect(const struct option_values *values, struct inspection *inspection) {
    TRY(open_model(inspection));
    inspection->parameters = model_parameters(&inspection->desc);
    TRY(measure_cache(inspection, option_text(values, "kv-type")));
    if (option_flag(values, "json")) return inspect_print_json(inspection, stdout);
    inspect_print_text(inspection, stdout);
    return STATUS_OK;
}

enum status command_inspect(const struct option_values *values) {
    const char *const *positional, *named = option_text(values, "model");
    int positionals = option_positionals(values, &positional);
    if (!positionals && !named)
        return fail(STATUS_USAGE, "name a directory, a .gguf file, a config.json or a published model");
    struct inspection inspection = {.model = positionals ? positional[0] : named};
    enum status status = inspect(values, &inspection);
    checkpoint_close(&inspection.checkpoint);
    return status;
}
