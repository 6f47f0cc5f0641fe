/* adapter_files.h - adapters as PEFT keeps them: a directory with adapter_config.json and adapter_model.safetensors, whose
 * tensors are base_model.model.NAME.lora_A.weight [rank, in] and .lora_B.weight [out, rank]. What other forms of it mean is
 * refused by name. */
#ifndef HADAL_TRAIN_ADAPTER_FILES_H
#define HADAL_TRAIN_ADAPTER_FILES_H

#include "base/json.h"
#include "train/adapters.h"

/* What adapter_config.json says. `options` points into the rest. */
struct adapter_config {
    struct adapter_options options;
    const char **target;
    json_t *root;
};
must_use enum status adapter_config_read(struct adapter_config *config, const char *directory);
void adapter_config_free(struct adapter_config *config); /* zeroed allowed */

/* The same file for these adapters, whose model is found at `base`. NULL: out of memory. */
json_t *adapter_config_json(const struct adapters *adapters, const char *base);

/* The tensors, in any float format: exactly those of the pairs. */
must_use enum status adapter_files_load(const struct adapters *adapters, const char *directory);

/* Writes the model of `base` with the sums of the adapters in `directory` to the new directory `path`, in bf16 or what its
 * torch_dtype says. */
struct adapter_merge {
    const char *base, *directory, *path;
    bool (*progress)(void *context, int64_t done, int64_t total); /* values; NULL allowed; false: stop */
    void *progress_context;
};
must_use enum status adapter_merge(const struct adapter_merge *merge, int64_t *matrices);

#endif
