/* weights.c - joins the weight table with the tensors of a checkpoint and checks the result. */
#include "model/weights.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 160 };

struct loader {
    struct weights *weights;
    struct model_desc *desc;
    const struct checkpoint *checkpoint;
    bool gguf;
    bool *used; /* per tensor of the checkpoint */
};

int64_t weights_slot(const struct weights *weights, enum weight weight, int layer, int expert) {
    enum weight_copies copies = weight_rows()[weight].copies;
    int64_t index = copies == PER_MODEL   ? 0
                    : copies == PER_LAYER ? layer
                                          : (int64_t)layer * weights->experts + expert;
    return weights->first[weight] + index;
}

const struct tensor *weights_matrix(const struct weights *weights, enum weight weight, int layer,
                                    int expert) {
    const struct tensor *slot = &weights->slot[weights_slot(weights, weight, layer, expert)];
    return slot->data ? slot : NULL;
}

const float *weights_vector(const struct weights *weights, enum weight weight, int layer) {
    const struct tensor *slot = weights_matrix(weights, weight, layer, 0);
    return slot ? slot->data : NULL;
}

static struct tensor *slot_of(const struct loader *loader, enum weight weight, int layer, int expert) {
    return &loader->weights->slot[weights_slot(loader->weights, weight, layer, expert)];
}

static const struct named_tensor *find(const struct loader *loader, enum weight weight, int layer,
                                       int expert) {
    char name[NAME_BYTES];
    const struct weight_row *row = &weight_rows()[weight];
    if (!(loader->gguf ? row->gguf : row->hugging_face)) return NULL;
    weight_name(row, loader->gguf, layer, expert, name, sizeof name);
    return tensor_list_find(&loader->checkpoint->tensors, name);
}

/* ---- one weight ---- */

static void shape_text(const int64_t *shape, int rank, char *text, size_t bytes) {
    size_t used = 0;
    for (int i = 0; i < rank && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%lld", i ? ", " : "", (long long)shape[i]);
}

static enum status check_shape(const struct named_tensor *found, const int64_t *shape, int rank) {
    bool same = found->tensor.rank == rank;
    for (int i = 0; same && i < rank; i++) same = found->tensor.shape[i] == shape[i];
    if (same) return STATUS_OK;
    char expected[96], actual[96];
    shape_text(shape, rank, expected, sizeof expected);
    shape_text(found->tensor.shape, found->tensor.rank, actual, sizeof actual);
    return fail(STATUS_FORMAT, "%s: tensor %.128s has shape [%s], expected [%s]", found->path, found->name,
                actual, expected);
}

static enum status decode_vector(struct loader *loader, const struct named_tensor *found,
                                 struct tensor *slot) {
    int64_t n = found->tensor.shape[0];
    float *values = arena_take(&loader->weights->arena, (size_t)n * sizeof *values);
    if (!values) return fail(STATUS_MEMORY, "%s: no memory for tensor %.128s", found->path, found->name);
    tensor_decode_row(&found->tensor, 0, values);
    *slot = (struct tensor){.data = values, .dtype = DTYPE_F32, .rank = 1, .shape = {n}};
    return STATUS_OK;
}

static enum status missing(const struct loader *loader, enum weight weight, int layer, int expert) {
    char name[NAME_BYTES], expected[96];
    int64_t shape[3];
    int rank = weight_shape(loader->desc, weight, shape);
    weight_name(&weight_rows()[weight], loader->gguf, layer, expert, name, sizeof name);
    shape_text(shape, rank, expected, sizeof expected);
    return fail(STATUS_FORMAT, "%s: tensor %s [%s] is missing", loader->checkpoint->path, name, expected);
}

static enum status load_one(struct loader *loader, enum weight weight, int layer, int expert) {
    const struct weight_row *row = &weight_rows()[weight];
    const struct named_tensor *found = find(loader, weight, layer, expert);
    if (!found) return row->optional ? STATUS_OK : missing(loader, weight, layer, expert);
    if (!dtype_traits(found->tensor.dtype)->decode || found->tensor.dtype == DTYPE_F8_E8M0)
        return fail(STATUS_UNSUPPORTED, "%s: tensor %.128s has type %s, which cannot hold weights",
                    found->path, found->name, dtype_traits(found->tensor.dtype)->name);
    int64_t shape[3];
    int rank = weight_shape(loader->desc, weight, shape);
    bool stacked = loader->gguf && row->copies == PER_EXPERT;
    if (stacked) {
        memmove(shape + 1, shape, 2 * sizeof *shape);
        shape[0] = loader->desc->experts;
        rank = 3;
    }
    TRY(check_shape(found, shape, rank));
    loader->used[found - loader->checkpoint->tensors.item] = true;
    if (rank == 1) return decode_vector(loader, found, slot_of(loader, weight, layer, 0));
    *slot_of(loader, weight, layer, expert) = stacked ? tensor_matrix(&found->tensor, expert) : found->tensor;
    return STATUS_OK;
}

/* ---- all of them ---- */

/* GGUF holds kv_b whole, or split into k_b (transposed) and v_b. Hugging Face always holds it whole. */
static bool wanted(const struct loader *loader, enum weight weight, int layer) {
    if (!weight_exists(loader->desc, weight, layer)) return false;
    const struct weight_row *row = &weight_rows()[weight];
    if (!(loader->gguf ? row->gguf : row->hugging_face)) return false;
    bool split = loader->gguf && find(loader, WEIGHT_K_B, layer, 0);
    if (weight == WEIGHT_KV_B) return !split;
    if (weight == WEIGHT_K_B || weight == WEIGHT_V_B) return split;
    return true;
}

static enum status load_layer(struct loader *loader, enum weight weight, int layer) {
    if (!wanted(loader, weight, layer)) return STATUS_OK;
    int copies = weight_rows()[weight].copies == PER_EXPERT ? loader->desc->experts : 1;
    for (int expert = 0; expert < copies; expert++) TRY(load_one(loader, weight, layer, expert));
    return STATUS_OK;
}

/* Tensors that files carry and no model needs. */
static bool ignorable(const struct loader *loader, const char *name) {
    if (strstr(name, "rotary_emb.inv_freq")) return true;
    return loader->desc->tied_head && !strcmp(name, "lm_head.weight");
}

static enum status check_extras(const struct loader *loader) {
    const struct tensor_list *list = &loader->checkpoint->tensors;
    for (size_t i = 0; i < list->count; i++)
        if (!loader->used[i] && !ignorable(loader, list->item[i].name))
            return fail(STATUS_FORMAT, "%s: tensor %.128s is not part of a %s model with %d layers",
                        list->item[i].path, list->item[i].name, loader->desc->architecture,
                        loader->desc->layers);
    return STATUS_OK;
}

static enum status load_all(struct loader *loader) {
    struct model_desc *desc = loader->desc;
    /* Many re-exports drop the MTP modules but keep the number in the config. */
    if (desc->mtp_layers && !find(loader, WEIGHT_MTP_PROJECT, desc->layers, 0)) desc->mtp_layers = 0;
    if (loader->gguf && !find(loader, WEIGHT_HEAD, 0, 0)) desc->tied_head = true;
    for (int w = 0; w < WEIGHT_COUNT; w++) {
        int layers = weight_rows()[w].copies == PER_MODEL ? 1 : desc->layers + desc->mtp_layers;
        for (int layer = 0; layer < layers; layer++) TRY(load_layer(loader, (enum weight)w, layer));
    }
    return check_extras(loader);
}

static bool has_first(const struct checkpoint *checkpoint, enum weight weight) {
    char name[NAME_BYTES];
    weight_name(&weight_rows()[weight], true, 0, 0, name, sizeof name);
    return tensor_list_find(&checkpoint->tensors, name) != NULL;
}

/* GGUF has no key for the biases of llama's attention: where their tensors are, they are meant. */
static enum status read_gguf(struct model_desc *desc, const struct checkpoint *checkpoint) {
    TRY(model_desc_from_gguf(desc, &checkpoint->gguf));
    if (strcmp(desc->architecture, "llama") != 0) return STATUS_OK;
    desc->qkv_bias = has_first(checkpoint, WEIGHT_Q_BIAS);
    desc->output_bias = has_first(checkpoint, WEIGHT_OUTPUT_BIAS);
    return STATUS_OK;
}

enum status model_desc_from_checkpoint(struct model_desc *desc, const struct checkpoint *checkpoint) {
    char origin[4096];
    if (checkpoint->kind == CHECKPOINT_GGUF) return read_gguf(desc, checkpoint);
    snprintf(origin, sizeof origin, "%s/config.json", checkpoint->path);
    return model_desc_from_config(desc, checkpoint->config, origin);
}

enum status weights_open_empty(struct weights *weights, const struct model_desc *desc) {
    *weights = (struct weights){.experts = desc->experts};
    int64_t slots = 0, layers = desc->layers + desc->mtp_layers;
    for (int w = 0; w < WEIGHT_COUNT; w++) {
        enum weight_copies copies = weight_rows()[w].copies;
        weights->first[w] = slots;
        slots += copies == PER_MODEL ? 1 : copies == PER_LAYER ? layers : layers * desc->experts;
    }
    weights->slot = calloc((size_t)slots, sizeof *weights->slot);
    return weights->slot ? STATUS_OK : fail(STATUS_MEMORY, "no memory for the weight list");
}

enum status weights_load(struct weights *weights, struct model_desc *desc,
                         const struct checkpoint *checkpoint) {
    TRY(weights_open_empty(weights, desc));
    struct loader loader = {weights, desc, checkpoint, checkpoint->kind == CHECKPOINT_GGUF, NULL};
    loader.used = calloc(checkpoint->tensors.count + 1, sizeof *loader.used);
    enum status status =
        loader.used ? load_all(&loader) : fail(STATUS_MEMORY, "no memory for the weight list");
    free(loader.used);
    if (status != STATUS_OK) weights_free(weights);
    return status;
}

void weights_free(struct weights *weights) {
    free(weights->slot);
    arena_free(&weights->arena);
    *weights = (struct weights){0};
}
