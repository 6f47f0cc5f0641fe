/* inspect_json.c - an inspection as one JSON object. */
#include "base/bytes.h"
#include "cli/inspect.h"
#include "kernel/panel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int64_t inspect_tensor_bytes(const struct tensor *tensor) {
    int64_t bytes = tensor_bytes(tensor), rows, columns;
    if (!tensor->scale) return bytes;
    rows = divide_up(tensor->shape[tensor->rank - 2], tensor->block[0]);
    columns = divide_up(tensor->shape[tensor->rank - 1], tensor->block[1]);
    return bytes + rows * columns * dtype_traits(tensor->scale_dtype)->block_bytes;
}

enum { USUAL_WIDTH = 256 }; /* a row of whole units in every format */

struct type_sum inspect_type(const struct inspection *inspection, enum dtype dtype) {
    struct type_sum sum = {0};
    const struct tensor_list *tensors = &inspection->checkpoint.tensors;
    for (size_t i = 0; i < tensors->count; i++) {
        const struct tensor *tensor = &tensors->item[i].tensor;
        if (tensor->dtype != dtype) continue;
        sum.tensors++;
        sum.values += tensor_elements(tensor);
        sum.bytes += inspect_tensor_bytes(tensor);
    }
    enum panel_format format = panel_format_for(dtype, USUAL_WIDTH);
    sum.panels = format == PANEL_NONE ? NULL : panel_format_name(format);
    sum.exact = panel_is_exact(format, dtype);
    return sum;
}

/* Names come from files and may be no UTF-8, which JSON cannot hold. */
static json_t *text(const char *value) {
    json_t *string = value ? json_string(value) : json_null();
    if (string) return string;
    char *copy = strdup(value);
    for (char *at = copy; at && *at; at++)
        if ((unsigned char)*at >= 0x80) *at = '?';
    string = copy ? json_string(copy) : NULL;
    free(copy);
    return string;
}

static json_t *whole(int64_t value) {
    return json_integer((json_int_t)value);
}

static json_t *attention(const struct model_desc *d) {
    if (d->layer[0].attention == ATTEND_GROUPED)
        return json_pack("{s:s, s:i, s:i, s:i}", "kind", "grouped", "heads", d->heads, "kv_heads",
                         d->kv_heads, "head_dim", d->head_dim);
    return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i}", "kind", "latent", "heads", d->heads, "q_rank",
                     d->q_rank, "kv_rank", d->kv_rank, "nope_dim", d->nope_dim, "rope_dim", d->rope_dim,
                     "value_dim", d->value_dim);
}

static int expert_layers(const struct model_desc *d) {
    int count = 0;
    for (int i = 0; i < d->layers; i++) count += d->layer[i].ffn == FFN_EXPERTS;
    return count;
}

static json_t *experts(const struct model_desc *d) {
    static const char *const routers[] = {[ROUTE_SOFTMAX_GREEDY] = "softmax",
                                          [ROUTE_GROUP_LIMITED] = "softmax, group limited",
                                          [ROUTE_SIGMOID_BIASED] = "sigmoid, biased"};
    if (!d->experts) return json_null();
    return json_pack("{s:i, s:I, s:i, s:i, s:i, s:i, s:i, s:s, s:f}", "layers", expert_layers(d), "width",
                     (json_int_t)d->expert_ffn, "count", d->experts, "used", d->experts_used, "shared",
                     d->shared_experts, "groups", d->expert_groups, "groups_used", d->groups_used, "router",
                     routers[d->layer[d->layers - 1].router], "scale", d->routed_scale);
}

static json_t *rope(const struct model_desc *d) {
    static const char *const kinds[] = {
        [ROPE_PLAIN] = "plain", [ROPE_LINEAR] = "linear", [ROPE_YARN] = "yarn", [ROPE_LLAMA3] = "llama3"};
    json_t *object = json_pack("{s:s, s:f}", "kind", kinds[d->rope.scaling], "base", d->rope.base);
    if (object && d->rope.scaling != ROPE_PLAIN) {
        json_object_set_new(object, "factor", json_real(d->rope.factor));
        json_object_set_new(object, "original_context", whole(d->rope.original_context));
    }
    return object;
}

static json_t *end_tokens(const struct model_desc *d) {
    json_t *list = json_array();
    for (int i = 0; i < d->eos_count; i++) json_array_append_new(list, json_integer(d->eos[i]));
    return list;
}

static json_t *tensor_object(const struct named_tensor *item) {
    const struct tensor *tensor = &item->tensor;
    json_t *object = json_object(), *shape = json_array();
    for (int i = 0; i < tensor->rank; i++) json_array_append_new(shape, whole(tensor->shape[i]));
    json_object_set_new(object, "name", text(item->name));
    json_object_set_new(object, "dtype", json_string(dtype_traits(tensor->dtype)->name));
    json_object_set_new(object, "shape", shape);
    json_object_set_new(object, "bytes", whole(inspect_tensor_bytes(tensor)));
    json_object_set_new(object, "file", text(item->path));
    return object;
}

static void set_sizes(const struct inspection *inspection, json_t *root) {
    const struct model_desc *d = &inspection->desc;
    const struct {
        const char *name;
        int64_t value;
    } sizes[] = {
        {"parameters", inspection->parameters.total},
        {"active_parameters", inspection->parameters.active},
        {"mtp_parameters", inspection->parameters.mtp},
        {"bytes", inspection->bytes},
        {"file_bytes", checkpoint_bytes(&inspection->checkpoint)},
        {"kv_bytes_per_token", inspection->kv_bytes},
        {"layers", d->layers},
        {"mtp_layers", d->mtp_layers},
        {"width", d->width},
        {"feed_forward", d->dense_ffn},
        {"vocabulary", d->vocab},
        {"context", d->context},
    };
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        json_object_set_new(root, sizes[i].name, whole(sizes[i].value));
}

static json_t *types(const struct inspection *inspection) {
    json_t *list = json_array();
    for (enum dtype t = 0; t < DTYPE_COUNT; t++) {
        struct type_sum sum = inspect_type(inspection, t);
        if (!sum.tensors) continue;
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:I, s:I, s:s?, s:b}", "dtype", dtype_traits(t)->name, "tensors",
                            (json_int_t)sum.tensors, "values", (json_int_t)sum.values, "bytes",
                            (json_int_t)sum.bytes, "panels", sum.panels, "exact", sum.exact || !sum.panels));
    }
    return list;
}

static json_t *inspection_object(const struct inspection *inspection) {
    const struct model_desc *d = &inspection->desc;
    const struct tensor_list *tensors = &inspection->checkpoint.tensors;
    json_t *root = json_object(), *list = json_array();
    json_object_set_new(root, "model", text(inspection->model));
    json_object_set_new(root, "form", json_string(inspection->form));
    json_object_set_new(root, "architecture", text(d->architecture));
    set_sizes(inspection, root);
    json_object_set_new(root, "kv_type", json_string(dtype_traits(inspection->kv_type)->name));
    json_object_set_new(root, "attention", attention(d));
    json_object_set_new(root, "experts", experts(d));
    json_object_set_new(root, "rope", rope(d));
    json_object_set_new(root, "tied_head", json_boolean(d->tied_head));
    json_object_set_new(root, "bos", d->bos < 0 ? json_null() : json_integer(d->bos));
    json_object_set_new(root, "eos", end_tokens(d));
    json_object_set_new(root, "template", text(inspection->template));
    json_object_set_new(root, "problem", text(*inspection->problem ? inspection->problem : NULL));
    json_object_set_new(root, "types", types(inspection));
    json_object_set_new(root, "tensors", list);
    for (size_t i = 0; i < tensors->count; i++) json_array_append_new(list, tensor_object(&tensors->item[i]));
    return root;
}

enum status inspect_print_json(const struct inspection *inspection, FILE *stream) {
    json_t *root = inspection_object(inspection);
    int failed = json_dumpf(root, stream, JSON_COMPACT);
    json_decref(root);
    if (failed) return fail(STATUS_IO, "cannot print the result: %s", errno ? strerror(errno) : "no memory");
    fputc('\n', stream);
    return STATUS_OK;
}
