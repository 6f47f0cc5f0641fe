/* adapter_files.c - reading, describing and merging what adapter_files.h describes. */
#include "train/adapter_files.h"

#include "base/bytes.h"
#include "format/safetensors.h"
#include "model/checkpoint_export.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, CONFIG_LIMIT = 1 << 20, TARGETS_MOST = 4096 };

static enum status join(char path[PATH_BYTES], const char *directory, const char *name) {
    if (snprintf(path, PATH_BYTES, "%s/%s", directory, name) < PATH_BYTES) return STATUS_OK;
    return fail(STATUS_LIMIT, "%.64s...: the name is too long", directory);
}

/* ---- the description ---- */

/* What would change the sum in a way that is not carried out here: must be absent, or as it is by default. */
static enum status check_forms(struct json_reader reader) {
    static const char *const absent[] = {"modules_to_save",   "rank_pattern",           "alpha_pattern",
                                         "layers_pattern",    "layers_to_transform",    "use_dora",
                                         "fan_in_fan_out",    "exclude_modules",        "use_qalora",
                                         "layer_replication", "alora_invocation_tokens"};
    const char *type, *bias;
    TRY(json_get_text_or(reader, "peft_type", "LORA", &type));
    TRY(json_get_text_or(reader, "bias", "none", &bias));
    if (strcmp(type, "LORA"))
        return fail(STATUS_UNSUPPORTED, "%s: peft_type %.40s: only LORA is known", reader.origin, type);
    if (strcmp(bias, "none"))
        return fail(STATUS_UNSUPPORTED, "%s: bias %.40s: only none is known", reader.origin, bias);
    for (size_t i = 0; i < COUNT_OF(absent); i++) {
        const json_t *value = json_object_get(reader.object, absent[i]);
        const bool nothing = !value || json_is_null(value) || json_is_false(value) ||
                             (json_is_object(value) && json_object_size(value) == 0) ||
                             (json_is_array(value) && json_array_size(value) == 0);
        if (!nothing) return fail(STATUS_UNSUPPORTED, "%s: %s is not supported", reader.origin, absent[i]);
    }
    return STATUS_OK;
}

static enum status read_targets(struct adapter_config *config, struct json_reader reader) {
    const json_t *list = json_object_get(reader.object, "target_modules");
    const size_t count = json_array_size(list);
    if (!json_is_array(list) || count == 0 || count > TARGETS_MOST)
        return fail(STATUS_UNSUPPORTED, "%s: target_modules must be a list of names", reader.origin);
    config->target = calloc(count, sizeof *config->target);
    if (!config->target) return fail(STATUS_MEMORY, "%s: out of memory", reader.origin);
    for (size_t i = 0; i < count; i++) {
        config->target[i] = json_string_value(json_array_get(list, i));
        if (!config->target[i] || !config->target[i][0])
            return fail(STATUS_FORMAT, "%s: target_modules must be a list of names", reader.origin);
    }
    config->options.target = config->target;
    config->options.targets = (int)count;
    return STATUS_OK;
}

static enum status read_config(struct adapter_config *config, struct json_reader reader) {
    int64_t rank;
    TRY(check_forms(reader));
    TRY(json_get_int(reader, "r", 1, ADAPTER_RANK_MOST, &rank));
    config->options.rank = (int)rank;
    TRY(json_get_real_or(reader, "lora_alpha", -1e6, 1e6, 8, &config->options.alpha));
    /* rsLoRA divides by the root of the rank (arXiv 2312.03732) */
    if (json_is_true(json_object_get(reader.object, "use_rslora")))
        config->options.alpha *= sqrt((double)rank);
    return read_targets(config, reader);
}

enum status adapter_config_read(struct adapter_config *config, const char *directory) {
    char path[PATH_BYTES];
    *config = (struct adapter_config){0};
    TRY(join(path, directory, "adapter_config.json"));
    TRY(json_read_file(path, CONFIG_LIMIT, &config->root));
    enum status status = read_config(config, (struct json_reader){config->root, path});
    if (status != STATUS_OK) adapter_config_free(config);
    return status;
}

void adapter_config_free(struct adapter_config *config) {
    free(config->target);
    json_decref(config->root);
    *config = (struct adapter_config){0};
}

/* "self_attn.q_proj" of model.layers.3.self_attn.q_proj.weight: long enough to leave out an expert's matrix of that name. */
static json_t *target_name(const struct parameter *item) {
    char name[PARAMETER_NAME_BYTES];
    struct parameter whole = *item;
    whole.part = PART_WHOLE;
    parameter_name(&whole, name);
    const size_t bytes = strlen(name) - strlen(".weight");
    const char *from = strstr(name, ".layers.");
    for (int dots = 0; from && *from && dots < 3; from++) dots += *from == '.';
    return from ? json_stringn(from, bytes - (size_t)(from - name)) : json_stringn(name, bytes);
}

static json_t *target_names(const struct adapters *adapters) {
    json_t *list = json_array();
    for (int i = 0; list && i < adapters->trained.count; i += 2) {
        json_t *name = target_name(&adapters->trained.item[i]);
        bool listed = false;
        for (size_t n = 0; n < json_array_size(list) && !listed; n++)
            listed = json_equal(json_array_get(list, n), name);
        if (!listed) json_array_append(list, name);
        json_decref(name);
    }
    return list;
}

json_t *adapter_config_json(const struct adapters *adapters, const char *base) {
    return json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:o, s:s, s:b, s:b, s:b, s:b, s:n}", "peft_type", "LORA",
                     "task_type", "CAUSAL_LM", "base_model_name_or_path", base, "r", adapters->options.rank,
                     "lora_alpha", adapters->options.alpha, "lora_dropout", 0.0, "target_modules",
                     target_names(adapters), "bias", "none", "fan_in_fan_out", 0, "use_rslora", 0, "use_dora",
                     0, "inference_mode", 1, "modules_to_save");
}

/* ---- the tensors ---- */

static enum status load_pairs(const struct adapters *adapters, const struct tensor_list *list,
                              const char *origin) {
    const struct parameters *trained = &adapters->trained;
    for (int i = 0; i < trained->count; i++) {
        const struct parameter *item = &trained->item[i];
        char name[PARAMETER_NAME_BYTES];
        parameter_name(item, name);
        const struct named_tensor *found = tensor_list_find(list, name);
        if (!found) return fail(STATUS_FORMAT, "%s: no tensor %s", origin, name);
        if (found->tensor.rank != 2 || found->tensor.shape[0] != item->shape[0] ||
            found->tensor.shape[1] != item->shape[1])
            return fail(STATUS_FORMAT, "%s: tensor %s must be [%lld, %lld]", origin, name,
                        (long long)item->shape[0], (long long)item->shape[1]);
        for (int64_t r = 0; r < item->shape[0]; r++)
            tensor_decode_row(&found->tensor, r, trained->value + item->first + r * item->shape[1]);
    }
    if (list->count == (size_t)trained->count) return STATUS_OK;
    return fail(STATUS_UNSUPPORTED, "%s: holds %zu tensors, but matrices that can be adapted have %d", origin,
                (size_t)list->count, trained->count);
}

enum status adapter_files_load(const struct adapters *adapters, const char *directory) {
    char path[PATH_BYTES];
    struct file_map map;
    struct arena arena = {0};
    struct tensor_list list = {0};
    TRY(join(path, directory, "adapter_model.safetensors"));
    TRY(file_map_open(&map, path));
    enum status status = safetensors_parse(&map, &arena, &list);
    if (status == STATUS_OK) status = tensor_list_sort(&list);
    if (status == STATUS_OK) status = load_pairs(adapters, &list, path);
    if (status == STATUS_OK) status = file_map_check(&map);
    tensor_list_free(&list);
    arena_free(&arena);
    file_map_close(&map);
    return status;
}

/* ---- merging ---- */

struct merger {
    struct parameters list; /* of the model: without values */
    struct adapters *adapters;
};

static void append_parameter(void *context, const struct parameter *parameter) {
    struct parameters *list = context;
    if (list->item) list->item[list->count] = *parameter;
    list->count++;
}

static enum status list_parameters(struct parameters *list, const struct model_desc *desc) {
    parameters_visit(desc, append_parameter, list);
    list->item = calloc((size_t)list->count + 1, sizeof *list->item);
    if (!list->item) return fail(STATUS_MEMORY, "no memory for a list of %d tensors", list->count);
    list->count = 0;
    parameters_visit(desc, append_parameter, list);
    return STATUS_OK;
}

static const struct parameter *pair_of(const struct merger *merger, enum weight weight, int layer) {
    for (int i = 0; i < merger->adapters->trained.count; i += 2) {
        const struct parameter *pair = &merger->adapters->trained.item[i];
        if (pair->weight == weight && pair->layer == layer) return pair;
    }
    return NULL;
}

static void add_product(void *context, enum weight weight, int layer, int expert, int64_t first, int64_t rows,
                        int64_t columns, float *values) {
    const struct merger *merger = context;
    const struct parameter *pair = pair_of(merger, weight, layer);
    (void)expert; /* no expert has one */
    if (!pair) return;
    const int64_t rank = pair->shape[0];
    const float *down = merger->adapters->trained.value + pair[0].first,
                *up = merger->adapters->trained.value + pair[1].first;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t r = 0; r < rank; r++) {
            const float factor = merger->adapters->scale * up[(first + row) * rank + r];
            for (int64_t c = 0; c < columns; c++) values[row * columns + c] += factor * down[r * columns + c];
        }
}

static enum dtype type_of(const json_t *config) {
    const char *name = json_string_value(json_object_get(config, "torch_dtype"));
    return name && !strcmp(name, "float32")   ? DTYPE_F32
           : name && !strcmp(name, "float16") ? DTYPE_F16
                                              : DTYPE_BF16;
}

static enum status write_sum(const struct adapter_merge *merge, struct merger *merger, enum dtype type) {
    struct checkpoint_export_result result;
    struct checkpoint_export_options options = {.source = merge->base,
                                                .path = merge->path,
                                                .type = type,
                                                .change = add_product,
                                                .change_context = merger,
                                                .progress = merge->progress,
                                                .progress_context = merge->progress_context};
    return checkpoint_export(&options, &result);
}

static enum status open_merger(struct merger *merger, const struct adapter_merge *merge, enum dtype *type) {
    struct checkpoint checkpoint;
    struct model_desc desc;
    struct adapter_config config = {0};
    TRY(checkpoint_open(&checkpoint, merge->base, CHECKPOINT_TENSORS));
    enum status status = model_desc_from_checkpoint(&desc, &checkpoint);
    if (status == STATUS_OK) *type = type_of(checkpoint.config);
    checkpoint_close(&checkpoint);
    if (status == STATUS_OK) status = list_parameters(&merger->list, &desc);
    if (status == STATUS_OK) status = adapter_config_read(&config, merge->directory);
    if (status == STATUS_OK) {
        status = adapters_open(&merger->adapters, &merger->list, &config.options, 1);
        if (status != STATUS_OK) /* it speaks of options, which come from the file here */
            status = fail_within(STATUS_FORMAT, "%.300s/adapter_config.json", merge->directory);
    }
    if (status == STATUS_OK) status = adapter_files_load(merger->adapters, merge->directory);
    adapter_config_free(&config);
    return status;
}

enum status adapter_merge(const struct adapter_merge *merge, int64_t *matrices) {
    struct merger merger = {0};
    enum dtype type = DTYPE_BF16;
    enum status status = open_merger(&merger, merge, &type);
    if (status == STATUS_OK) status = write_sum(merge, &merger, type);
    if (status == STATUS_OK) *matrices = merger.adapters->trained.count / 2;
    adapters_close(merger.adapters);
    free(merger.list.item);
    return status;
}
