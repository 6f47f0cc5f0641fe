/* later.c - see later.h. Dimensions are those of the published config.json files; what each is multiplied by follows the published
 * inference code (deepseek-ai's repositories of V3.2-Exp, V4-Flash and V4-Pro). */
#include "plan/later.h"

#include "base/json.h"
#include "model/gguf_layout.h"

#include <stdlib.h>
#include <string.h>

enum { VOCABULARY = 129280, INDEX_HEADS = 64, INDEX_DIM = 128, HEAD_DIM = 512, WINDOW = 128, STREAMS = 4 };
/* Entries of the cache as FlashMLA lays them out: 448 values of FP8 with a scale for each 64 and 64 values of BF16; the index
 * has 128 values of FP4 with a scale for each 32. V3.2: 512 values of FP8, 4 scales and 64 values of BF16; 128 values of FP8 and
 * a scale. */
static const double entry_bytes = 584, index_bytes = 68, entry_bytes_v32 = 656, index_bytes_v32 = 132;

struct later_model {
    const char *name;
    const char *like; /* a model that hadal runs, with an index in every layer; NULL: all of the following */
    int width, layers, heads;   /* heads of 512 */
    int q_rank, groups, o_rank; /* of the output's two matrices */
    int experts, used, inner;
    int fine, coarse; /* layers that keep every 4th and every 128th entry; the others keep a window alone */
    int top;          /* entries that the index chooses */
};

static const struct later_model models[] = {
    {"deepseek-v3.2", "deepseek-v3", 7168, 61, 128, 1536, 0, 0, 256, 8, 2048, 0, 0, 2048},
    {"deepseek-v4-flash", NULL, 4096, 43, 64, 1024, 8, 1024, 256, 6, 2048, 21, 20, 512},
    {"deepseek-v4-pro", NULL, 7168, 61, 128, 1536, 16, 1024, 384, 6, 3072, 30, 31, 1024},
};

const struct later_model *later_find(const char *name) {
    for (size_t i = 0; i < COUNT_OF(models); i++)
        if (!strcmp(models[i].name, name)) return &models[i];
    return NULL;
}

const char *later_name(int index) {
    return index >= 0 && (size_t)index < COUNT_OF(models) ? models[index].name : NULL;
}

/* ---- bytes of a weight ---- */

struct widths {
    double matrix, expert, plain; /* bytes; plain: tables, routers, what pools entries */
};

static enum status widths_of(const char *type, struct widths *widths) {
    const double fp8 = 1 + 4.0 / (128 * 128), fp4 = 0.5 + 1.0 / 32;
    struct gguf_mix mix;
    widths->plain = 2;
    if (!strcmp(type, "bf16"))
        widths->matrix = widths->expert = 2;
    else if (!strcmp(type, "fp8"))
        widths->matrix = widths->expert = fp8;
    else if (!strcmp(type, "native"))
        *widths = (struct widths){fp8, fp4, 2};
    else if (gguf_mix_from_name(type, &mix)) {
        const struct dtype_traits *traits = dtype_traits(mix.type);
        widths->matrix = widths->expert = (double)traits->block_bytes / (double)traits->block_elements;
        widths->plain = widths->matrix;
    } else
        return fail(STATUS_USAGE, "--type %.40s: native, bf16, fp8, or a type that hadal quantize takes",
                    type);
    return STATUS_OK;
}

/* ---- V4 ---- */

/* Matrices of a layer that every token is multiplied by, but for experts, and what pools. */
static double attention_weights(const struct later_model *m) {
    double q = (double)m->q_rank * m->width + (double)m->heads * HEAD_DIM * m->q_rank;
    double output = (double)m->o_rank * m->heads * HEAD_DIM + (double)m->width * m->groups * m->o_rank;
    return q + (double)HEAD_DIM * m->width + output;
}

static double pooling_weights(const struct later_model *m) {
    double of_index = (double)INDEX_HEADS * INDEX_DIM * m->q_rank + (double)INDEX_HEADS * m->width +
                      2.0 * 2 * INDEX_DIM * m->width;
    return m->fine * (of_index + 2.0 * 2 * HEAD_DIM * m->width) + m->coarse * 2.0 * HEAD_DIM * m->width;
}

static double plain_weights(const struct later_model *m) {
    double mixing = 2.0 * 24 * STREAMS * m->width; /* what mixes the streams before either sublayer */
    return m->layers * (mixing + (double)m->experts * m->width);
}

static void set_attention(const struct later_model *m, struct plan_shape *shape) {
    const double entry_ops = 2.0 * 2 * HEAD_DIM * m->heads; /* a score and a sum for each head */
    const double index_ops = 2.0 * INDEX_HEADS * INDEX_DIM;
    shape->kv_bytes = m->fine * (entry_bytes + index_bytes) / 4 + m->coarse * entry_bytes / 128;
    shape->kv_read = m->fine * index_bytes / 4 + m->coarse * entry_bytes / 128;
    shape->attended = 4.0 * m->top;
    shape->ops_row += m->layers * WINDOW * entry_ops;
    shape->ops_decode_context = shape->ops_prompt_context = m->fine * entry_ops / 4;
    shape->ops_index_context = m->fine * index_ops / 4 + m->coarse * entry_ops / 128;
}

static void sum_up(const struct later_model *m, const struct widths *widths, struct plan_shape *shape) {
    const double expert = 3.0 * m->inner * m->width; /* a shared one has the same shape */
    const double table = (double)VOCABULARY * m->width;
    const double matrices = m->layers * (attention_weights(m) + expert),
                 plain = plain_weights(m) + pooling_weights(m);
    shape->parameters = 2 * table + matrices + plain + (double)m->layers * m->experts * expert;
    shape->active = table + matrices + plain + (double)m->layers * m->used * expert;
    shape->expert_bytes = m->layers * expert * widths->expert;
    shape->fixed_bytes = matrices * widths->matrix + (plain + table) * widths->plain;
    shape->weight_bytes = shape->fixed_bytes + table * widths->plain + m->experts * shape->expert_bytes;
    shape->experts = m->experts;
    shape->experts_used = m->used;
    shape->ops_head = 2 * table;
    shape->ops_row = 2 * (shape->active - table);
    /* streams, and the widest that a row takes of queries and experts */
    shape->activation_bytes =
        512 * 4.0 * (STREAMS * 2.0 * m->width + (double)m->heads * HEAD_DIM + 2.0 * m->used * m->inner);
    set_attention(m, shape);
}

/* ---- V3.2 ---- */

static enum status add_index(struct plan_shape *shape, const struct later_model *m, const char *type) {
    struct widths widths;
    const double weights = m->layers * ((double)INDEX_HEADS * INDEX_DIM * m->q_rank +
                                        (double)(INDEX_DIM + INDEX_HEADS) * m->width);
    TRY(widths_of(type, &widths));
    shape->parameters += weights;
    shape->active += weights;
    shape->weight_bytes += weights * widths.matrix;
    shape->fixed_bytes += weights * widths.matrix;
    shape->ops_row += 2 * weights;
    shape->kv_bytes = m->layers * (entry_bytes_v32 + index_bytes_v32);
    shape->kv_read = m->layers * index_bytes_v32;
    shape->attended = m->top;
    shape->ops_index_context = m->layers * 2.0 * INDEX_HEADS * INDEX_DIM;
    shape->ops_prompt_context =
        shape->ops_decode_context; /* chosen entries are attended to in the absorbed form */
    return STATUS_OK;
}

static enum status shape_with_index(struct plan_shape *shape, const struct later_model *m, const char *type) {
    const char *text = model_preset_config(m->like);
    struct model_desc *desc = malloc(sizeof *desc);
    json_t *config = NULL;
    if (!desc) return fail(STATUS_MEMORY, "no memory for a model's description");
    if (!strcmp(type, "native")) type = "fp8";
    enum status status = json_parse(text, strlen(text), m->like, &config);
    if (status == STATUS_OK) status = model_desc_from_config(desc, config, m->like);
    if (status == STATUS_OK) status = plan_shape_of(shape, desc, type, DTYPE_BF16);
    if (status == STATUS_OK) status = add_index(shape, m, type);
    json_decref(config);
    free(desc);
    return status;
}

enum status later_shape_of(struct plan_shape *shape, const struct later_model *model, const char *type) {
    struct widths widths;
    *shape = (struct plan_shape){.type = type};
    if (model->like) {
        TRY(shape_with_index(shape, model, type));
    } else {
        TRY(widths_of(type, &widths));
        sum_up(model, &widths, shape);
    }
    shape->type = type;
    shape->bits = 8 * shape->weight_bytes / shape->parameters;
    return STATUS_OK;
}
