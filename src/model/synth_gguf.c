/* synth_gguf.c - a made-up checkpoint as one GGUF file. */
#include "model/synth_plan.h"
#include "model/synth_vocabulary.h"

static enum status append(void *writer, const void *data, size_t bytes) {
    return gguf_writer_append(writer, data, bytes);
}

static enum status write_keys(const struct synth_plan *plan, struct gguf_writer *writer) {
    struct synth_vocabulary vocabulary;
    const struct synth_options *options = plan->options;
    TRY(model_desc_to_gguf(&plan->desc, writer, options->origin));
    if (options->name) gguf_writer_text(writer, "general.name", options->name);
    gguf_writer_u32(writer, "general.file_type", gguf_mix_number(options->mix));
    gguf_writer_u32(writer, "general.quantization_version", 2);
    TRY(synth_vocabulary_open(&vocabulary, &plan->desc, options->name));
    synth_vocabulary_to_gguf(&vocabulary, writer);
    synth_vocabulary_close(&vocabulary);
    return STATUS_OK;
}

static enum status write_all(const struct synth_plan *plan, struct weight_stream *stream,
                             struct gguf_writer *writer) {
    TRY(write_keys(plan, writer));
    for (size_t i = 0; i < plan->items; i++) {
        char name[SYNTH_NAME_BYTES];
        const struct synth_item *item = &plan->item[i];
        synth_item_name(plan, item, name);
        TRY(gguf_writer_declare(writer, name, item->dtype, item->rank, item->shape));
    }
    stream->sink = (struct weight_sink){writer, append};
    for (size_t i = 0; i < plan->items; i++) TRY(synth_item_write(plan, &plan->item[i], stream));
    TRY(weight_stream_flush(stream));
    return gguf_writer_finish(writer);
}

enum status synth_write_gguf(const struct synth_plan *plan, struct weight_stream *stream) {
    struct gguf_writer *writer;
    TRY(gguf_writer_open(&writer, plan->options->path));
    enum status status = write_all(plan, stream, writer);
    gguf_writer_close(writer);
    return status;
}
