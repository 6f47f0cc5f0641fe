/* shape.c - loops over the weight table; see shape.h. */
#include "plan/shape.h"

#include "base/bytes.h"
#include "model/activations.h"
#include "model/gguf_layout.h"
#include "model/kv_planes.h"
#include "model/weight_table.h"

#include <string.h>

enum { CHUNK_ROWS = 512, FP8_BLOCK = 128 };

static const char *const types[] = {"bf16",   "fp8",  "q8_0", "q6_k", "q5_k_m",
                                    "q4_k_m", "q3_k", "q2_k", "iq1_s"};

const char *plan_type_at(int index) {
    return index >= 0 && (size_t)index < COUNT_OF(types) ? types[index] : NULL;
}

struct sums {
    const struct model_desc *desc;
    bool plain, fp8; /* a directory in bf16 or fp8; otherwise GGUF of `mix` */
    struct gguf_mix mix;
    struct plan_shape *shape;
};

static enum dtype type_of(const struct sums *sums, enum weight weight, int layer, int64_t columns) {
    const struct weight_row *row = &weight_rows()[weight];
    if (sums->fp8 && row->kind == WEIGHT_MATRIX && !row->by_rows && weight != WEIGHT_HEAD)
        return DTYPE_F8_E4M3;
    return sums->plain ? DTYPE_BF16 : gguf_layout_type(sums->desc, sums->mix, weight, layer, columns);
}

/* Of one copy: an expert, not all. */
static double bytes_of(const struct sums *sums, enum weight weight, int layer, const int64_t shape[3],
                       int rank) {
    double elements = 1;
    int64_t columns = shape[rank - 1], row_bytes;
    enum dtype type = type_of(sums, weight, layer, columns);
    for (int i = 0; i < rank; i++) elements *= (double)shape[i];
    if (type == DTYPE_F8_E4M3)
        return elements + 4 * (double)divide_up(shape[0], FP8_BLOCK) * (double)divide_up(columns, FP8_BLOCK);
    if (!dtype_row_bytes(type, columns, &row_bytes)) row_bytes = 4 * columns;
    return elements / (double)columns * (double)row_bytes;
}

static bool is_there(const struct sums *sums, enum weight weight, int layer) {
    bool split = weight == WEIGHT_K_B || weight == WEIGHT_V_B;
    if (sums->plain) return weight_exists(sums->desc, weight, layer) && !weight_rows()[weight].alternative;
    return gguf_layout_has(sums->desc, weight, layer) && (split || !weight_rows()[weight].alternative);
}

static void add(struct sums *sums, enum weight weight, int layer) {
    struct plan_shape *to = sums->shape;
    const struct weight_row *row = &weight_rows()[weight];
    int64_t shape[3];
    int rank = weight_shape(sums->desc, weight, shape);
    bool expert = row->copies == PER_EXPERT, matrix = row->kind != WEIGHT_VECTOR && weight != WEIGHT_EMBED;
    double bytes = bytes_of(sums, weight, layer, shape, rank), operations = 2;
    for (int i = 0; i < rank; i++) operations *= (double)shape[i];
    if (row->copies != PER_MODEL && layer >= sums->desc->layers) {
        to->mtp_bytes += bytes * (expert ? sums->desc->experts : 1);
        return;
    }
    to->weight_bytes += bytes * (expert ? sums->desc->experts : 1);
    if (expert)
        to->expert_bytes += bytes;
    else if (weight != WEIGHT_EMBED || sums->desc->tied_head)
        to->fixed_bytes += bytes;
    if (weight == WEIGHT_HEAD || (weight == WEIGHT_EMBED && sums->desc->tied_head))
        to->ops_head += operations;
    else if (matrix)
        to->ops_row += operations * (expert ? sums->desc->experts_used : 1);
}

static void add_contexts(const struct model_desc *desc, struct plan_shape *shape) {
    for (int layer = 0; layer < desc->layers; layer++) {
        bool latent = desc->layer[layer].attention == ATTEND_LATENT;
        double prompt = latent ? desc->nope_dim + desc->rope_dim + desc->value_dim : 2 * desc->head_dim;
        double decode = latent ? 2 * desc->kv_rank + desc->rope_dim : 2 * desc->head_dim;
        shape->ops_prompt_context += 2.0 * desc->heads * prompt;
        shape->ops_decode_context += 2.0 * desc->heads * decode;
    }
}

static enum status read_type(struct sums *sums, const char *type) {
    sums->fp8 = !strcmp(type, "fp8");
    sums->plain = sums->fp8 || !strcmp(type, "bf16");
    if (sums->plain || gguf_mix_from_name(type, &sums->mix)) return STATUS_OK;
    return fail(STATUS_USAGE, "--type %.40s: bf16, fp8, or a type that hadal quantize takes", type);
}

enum status plan_shape_of(struct plan_shape *shape, const struct model_desc *desc, const char *type,
                          enum dtype kv_type) {
    struct sums sums = {.desc = desc, .shape = shape};
    struct kv_plane plane[KV_PLANES];
    struct parameter_counts counts = model_parameters(desc);
    *shape = (struct plan_shape){.type = type,
                                 .parameters = (double)counts.total,
                                 .active = (double)counts.active,
                                 .experts = desc->experts,
                                 .experts_used = desc->experts_used};
    TRY(read_type(&sums, type));
    TRY(kv_planes_of(desc, kv_type, plane));
    shape->kv_bytes = shape->kv_read = (double)kv_bytes_per_token(desc, plane, false);
    for (int w = 0; w < WEIGHT_COUNT; w++) {
        bool model = weight_rows()[w].copies == PER_MODEL;
        for (int layer = 0; layer < (model ? 1 : desc->layers + desc->mtp_layers); layer++)
            if (is_there(&sums, (enum weight)w, layer)) add(&sums, (enum weight)w, layer);
    }
    add_contexts(desc, shape);
    shape->bits = 8 * shape->weight_bytes / shape->parameters;
    shape->activation_bytes = (double)activations_bytes(desc, CHUNK_ROWS);
    return STATUS_OK;
}

enum status plan_each_matrix(const struct model_desc *desc, const char *type,
                             void (*take)(void *context, const struct plan_matrix *matrix), void *context) {
    struct sums sums = {.desc = desc};
    TRY(read_type(&sums, type));
    for (int w = 0; w < WEIGHT_COUNT; w++) {
        const struct weight_row *row = &weight_rows()[w];
        enum weight weight = (enum weight)w;
        bool tied = weight == WEIGHT_EMBED && desc->tied_head;
        if (row->kind == WEIGHT_VECTOR || (weight == WEIGHT_EMBED && !tied)) continue;
        for (int layer = 0; layer < (row->copies == PER_MODEL ? 1 : desc->layers); layer++) {
            int64_t shape[3];
            if (!is_there(&sums, weight, layer)) continue;
            int rank = weight_shape(desc, weight, shape);
            struct plan_matrix matrix = {type_of(&sums, weight, layer, shape[rank - 1]), 1,
                                         row->copies == PER_EXPERT, weight == WEIGHT_HEAD || tied};
            for (int i = 0; i < rank; i++) matrix.elements *= (double)shape[i];
            take(context, &matrix);
        }
    }
    return STATUS_OK;
}

/* ---- into sheets ---- */

struct field {
    const char *name;
    double value;
};

static enum status fill(struct sheet *sheet, const struct field *field, int fields, const char *source) {
    for (int i = 0; i < fields; i++) {
        int row = sheet_find(sheet->kind, field[i].name);
        if (row >= 0 && sheet->kind->row[row].kind == ROW_INPUT)
            TRY(sheet_set(sheet, field[i].name, field[i].value, source));
    }
    return STATUS_OK;
}

enum status plan_fill_shape(struct sheet *sheet, const struct plan_shape *shape) {
    const struct field fields[] = {
        {"parameters", shape->parameters},
        {"active", shape->active},
        {"weight_bytes", shape->weight_bytes},
        {"fixed_bytes", shape->fixed_bytes},
        {"expert_bytes", shape->expert_bytes},
        {"experts", shape->experts},
        {"experts_used", shape->experts_used},
        {"kv_bytes", shape->kv_bytes},
        {"ops_row", shape->ops_row},
        {"ops_head", shape->ops_head},
        {"ops_prompt_context", shape->ops_prompt_context},
        {"ops_decode_context", shape->ops_decode_context},
        {"ops_index_context", shape->ops_index_context},
        {"attended", shape->attended},
        {"kv_read", shape->kv_read},
        {"activation_bytes", shape->activation_bytes},
    };
    return fill(sheet, fields, COUNT_OF(fields), "the model's description");
}

enum status plan_fill_hardware(struct sheet *sheet, const struct hardware *hardware, double bits) {
    const struct field fields[] = {
        {"memory", hardware->memory},
        {"bandwidth", hardware->bandwidth},
        {"peak", hardware_peak(hardware, bits)},
        {"watts", hardware->watts},
        {"device_price", hardware->price},
        {"hour", hardware->hour},
    };
    return fill(sheet, fields, COUNT_OF(fields), hardware->source);
}
