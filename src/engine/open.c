/* open.c - opening an engine: model, tokenizer, generation defaults, cache. */
#include "engine/open.h"

#include "base/buffer.h"
#include "base/bytes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- end tokens ---- */

static void add_end_token(struct engine *engine, int64_t id) {
    if (id < 0 || id >= engine->model.desc.vocab || (size_t)engine->end_tokens == COUNT_OF(engine->end_token))
        return;
    for (int i = 0; i < engine->end_tokens; i++)
        if (engine->end_token[i] == id) return;
    engine->end_token[engine->end_tokens++] = (int32_t)id;
}

static void read_end_tokens(struct engine *engine) {
    const struct model_desc *desc = &engine->model.desc;
    const json_t *eos = json_object_get(engine->model.checkpoint.generation_config, "eos_token_id");
    size_t i;
    const json_t *item;
    for (int e = 0; e < desc->eos_count; e++) add_end_token(engine, desc->eos[e]);
    if (json_is_integer(eos)) add_end_token(engine, json_integer_value(eos));
    json_array_foreach(eos, i, item) if (json_is_integer(item))
        add_end_token(engine, json_integer_value(item));
    if (engine->tokenizer) add_end_token(engine, tokenizer_eos(engine->tokenizer));
}

/* ---- generation_config.json ---- */

static enum status read_key(const struct gguf *gguf, const char *key, double high, double *value) {
    TRY(gguf_get_real_or(gguf, key, NAN, value));
    if (isnan(*value) || (*value >= 0 && *value <= high)) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: key %s is %g, allowed are 0 to %g", gguf->path, key, *value, high);
}

static enum status read_config(const json_t *config, struct generation_defaults *defaults) {
    struct json_reader reader = {config, "generation_config.json"};
    bool sample;
    TRY(json_get_real_or(reader, "temperature", 0, 100, NAN, &defaults->temperature));
    TRY(json_get_real_or(reader, "top_p", 0, 1, NAN, &defaults->top_p));
    TRY(json_get_real_or(reader, "min_p", 0, 1, NAN, &defaults->min_p));
    TRY(json_get_real_or(reader, "repetition_penalty", 0, 100, NAN, &defaults->repetition_penalty));
    TRY(json_get_int_or(reader, "top_k", 0, INT32_MAX, 0, &defaults->top_k));
    TRY(json_get_bool_or(reader, "do_sample", true, &sample));
    defaults->greedy = !sample;
    return STATUS_OK;
}

static enum status read_defaults(struct engine *engine) {
    struct generation_defaults *defaults = &engine->defaults;
    *defaults = (struct generation_defaults){NAN, NAN, NAN, NAN, 0, false};
    const struct checkpoint *checkpoint = &engine->model.checkpoint;
    if (checkpoint->kind == CHECKPOINT_GGUF) {
        TRY(read_key(&checkpoint->gguf, "general.sampling.temp", 100, &defaults->temperature));
        return read_key(&checkpoint->gguf, "general.sampling.top_p", 1, &defaults->top_p);
    }
    if (!checkpoint->generation_config) return STATUS_OK;
    enum status status = read_config(checkpoint->generation_config, defaults);
    return status == STATUS_OK ? status : fail_within(status, "%s", checkpoint->path);
}

/* ---- whole ---- */

static enum status open_parts(struct engine *engine, const struct engine_options *options) {
    struct model_options model = options->model;
    if (!model.sequences) model.sequences = 1;
    engine->sequences = model.sequences;
    TRY(model_open(&engine->model, &model));
    engine->context = engine->model.context;
    int64_t pages = engine->model.cache_tokens / KV_PAGE_TOKENS;
    if (pages > INT32_MAX)
        return fail(STATUS_LIMIT, "%s: a cache of %lld pages is out of range", model.path, (long long)pages);
    TRY(kv_pages_open(&engine->kv, &engine->model, (int32_t)pages));
    TRY(step_buffers_open(engine));
    if (!options->no_tokenizer) TRY(tokenizer_open(&engine->tokenizer, options->model.path));
    read_end_tokens(engine);
    return read_defaults(engine);
}

enum status engine_open(struct engine **engine, const struct engine_options *options) {
    struct engine *made = calloc(1, sizeof *made);
    *engine = NULL;
    if (!made) return fail(STATUS_MEMORY, "no memory for an engine");
    enum status status = open_parts(made, options);
    if (status != STATUS_OK) {
        engine_close(made);
        return status;
    }
    *engine = made;
    return STATUS_OK;
}

static enum status open_over(struct engine *engine, const struct engine_over *over) {
    int64_t pages;
    engine->borrowed = true;
    engine->sequences = over->sequences;
    engine->context = over->context;
    engine->tokenizer = over->tokenizer;
    engine->defaults = (struct generation_defaults){NAN, NAN, NAN, NAN, 0, false};
    engine_renew(engine, over->model);
    MUST(over->sequences >= 1 && over->context >= 2);
    if (!multiply_fits(over->sequences, divide_up(over->context, KV_PAGE_TOKENS), &pages) ||
        pages > INT32_MAX)
        return fail(STATUS_LIMIT, "a cache of %d sequences of %lld tokens is out of range", over->sequences,
                    (long long)over->context);
    engine->model.cache_tokens = pages * KV_PAGE_TOKENS;
    TRY(kv_pages_open(&engine->kv, &engine->model, (int32_t)pages));
    TRY(step_buffers_open(engine));
    read_end_tokens(engine);
    return STATUS_OK;
}

void engine_renew(struct engine *engine, const struct model *model) {
    int64_t cache_tokens = engine->model.cache_tokens;
    engine->model = *model;
    engine->model.context = engine->context;
    engine->model.cache_tokens = cache_tokens;
}

enum status engine_open_over(struct engine **engine, const struct engine_over *over) {
    struct engine *made = calloc(1, sizeof *made);
    *engine = NULL;
    if (!made) return fail(STATUS_MEMORY, "no memory for an engine");
    enum status status = open_over(made, over);
    if (status == STATUS_OK)
        *engine = made;
    else
        engine_close(made);
    return status;
}

void engine_close(struct engine *engine) {
    if (!engine) return;
    MUST(engine->open_sequences == 0);
    step_buffers_close(engine);
    kv_pages_close(&engine->kv);
    if (!engine->borrowed) {
        tokenizer_close(engine->tokenizer);
        model_close(&engine->model);
    }
    free(engine);
}
