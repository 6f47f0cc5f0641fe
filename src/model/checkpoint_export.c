/* checkpoint_export.c - walks the weight table twice: to declare the tensors, then to write them, a strip of 128 rows at a time. */
#include "model/checkpoint_export.h"

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/disk_room.h"
#include "base/file_write.h"
#include "format/safetensors.h"
#include "model/weights.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 128, PATH_BYTES = 4096, NAME_BYTES = 192, SMALL_FILE = 256 << 20 };
#define E4M3_MOST 448.0f

struct exporter {
    const struct checkpoint_export_options *options;
    struct checkpoint_export_result *result;
    struct checkpoint checkpoint;
    struct model_desc desc;
    struct weights weights;
    struct safetensors_writer *writer;
    float *strip;     /* [BLOCK, widest] */
    uint8_t *encoded; /* of a strip */
    float *scale;     /* of the tensor at hand */
    int64_t widest, scales_most, total, done;
    char partial[PATH_BYTES];
};

/* One weight of the files. */
struct item {
    const struct tensor *tensor;
    enum weight weight;
    int layer, expert;
    char name[NAME_BYTES];
    enum dtype dtype;
    int rank;
    int64_t rows, columns, shape[TENSOR_MAX_RANK];
};

/* FP8 as published checkpoints have it. */
static enum dtype type_of(enum weight weight, enum dtype wanted) {
    bool table = weight == WEIGHT_EMBED || weight == WEIGHT_HEAD || weight == WEIGHT_MTP_EMBED ||
                 weight == WEIGHT_MTP_HEAD;
    if (weight == WEIGHT_ROUTER_BIAS) return DTYPE_F32;
    if (wanted != DTYPE_F8_E4M3) return wanted;
    return !table && weight_rows()[weight].kind == WEIGHT_MATRIX ? DTYPE_F8_E4M3 : DTYPE_BF16;
}

/* ---- the walk ---- */

typedef enum status visitor(struct exporter *exporter, const struct item *item);

static enum status visit_copy(struct exporter *e, enum weight weight, int layer, int expert, visitor *visit) {
    const struct tensor *tensor = weights_matrix(&e->weights, weight, layer, expert);
    struct item item = {.tensor = tensor,
                        .weight = weight,
                        .layer = layer,
                        .expert = expert,
                        .dtype = type_of(weight, e->options->type)};
    if (!tensor) return STATUS_OK;
    item.rank = tensor->rank;
    for (int i = 0; i < item.rank; i++) item.shape[i] = tensor->shape[i];
    item.rows = item.rank > 1 ? item.shape[0] : 1;
    item.columns = item.shape[item.rank - 1];
    weight_name(&weight_rows()[weight], false, layer, expert, item.name, sizeof item.name);
    return visit(e, &item);
}

static enum status visit_weight(struct exporter *e, enum weight weight, int layer, visitor *visit) {
    const struct weight_row *row = &weight_rows()[weight];
    if (!row->hugging_face || !weight_exists(&e->desc, weight, layer)) return STATUS_OK;
    int copies = row->copies == PER_EXPERT ? e->desc.experts : 1;
    for (int expert = 0; expert < copies; expert++) TRY(visit_copy(e, weight, layer, expert, visit));
    return STATUS_OK;
}

static enum status visit_all(struct exporter *e, visitor *visit) {
    for (int w = 0; w < WEIGHT_COUNT; w++)
        if (weight_rows()[w].copies == PER_MODEL) TRY(visit_weight(e, (enum weight)w, 0, visit));
    for (int layer = 0; layer < e->desc.layers + e->desc.mtp_layers; layer++)
        for (int w = 0; w < WEIGHT_COUNT; w++)
            if (weight_rows()[w].copies != PER_MODEL) TRY(visit_weight(e, (enum weight)w, layer, visit));
    return STATUS_OK;
}

static void scale_shape(const struct item *item, int64_t shape[2]) {
    shape[0] = divide_up(item->rows, BLOCK);
    shape[1] = divide_up(item->columns, BLOCK);
}

static enum status measure(struct exporter *e, const struct item *item) {
    int64_t shape[2], elements = item->rows * item->columns;
    scale_shape(item, shape);
    e->widest = max_i64(e->widest, item->columns);
    e->scales_most = max_i64(e->scales_most, shape[0] * shape[1]);
    e->total += elements;
    e->result->tensors++;
    e->result->elements += elements;
    e->result->bytes += elements * dtype_traits(item->dtype)->block_bytes;
    if (item->dtype == DTYPE_F8_E4M3) e->result->bytes += shape[0] * shape[1] * (int64_t)sizeof(float);
    return STATUS_OK;
}

static enum status declare(struct exporter *e, const struct item *item) {
    int64_t shape[2];
    char name[NAME_BYTES + 16];
    TRY(safetensors_writer_declare(e->writer, item->name, item->dtype, item->rank, item->shape));
    if (item->dtype != DTYPE_F8_E4M3) return STATUS_OK;
    scale_shape(item, shape);
    snprintf(name, sizeof name, "%s_scale_inv", item->name);
    return safetensors_writer_declare(e->writer, name, DTYPE_F32, 2, shape);
}

/* ---- values ---- */

static float largest_of(const float *values, int64_t stride, int64_t rows, int64_t columns) {
    float largest = 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) {
            float size = fabsf(values[r * stride + c]);
            if (!(size <= largest)) largest = size; /* NaN stays */
        }
    return largest;
}

/* Columns [column, column + columns) of a strip of rows: divided by the block's multiplier, rounded, and what that cost. */
static enum status encode_block(struct exporter *e, const struct item *item, int64_t rows, int64_t column,
                                float *scale) {
    int64_t columns = min_i64(BLOCK, item->columns - column);
    float *values = e->strip + column, back[BLOCK];
    float largest = largest_of(values, item->columns, rows, columns);
    if (!isfinite(largest)) return fail(STATUS_FORMAT, "%s: has values that are not finite", item->name);
    *scale = largest > 0 ? fmaxf(largest / E4M3_MOST, 0x1p-126f) : 1;
    for (int64_t r = 0; r < rows; r++) {
        float *row = values + r * item->columns, rounded[BLOCK];
        uint8_t *out = e->encoded + r * item->columns + column;
        for (int64_t c = 0; c < columns; c++) rounded[c] = row[c] / *scale;
        dtype_traits(DTYPE_F8_E4M3)->encode(rounded, out, columns);
        dtype_traits(DTYPE_F8_E4M3)->decode(out, back, columns);
        for (int64_t c = 0; c < columns; c++) {
            double off = (double)back[c] * *scale - row[c];
            e->result->error += off * off;
            e->result->reference += (double)row[c] * row[c];
        }
    }
    return STATUS_OK;
}

static enum status write_strip(struct exporter *e, const struct item *item, int64_t first, int64_t rows) {
    int64_t across = divide_up(item->columns, BLOCK), bytes;
    const struct dtype_traits *traits = dtype_traits(item->dtype);
    for (int64_t r = 0; r < rows; r++)
        tensor_decode_row(item->tensor, first + r, e->strip + r * item->columns);
    if (e->options->change)
        e->options->change(e->options->change_context, item->weight, item->layer, item->expert, first, rows,
                           item->columns, e->strip);
    if (item->dtype == DTYPE_F8_E4M3)
        for (int64_t b = 0; b < across; b++)
            TRY(encode_block(e, item, rows, b * BLOCK, &e->scale[first / BLOCK * across + b]));
    else
        traits->encode(e->strip, e->encoded, rows * item->columns);
    bytes = rows * item->columns * traits->block_bytes;
    return safetensors_writer_append(e->writer, e->encoded, (size_t)bytes);
}

static enum status write_item(struct exporter *e, const struct item *item) {
    const struct checkpoint_export_options *options = e->options;
    int64_t shape[2];
    for (int64_t first = 0; first < item->rows; first += BLOCK)
        TRY(write_strip(e, item, first, min_i64(BLOCK, item->rows - first)));
    scale_shape(item, shape);
    e->done += item->rows * item->columns;
    if (options->progress && !options->progress(options->progress_context, e->done, e->total))
        return fail(STATUS_CANCELLED, "stopped while writing %s", options->path);
    if (item->dtype != DTYPE_F8_E4M3) return STATUS_OK;
    return safetensors_writer_append(e->writer, e->scale, (size_t)(shape[0] * shape[1]) * sizeof(float));
}

/* ---- files ---- */

static enum status write_file(const struct exporter *e, const char *name, const void *data, size_t bytes) {
    char path[PATH_BYTES + 64];
    struct file_writer file;
    snprintf(path, sizeof path, "%s/%s", e->partial, name);
    TRY(file_writer_open(&file, path));
    enum status status = file_writer_append(&file, data, bytes);
    if (status == STATUS_OK) status = file_writer_finish(&file);
    file_writer_close(&file);
    return status;
}

static enum status copy_files(const struct exporter *e) {
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "generation_config.json",
                                        "special_tokens_map.json", "chat_template.jinja"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[PATH_BYTES + 64];
        struct buffer content = {0};
        snprintf(path, sizeof path, "%s/%s", e->options->source, names[i]);
        if (file_check_regular(path) != STATUS_OK) continue;
        TRY(buffer_read_file(&content, path, SMALL_FILE));
        enum status status = write_file(e, names[i], content.data ? content.data : "", content.bytes);
        buffer_free(&content);
        TRY(status);
    }
    return STATUS_OK;
}

static enum status write_config(const struct exporter *e) {
    json_t *config = json_deep_copy(e->checkpoint.config);
    const enum dtype type = e->options->type;
    json_object_set_new(config, "torch_dtype",
                        json_string(type == DTYPE_F32   ? "float32"
                                    : type == DTYPE_F16 ? "float16"
                                                        : "bfloat16"));
    if (type == DTYPE_F8_E4M3)
        json_object_set_new(config, "quantization_config",
                            json_pack("{s:s, s:s, s:s, s:[ii]}", "activation_scheme", "dynamic", "fmt",
                                      "e4m3", "quant_method", "fp8", "weight_block_size", BLOCK, BLOCK));
    else
        json_object_del(config, "quantization_config");
    char *text = config ? json_dumps(config, JSON_INDENT(2)) : NULL;
    json_decref(config);
    if (!text) return fail(STATUS_MEMORY, "config.json: out of memory");
    enum status status = write_file(e, "config.json", text, strlen(text));
    free(text);
    return status;
}

static enum status write_weights(struct exporter *e) {
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof path, "%s/model.safetensors", e->partial);
    TRY(safetensors_writer_open(&e->writer, path));
    enum status status = visit_all(e, declare);
    if (status == STATUS_OK) status = visit_all(e, write_item);
    if (status == STATUS_OK) status = checkpoint_check(&e->checkpoint);
    if (status == STATUS_OK) status = safetensors_writer_finish(e->writer);
    safetensors_writer_close(e->writer);
    return status;
}

static enum status take_memory(struct exporter *e) {
    int64_t values;
    if (!multiply_fits(e->widest, BLOCK, &values)) return fail(STATUS_LIMIT, "rows are too long");
    e->strip = malloc((size_t)values * sizeof(float));
    e->encoded = malloc((size_t)values * sizeof(float));
    e->scale = malloc((size_t)e->scales_most * sizeof(float));
    if (e->strip && e->encoded && e->scale) return STATUS_OK;
    return fail(STATUS_MEMORY, "no memory for %lld rows of %lld values", (long long)BLOCK,
                (long long)e->widest);
}

static enum status make_partial(struct exporter *e) {
    const char *path = e->options->path;
    size_t bytes = strlen(path);
    while (bytes > 1 && path[bytes - 1] == '/') bytes--;
    if (!bytes || bytes + 16 > sizeof e->partial)
        return fail(STATUS_USAGE, "%.64s: the output's name is too long or empty", path);
    snprintf(e->partial, sizeof e->partial, "%.*s.partial", (int)bytes, path);
    if (!access(path, F_OK) && rmdir(path)) /* an empty directory is none */
        return fail(STATUS_INPUT, "%s: exists, and is no empty directory", path);
    if (!mkdir(e->partial, 0777)) return STATUS_OK;
    char name[PATH_BYTES];
    memcpy(name, e->partial, sizeof name);
    e->partial[0] = 0; /* not ours to remove */
    return fail(STATUS_IO, "%s: cannot create: %s", name, strerror(errno));
}

static void remove_partial(struct exporter *e) {
    if (!e->partial[0]) return;
    DIR *entries = opendir(e->partial);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries) closedir(entries);
    rmdir(e->partial);
}

static enum status write_all(struct exporter *e) {
    TRY(visit_all(e, measure));
    TRY(disk_room_check(e->options->path, e->result->bytes));
    TRY(take_memory(e));
    TRY(make_partial(e));
    TRY(copy_files(e));
    TRY(write_config(e));
    TRY(write_weights(e));
    if (rename(e->partial, e->options->path))
        return fail(STATUS_IO, "%s: cannot rename the finished directory: %s", e->options->path,
                    strerror(errno));
    e->partial[0] = 0;
    return STATUS_OK;
}

static enum status open_source(struct exporter *e) {
    const char *source = e->options->source;
    if (e->checkpoint.kind != CHECKPOINT_HUGGING_FACE)
        return fail(STATUS_UNSUPPORTED, "%s: only Hugging Face directories can be written again as such",
                    source);
    return model_desc_from_checkpoint(&e->desc, &e->checkpoint);
}

enum status checkpoint_export(const struct checkpoint_export_options *options,
                              struct checkpoint_export_result *result) {
    struct exporter e = {.options = options, .result = result};
    *result = (struct checkpoint_export_result){0};
    TRY(checkpoint_open(&e.checkpoint, options->source, CHECKPOINT_TENSORS));
    enum status status = open_source(&e);
    if (status == STATUS_OK) status = weights_load(&e.weights, &e.desc, &e.checkpoint);
    if (status == STATUS_OK) {
        status = write_all(&e);
        weights_free(&e.weights);
    }
    remove_partial(&e);
    free(e.strip);
    free(e.encoded);
    free(e.scale);
    checkpoint_close(&e.checkpoint);
    return status;
}
