/* quantize.c - see quantize.h: the keys, then the tensors in the order of the plan. */
#include "model/quantize.h"

#include "base/bytes.h"
#include "base/disk_room.h"
#include "model/quantize_plan.h"
#include "model/weight_stream.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BUFFER_BYTES = 4 << 20, QUANTIZATION_VERSION = 2 };

double quantize_relative_error(const struct quantize_count *count) {
    return count->reference > 0 ? sqrt(count->error / count->reference) : 0;
}

/* ---- keys ---- */

/* Architecture, number formats and how the file is cut are this file's own. */
static bool is_copied(const char *key) {
    static const char *const own[] = {"general.architecture", "general.file_type",
                                      "general.quantization_version", "general.alignment"};
    for (size_t i = 0; i < COUNT_OF(own); i++)
        if (!strcmp(key, own[i])) return false;
    return !strncmp(key, "general.", 8) || !strncmp(key, "tokenizer.", 10);
}

static void write_name(const struct quantize_plan *plan, struct gguf_writer *writer) {
    char name[256];
    const char *path = plan->options->source;
    size_t end = strlen(path), begin;
    while (end > 1 && path[end - 1] == '/') end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/';) begin--;
    size_t bytes = end - begin < sizeof name ? end - begin : sizeof name - 1;
    memcpy(name, path + begin, bytes);
    name[bytes] = 0;
    if (bytes && strcmp(name, ".") != 0) gguf_writer_text(writer, "general.name", name);
}

static enum status write_keys(const struct quantize_plan *plan, struct gguf_writer *writer) {
    const struct quantize_options *options = plan->options;
    const struct gguf *gguf = &plan->checkpoint.gguf;
    TRY(model_desc_to_gguf(&plan->desc, writer, options->source));
    gguf_writer_u32(writer, "general.file_type", gguf_mix_number(options->mix));
    gguf_writer_u32(writer, "general.quantization_version", QUANTIZATION_VERSION);
    if (options->imatrix) gguf_writer_text(writer, "quantize.imatrix.file", options->imatrix);
    if (plan->checkpoint.kind == CHECKPOINT_GGUF) {
        for (size_t i = 0; i < gguf->values; i++)
            if (is_copied(gguf->value[i].key)) gguf_writer_value(writer, &gguf->value[i]);
        return STATUS_OK;
    }
    write_name(plan, writer);
    if (!options->write_tokenizer) return STATUS_OK;
    return options->write_tokenizer(options->tokenizer_context, &plan->checkpoint, &plan->desc, writer);
}

/* ---- tensors ---- */

static enum status append(void *writer, const void *data, size_t bytes) {
    return gguf_writer_append(writer, data, bytes);
}

static void add(struct quantize_count *sum, const struct quantize_count *count) {
    sum->tensors += count->tensors;
    sum->elements += count->elements;
    sum->bytes += count->bytes;
    sum->copied += count->copied;
    sum->error += count->error;
    sum->reference += count->reference;
}

static void count_weighed(const struct quantize_item *item, struct quantize_result *result) {
    const struct imatrix_entry *entry = item->importance;
    if (!dtype_traits(item->dtype)->fit) return;
    if (!entry && !result->unweighed++)
        snprintf(result->first_unweighed, sizeof result->first_unweighed, "%s", item->name);
    result->weighed += entry != NULL;
    for (int64_t i = 0; entry && entry->count_values > 1 && i < entry->count_values; i++)
        result->experts_unweighed += !(entry->counts[i] > 0);
}

static enum status write_tensors(const struct quantize_plan *plan, struct weight_stream *stream,
                                 struct quantize_result *result) {
    struct quantize_workers *workers;
    enum status status = quantize_workers_open(&workers, plan, thread_pool_threads(stream->pool));
    for (size_t i = 0; i < plan->items && status == STATUS_OK; i++) {
        struct quantize_count count;
        status = quantize_item_write(workers, &plan->item[i], stream, &count);
        if (status != STATUS_OK) break;
        if (plan->options->imatrix) count_weighed(&plan->item[i], result);
        add(&result->all, &count);
        add(&result->type[plan->item[i].dtype], &count);
    }
    quantize_workers_close(workers);
    return status == STATUS_OK ? weight_stream_flush(stream) : status;
}

static enum status write_all(const struct quantize_plan *plan, struct weight_stream *stream,
                             struct quantize_result *result) {
    struct gguf_writer *writer;
    TRY(gguf_writer_open(&writer, plan->options->path));
    stream->sink = (struct weight_sink){writer, append};
    enum status status = write_keys(plan, writer);
    for (size_t i = 0; i < plan->items && status == STATUS_OK; i++) {
        const struct quantize_item *item = &plan->item[i];
        status = gguf_writer_declare(writer, item->name, item->dtype, item->rank, item->shape);
    }
    if (status == STATUS_OK) status = write_tensors(plan, stream, result);
    if (status == STATUS_OK) status = checkpoint_check(&plan->checkpoint);
    if (status == STATUS_OK) status = gguf_writer_finish(writer);
    gguf_writer_close(writer);
    return status;
}

static enum status run(struct quantize_plan *plan, struct quantize_result *result) {
    const struct quantize_options *options = plan->options;
    struct weight_stream stream;
    size_t buffer_bytes = BUFFER_BYTES;
    for (size_t i = 0; i < plan->items; i++) {
        size_t chunk_bytes = (size_t)(plan->item[i].chunk_rows * plan->item[i].row_bytes);
        if (chunk_bytes > buffer_bytes) buffer_bytes = chunk_bytes;
    }
    TRY(disk_room_check(options->path, plan->bytes));
    TRY(weight_stream_open(&stream, options->threads, buffer_bytes));
    stream.total_bytes = plan->bytes;
    stream.progress = options->progress;
    stream.progress_context = options->progress_context;
    enum status status = write_all(plan, &stream, result);
    weight_stream_close(&stream);
    return status;
}

enum status quantize(const struct quantize_options *options, struct quantize_result *result) {
    struct quantize_plan plan;
    *result = (struct quantize_result){0};
    enum status status = quantize_plan_open(&plan, options);
    if (status == STATUS_OK) status = run(&plan, result);
    quantize_plan_close(&plan);
    return status;
}
