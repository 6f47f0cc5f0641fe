/* quantize_plan.c - opens the source and chooses the number format of every tensor. */
#include "model/quantize_plan.h"

#include "base/bytes.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_ELEMENTS = 1 << 16 };

/* ---- the source ---- */

/* Readers of qwen2 demand the biases of q, k and v, and know no others. */
static enum status check_expressible(const struct quantize_plan *plan) {
    const struct model_desc *desc = &plan->desc;
    if (strcmp(desc->architecture, "qwen2") != 0 || (desc->qkv_bias && !desc->output_bias)) return STATUS_OK;
    return fail(STATUS_UNSUPPORTED, "%s: attention_bias false of a qwen2 model has no place in GGUF",
                plan->options->source);
}

/* Llama 3's scaling comes as divisors out of GGUF and as numbers out of a config. */
static enum status make_rope(struct quantize_plan *plan) {
    int dim = model_rope_dim(&plan->desc);
    if (plan->desc.rope.scaling != ROPE_LLAMA3) return STATUS_OK;
    plan->rope = calloc((size_t)dim, sizeof *plan->rope);
    if (!plan->rope) return fail(STATUS_MEMORY, "no memory for %d frequencies", dim);
    return gguf_rope_divisors(&plan->desc.rope, dim, plan->rope);
}

static enum status open_source(struct quantize_plan *plan) {
    TRY(checkpoint_open(&plan->checkpoint, plan->options->source, CHECKPOINT_TENSORS));
    TRY(model_desc_from_checkpoint(&plan->desc, &plan->checkpoint));
    TRY(weights_load(&plan->weights, &plan->desc, &plan->checkpoint));
    TRY(check_expressible(plan));
    TRY(make_rope(plan));
    if (plan->options->imatrix) TRY(imatrix_open(&plan->imatrix, plan->options->imatrix));
    if (plan->options->no_mtp) plan->desc.mtp_layers = 0;
    plan->interleaves = !strcmp(plan->desc.architecture, "llama") && !plan->desc.rope.interleaved;
    return STATUS_OK;
}

/* ---- the list ---- */

static bool has(const struct quantize_plan *plan, enum weight weight, int layer) {
    if (weights_matrix(&plan->weights, weight, layer, 0)) return true;
    if (weight == WEIGHT_ROPE_DIVISOR) return plan->rope;
    return weight == WEIGHT_K_B || weight == WEIGHT_V_B;
}

static bool is_written(const struct quantize_plan *plan, enum weight weight, int layer) {
    if (weight == WEIGHT_ROPE_DIVISOR) return has(plan, weight, 0);
    return gguf_layout_has(&plan->desc, weight, layer) && has(plan, weight, layer);
}

static enum dtype type_of(const struct quantize_plan *plan, const struct quantize_item *item) {
    const struct quantize_options *options = plan->options;
    enum dtype type = gguf_layout_type(&plan->desc, options->mix, item->weight, item->layer, item->columns);
    if (weight_rows()[item->weight].kind != WEIGHT_MATRIX) return type;
    for (int i = 0; i < options->overrides; i++)
        if (!fnmatch(options->override[i].pattern, item->name, 0))
            type = gguf_layout_fitting(options->override[i].type, item->weight, item->columns);
    return type;
}

static enum status append(struct quantize_plan *plan, const struct quantize_item *item) {
    if (plan->items == plan->capacity) {
        size_t capacity = plan->capacity ? plan->capacity * 2 : 256;
        struct quantize_item *grown = realloc(plan->item, capacity * sizeof *grown);
        if (!grown) return fail(STATUS_MEMORY, "no memory for a list of %zu tensors", capacity);
        plan->item = grown;
        plan->capacity = capacity;
    }
    plan->item[plan->items++] = *item;
    return STATUS_OK;
}

/* Its entry, of the right shape, where the format can make use of it. */
static enum status find_importance(const struct quantize_plan *plan, struct quantize_item *item) {
    const float *mean;
    if (!dtype_traits(item->dtype)->fit) return STATUS_OK;
    item->importance = imatrix_find(&plan->imatrix, item->name);
    if (!item->importance) return STATUS_OK;
    enum status status =
        imatrix_columns(item->importance, item->rows / item->matrix_rows, 0, item->columns, &mean);
    return status == STATUS_OK ? status : fail_within(status, "%s", plan->options->imatrix);
}

static enum status append_weight(struct quantize_plan *plan, enum weight weight, int layer) {
    struct quantize_item item = {.weight = weight, .layer = layer, .rows = 1};
    item.rank = gguf_layout_shape(&plan->desc, weight, item.shape);
    item.columns = item.shape[item.rank - 1];
    for (int i = 0; i < item.rank - 1; i++)
        item.rows *= item.shape[i]; /* a description's limits keep it small */
    item.matrix_rows = item.rank == 1 ? 1 : item.shape[item.rank - 2];
    item.chunk_rows = min_i64(item.rows, max_i64(1, CHUNK_ELEMENTS / item.columns));
    weight_name(&weight_rows()[weight], true, layer, 0, item.name, sizeof item.name);
    item.dtype = type_of(plan, &item);
    TRY(find_importance(plan, &item));
    if (!dtype_row_bytes(item.dtype, item.columns, &item.row_bytes) ||
        !multiply_fits(item.rows, item.row_bytes, &item.bytes) ||
        !add_fits(plan->bytes, item.bytes, &plan->bytes))
        return fail(STATUS_LIMIT, "%s: the weights are too many", plan->options->source);
    return append(plan, &item);
}

static enum status append_all(struct quantize_plan *plan) {
    int layers = plan->desc.layers + plan->desc.mtp_layers;
    for (int w = 0; w < WEIGHT_COUNT; w++)
        if (weight_rows()[w].copies == PER_MODEL && is_written(plan, (enum weight)w, 0))
            TRY(append_weight(plan, (enum weight)w, 0));
    for (int layer = 0; layer < layers; layer++)
        for (int w = 0; w < WEIGHT_COUNT; w++)
            if (weight_rows()[w].copies != PER_MODEL && is_written(plan, (enum weight)w, layer))
                TRY(append_weight(plan, (enum weight)w, layer));
    return STATUS_OK;
}

/* ---- what is asked for ---- */

static enum status check_type(enum dtype type) {
    const struct dtype_traits *traits = dtype_traits(type);
    if (traits->encode && traits->gguf_type >= 0) return STATUS_OK;
    return fail(STATUS_USAGE, "type %s cannot be written to GGUF", traits->name);
}

static enum status check_options(const struct quantize_options *options) {
    TRY(check_type(options->mix.type));
    TRY(gguf_mix_check(options->mix));
    for (int i = 0; i < options->overrides; i++) TRY(check_type(options->override[i].type));
    return STATUS_OK;
}

/* A pattern without effect is a mistyped one. */
static enum status check_overrides(const struct quantize_plan *plan) {
    for (int o = 0; o < plan->options->overrides; o++) {
        const char *pattern = plan->options->override[o].pattern;
        bool used = false;
        for (size_t i = 0; i < plan->items && !used; i++)
            used = weight_rows()[plan->item[i].weight].kind == WEIGHT_MATRIX &&
                   !fnmatch(pattern, plan->item[i].name, 0);
        if (!used)
            return fail(STATUS_USAGE,
                        "pattern \"%.100s\" matches no tensor that may be quantised, such as %s", pattern,
                        plan->item[0].name);
    }
    return STATUS_OK;
}

enum status quantize_plan_open(struct quantize_plan *plan, const struct quantize_options *options) {
    *plan = (struct quantize_plan){.options = options};
    TRY(check_options(options));
    TRY(open_source(plan));
    TRY(append_all(plan));
    return check_overrides(plan);
}

void quantize_plan_close(struct quantize_plan *plan) {
    weights_free(&plan->weights);
    checkpoint_close(&plan->checkpoint);
    imatrix_close(&plan->imatrix);
    free(plan->rope);
    free(plan->item);
    *plan = (struct quantize_plan){0};
}

/* ---- where the numbers come from ---- */

bool quantize_is_transposed(const struct quantize_plan *plan, const struct quantize_item *item) {
    return item->weight == WEIGHT_K_B && !weights_matrix(&plan->weights, WEIGHT_K_B, item->layer, 0);
}

/* Row `row` of v_b in kv_b, whose rows are each head's keys and then its values. */
static int64_t row_of_values(const struct model_desc *desc, int64_t row) {
    int64_t head = row / desc->value_dim, width = (int64_t)desc->nope_dim + desc->value_dim;
    return head * width + desc->nope_dim + row % desc->value_dim;
}

/* A head's rows i and i + dim/2 are rotated together in a directory, rows 2i and 2i + 1 in GGUF. */
int64_t quantize_interleaved(const struct quantize_plan *plan, int64_t row) {
    int64_t dim = plan->desc.head_dim, inside = row % dim;
    return row - inside + inside / 2 + inside % 2 * (dim / 2);
}

struct tensor quantize_source_row(const struct quantize_plan *plan, const struct quantize_item *item,
                                  int64_t row, int64_t *source_row) {
    const struct weights *weights = &plan->weights;
    enum weight weight = item->weight;
    *source_row = row;
    if (weight == WEIGHT_ROPE_DIVISOR && plan->rope)
        return (struct tensor){.data = plan->rope, .dtype = DTYPE_F32, .rank = 1, .shape = {item->columns}};
    if (weight == WEIGHT_V_B && !weights_matrix(weights, WEIGHT_V_B, item->layer, 0)) {
        *source_row = row_of_values(&plan->desc, row);
        weight = WEIGHT_KV_B;
    }
    bool stacked = weight_rows()[weight].copies == PER_EXPERT;
    struct tensor found =
        *weights_matrix(weights, weight, item->layer, stacked ? (int)(row / item->matrix_rows) : 0);
    if (stacked) *source_row = row % item->matrix_rows;
    if (found.rank == 3) {
        found = tensor_matrix(&found, row / item->matrix_rows);
        *source_row = row % item->matrix_rows;
    }
    if (plan->interleaves && (weight == WEIGHT_Q || weight == WEIGHT_K))
        *source_row = quantize_interleaved(plan, row);
    return found;
}
