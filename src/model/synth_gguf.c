/* synth_gguf.c - a made-up checkpoint as one GGUF file. */
#include "model/synth_plan.h"
#include "model/synth_vocabulary.h"

/* llama.cpp's numbers for "mostly this format"; a mix has the next one. */
static uint32_t file_type(enum dtype dtype) {
    static const struct {
        enum dtype dtype;
        uint32_t number;
    } rows[] = {{DTYPE_F32, 0},      {DTYPE_F16, 1},     {DTYPE_Q4_0, 2},     {DTYPE_Q4_1, 3},
                {DTYPE_Q8_0, 7},     {DTYPE_Q5_0, 8},    {DTYPE_Q5_1, 9},     {DTYPE_Q2_K, 10},
                {DTYPE_Q3_K, 11},    {DTYPE_Q4_K, 14},   {DTYPE_Q5_K, 16},    {DTYPE_Q6_K, 18},
                {DTYPE_IQ2_XXS, 19}, {DTYPE_IQ2_XS, 20}, {DTYPE_IQ3_XXS, 23}, {DTYPE_IQ1_S, 24},
                {DTYPE_IQ4_NL, 25},  {DTYPE_IQ3_S, 26},  {DTYPE_IQ2_S, 28},   {DTYPE_IQ4_XS, 30},
                {DTYPE_IQ1_M, 31},   {DTYPE_BF16, 32},   {DTYPE_MXFP4, 38}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].dtype == dtype) return rows[i].number;
    return 0;
}

static enum status append(void *writer, const void *data, size_t bytes) {
    return gguf_writer_append(writer, data, bytes);
}

static enum status write_keys(const struct synth_plan *plan, struct gguf_writer *writer) {
    struct synth_vocabulary vocabulary;
    const struct synth_options *options = plan->options;
    TRY(model_desc_to_gguf(&plan->desc, writer, options->origin));
    if (options->name) gguf_writer_text(writer, "general.name", options->name);
    gguf_writer_u32(writer, "general.file_type", file_type(options->type) + options->medium);
    gguf_writer_u32(writer, "general.quantization_version", 2);
    TRY(synth_vocabulary_open(&vocabulary, &plan->desc, options->name));
    synth_vocabulary_to_gguf(&vocabulary, writer);
    synth_vocabulary_close(&vocabulary);
    return STATUS_OK;
}

static enum status write_all(const struct synth_plan *plan, struct synth_stream *stream,
                             struct gguf_writer *writer) {
    TRY(write_keys(plan, writer));
    for (size_t i = 0; i < plan->items; i++) {
        char name[SYNTH_NAME_BYTES];
        const struct synth_item *item = &plan->item[i];
        synth_item_name(plan, item, name);
        TRY(gguf_writer_declare(writer, name, item->dtype, item->rank, item->shape));
    }
    stream->sink = (struct synth_sink){writer, append};
    for (size_t i = 0; i < plan->items; i++) TRY(synth_item_write(plan, &plan->item[i], stream));
    TRY(synth_stream_flush(stream));
    return gguf_writer_finish(writer);
}

enum status synth_write_gguf(const struct synth_plan *plan, struct synth_stream *stream) {
    struct gguf_writer *writer;
    TRY(gguf_writer_open(&writer, plan->options->path));
    enum status status = write_all(plan, stream, writer);
    gguf_writer_close(writer);
    return status;
}
