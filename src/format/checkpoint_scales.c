/* checkpoint_scales.c - FP8 of the published DeepSeek checkpoints: X.weight holds e4m3 numbers,
 * X.weight_scale_inv one multiplier per block, wherever it lies. Works on the sorted list alone. */
#include "base/bytes.h"
#include "format/checkpoint_load.h"

#include <string.h>

enum { DEFAULT_BLOCK = 128 };

static const char suffix[] = "_scale_inv";

static bool is_scale(const char *name) {
    size_t bytes = strlen(name), tail = sizeof suffix - 1;
    return bytes > tail && !strcmp(name + bytes - tail, suffix);
}

static enum status read_block(const struct checkpoint *checkpoint, uint16_t block[2]) {
    const json_t *quantization = json_object_get(checkpoint->config, "quantization_config");
    block[0] = block[1] = DEFAULT_BLOCK;
    if (!quantization || json_is_null(quantization)) return STATUS_OK;
    if (!json_is_object(quantization))
        return fail(STATUS_FORMAT, "%s/config.json: field \"quantization_config\" must be an object",
                    checkpoint->path);
    const json_t *method = json_object_get(quantization, "quant_method");
    if (method && (!json_is_string(method) || strcmp(json_string_value(method), "fp8")))
        return fail(STATUS_UNSUPPORTED, "%s/config.json: quant_method \"%.40s\" is not supported, only fp8",
                    checkpoint->path, json_is_string(method) ? json_string_value(method) : "?");
    const json_t *size = json_object_get(quantization, "weight_block_size");
    if (!size || json_is_null(size)) return STATUS_OK;
    for (size_t i = 0; i < 2; i++) {
        const json_t *extent = json_array_get(size, i);
        json_int_t whole = json_integer_value(extent);
        if (json_array_size(size) != 2 || !json_is_integer(extent) || whole < 1 || whole > UINT16_MAX)
            return fail(STATUS_FORMAT,
                        "%s/config.json: field \"weight_block_size\" must be two numbers from 1 to %d",
                        checkpoint->path, UINT16_MAX);
        block[i] = (uint16_t)whole;
    }
    return STATUS_OK;
}

static enum status check_scale(const struct named_tensor *scale, const struct named_tensor *weight,
                               const uint16_t block[2]) {
    const struct tensor *s = &scale->tensor, *w = &weight->tensor;
    if (w->dtype != DTYPE_F8_E4M3 || w->rank != 2)
        return fail(STATUS_FORMAT, "%s: tensor %s belongs to a %s tensor of %d dimensions, expected %s of 2",
                    scale->path, scale->name, dtype_traits(w->dtype)->name, w->rank,
                    dtype_traits(DTYPE_F8_E4M3)->name);
    if (s->dtype != DTYPE_F32 && s->dtype != DTYPE_BF16 && s->dtype != DTYPE_F8_E8M0)
        return fail(STATUS_UNSUPPORTED, "%s: tensor %s has type %s, scales must be F32, BF16 or F8_E8M0",
                    scale->path, scale->name, dtype_traits(s->dtype)->name);
    int64_t rows = divide_up(w->shape[0], block[0]), columns = divide_up(w->shape[1], block[1]);
    if (s->rank != 2 || s->shape[0] != rows || s->shape[1] != columns)
        return fail(STATUS_FORMAT,
                    "%s: tensor %s: shape [%lld, %lld], expected [%lld, %lld] for a weight of [%lld, %lld] "
                    "in blocks of %d x %d",
                    scale->path, scale->name, (long long)(s->rank > 0 ? s->shape[0] : 1),
                    (long long)(s->rank > 1 ? s->shape[1] : 1), (long long)rows, (long long)columns,
                    (long long)w->shape[0], (long long)w->shape[1], block[0], block[1]);
    return STATUS_OK;
}

static enum status pair(const struct tensor_list *list, const struct named_tensor *scale,
                        const uint16_t block[2]) {
    char name[TENSOR_NAME_BYTES + 1] = {0};
    memcpy(name, scale->name, strlen(scale->name) - (sizeof suffix - 1));
    const struct named_tensor *found = tensor_list_find(list, name);
    if (!found) return fail(STATUS_FORMAT, "%s: tensor %s has no weight %s", scale->path, scale->name, name);
    TRY(check_scale(scale, found, block));
    struct tensor *weight = &list->item[found - list->item].tensor;
    weight->scale = scale->tensor.data;
    weight->scale_dtype = scale->tensor.dtype;
    weight->block[0] = block[0];
    weight->block[1] = block[1];
    return STATUS_OK;
}

enum status checkpoint_pair_scales(struct checkpoint *checkpoint) {
    struct tensor_list *list = &checkpoint->tensors;
    uint16_t block[2];
    TRY(read_block(checkpoint, block));
    for (size_t i = 0; i < list->count; i++)
        if (is_scale(list->item[i].name)) TRY(pair(list, &list->item[i], block));
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct named_tensor *item = &list->item[i];
        if (is_scale(item->name)) continue;
        if (item->tensor.dtype == DTYPE_F8_E4M3 && !item->tensor.scale)
            return fail(STATUS_UNSUPPORTED,
                        "%s: tensor %s is F8_E4M3 without %s%s; only FP8 with block scales is supported",
                        item->path, item->name, item->name, suffix);
        list->item[kept++] = *item;
    }
    list->count = kept;
    return STATUS_OK;
}
