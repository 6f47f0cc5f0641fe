/* public_model.c - hadal.h: version, errors, opening and closing models and sessions. */
#include "engine/public.h"

#include "base/version.h"
#include "kernel/kernel.h"

#include <stdlib.h>
#include <string.h>

/* ---- version and errors ---- */

const char *hadal_version(void) {
    return HADAL_VERSION;
}

/* The published numbers stay what they are, however the internal ones move. */
static const enum hadal_status published[STATUS_COUNT] = {
    [STATUS_OK] = HADAL_OK,
    [STATUS_USAGE] = HADAL_USAGE,
    [STATUS_INPUT] = HADAL_INPUT,
    [STATUS_NOT_FOUND] = HADAL_NOT_FOUND,
    [STATUS_IO] = HADAL_IO,
    [STATUS_FORMAT] = HADAL_FORMAT,
    [STATUS_UNSUPPORTED] = HADAL_UNSUPPORTED,
    [STATUS_LIMIT] = HADAL_LIMIT,
    [STATUS_MEMORY] = HADAL_MEMORY,
    [STATUS_CANCELLED] = HADAL_CANCELLED,
    [STATUS_BUSY] = HADAL_LIMIT,
    [STATUS_UNAVAILABLE] = HADAL_LIMIT,
    [STATUS_INTERNAL] = HADAL_INTERNAL,
};

enum hadal_status public_status(enum status status) {
    return published[status];
}

const char *hadal_error(void) {
    return status_message();
}

const char *hadal_status_text(enum hadal_status status) {
    for (enum status s = 0; s < STATUS_COUNT; s++)
        if (published[s] == status) return status_text(s);
    return "unknown status";
}

enum status argument_missing(const char *function, const char *argument) {
    return fail(STATUS_USAGE, "%s: %s is NULL", function, argument);
}

/* A struct on the stack that nobody filled in is found out here. */
enum status reserved_check(const int64_t *reserved, size_t count, const char *structure) {
    for (size_t i = 0; i < count; i++)
        if (reserved[i])
            return fail(STATUS_INPUT, "%s: a reserved field is not 0; begin with %s_default()", structure,
                        structure);
    return STATUS_OK;
}

/* ---- options ---- */

void hadal_model_options_default(struct hadal_model_options *options) {
    if (!options) return;
    *options = (struct hadal_model_options){
        .cpu = "auto", .kv_type = "auto", .pack = "auto", .numa = "auto", .sessions = 1, .batch_size = 512};
}

static enum status check_range(const char *field, int64_t value, int64_t low, int64_t high) {
    if (value >= low && value <= high) return STATUS_OK;
    return fail(STATUS_INPUT, "%s: %lld is outside %lld to %lld", field, (long long)value, (long long)low,
                (long long)high);
}

static enum status level_of(const char *name, int *cap) {
    enum cpu_level level;
    if (cpu_level_from_name(name, &level)) {
        *cap = (int)level;
        return STATUS_OK;
    }
    return fail(STATUS_INPUT, "cpu: \"%.32s\" is none of auto, scalar, avx2, avx512, amx", name);
}

static enum status kv_type_of(const char *name, struct model_options *options) {
    static const char *const names[] = {"f32", "f16", "bf16", "q8_0", "fp8"};
    options->kv_automatic = !strcmp(name, "auto");
    if (options->kv_automatic) return STATUS_OK;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!strcmp(name, names[i]) && dtype_from_name(name, &options->kv_type)) return STATUS_OK;
    return fail(STATUS_INPUT, "kv_type: \"%.32s\" is none of auto, f32, f16, bf16, q8_0, fp8", name);
}

static enum status pack_mode_of(const char *name, enum pack_mode *mode) {
    if (pack_mode_from_name(name, mode)) return STATUS_OK;
    return fail(STATUS_INPUT, "pack: \"%.32s\" is none of auto, memory, file, off", name);
}

static enum status check_options(const struct hadal_model_options *options) {
    if (!options) return argument_missing("hadal_model_open", "options");
    if (!options->path) return argument_missing("hadal_model_open", "options->path");
    TRY(reserved_check(options->reserved, COUNT_OF(options->reserved), "hadal_model_options"));
    TRY(check_range("sessions", options->sessions, 1, 65536));
    TRY(check_range("threads", options->threads, 0, 1024));
    TRY(check_range("batch_size", options->batch_size, 1, 65536));
    TRY(check_range("context", options->context, 0, MODEL_MAX_CONTEXT));
    return check_range("memory_limit", options->memory_limit, 0, INT64_MAX);
}

static enum status engine_options_of(const struct hadal_model_options *options,
                                     struct engine_options *engine) {
    TRY(check_options(options));
    *engine = (struct engine_options){.model = {.path = options->path,
                                                .threads = options->threads,
                                                .numa = options->numa,
                                                .max_rows = options->batch_size,
                                                .strict = options->strict != 0,
                                                .context = options->context,
                                                .sequences = options->sessions,
                                                .memory_limit = options->memory_limit,
                                                .cache_dir = options->cache_dir},
                                      .no_tokenizer = options->ids_only != 0};
    TRY(level_of(options->cpu ? options->cpu : "auto", &engine->model.cpu_level_cap));
    TRY(pack_mode_of(options->pack ? options->pack : "auto", &engine->model.pack));
    return kv_type_of(options->kv_type ? options->kv_type : "auto", &engine->model);
}

/* ---- models ---- */

/* A checkpoint whose template is unknown can do everything but chat. */
static enum status choose_template(struct hadal_model *model, const char *name) {
    const struct checkpoint *checkpoint = &model->engine->model.checkpoint;
    if (name && !chat_template_from_name(name, &model->chat_template))
        return fail(STATUS_INPUT, "chat_template: \"%.64s\" is no template", name);
    enum status status = name ? STATUS_OK : chat_template_choose(checkpoint, &model->chat_template, NULL);
    model->has_template = status == STATUS_OK;
    return status == STATUS_UNSUPPORTED ? STATUS_OK : status;
}

static enum status open_parts(struct hadal_model *model, const struct hadal_model_options *options) {
    struct engine_options engine;
    TRY(engine_options_of(options, &engine));
    TRY(engine_open(&model->engine, &engine));
    TRY(choose_template(model, options->chat_template));
    return chat_bos(&model->engine->model.checkpoint, &model->arena, &model->bos);
}

static void model_release(struct hadal_model *model) {
    if (--model->holders) return;
    engine_close(model->engine);
    arena_free(&model->arena);
    free(model);
}

enum hadal_status hadal_model_open(struct hadal_model **model, const struct hadal_model_options *options) {
    if (!model) return public_status(argument_missing("hadal_model_open", "model"));
    *model = NULL;
    struct hadal_model *made = calloc(1, sizeof *made);
    if (!made) return public_status(fail(STATUS_MEMORY, "no memory for a model"));
    made->holders = 1;
    atomic_flag_clear(&made->busy);
    enum status status = open_parts(made, options);
    if (status == STATUS_OK)
        *model = made;
    else
        model_release(made);
    return public_status(status);
}

void hadal_model_close(struct hadal_model *model) {
    if (model) model_release(model);
}

enum hadal_status hadal_model_info(const struct hadal_model *model, struct hadal_model_info *info) {
    if (!model) return public_status(argument_missing("hadal_model_info", "model"));
    if (!info) return public_status(argument_missing("hadal_model_info", "info"));
    const struct engine *engine = model->engine;
    const struct model_desc *desc = &engine->model.desc;
    struct parameter_counts counts = model_parameters(desc);
    *info = (struct hadal_model_info){
        .architecture = desc->architecture,
        .chat_template = model->has_template ? chat_template_name(model->chat_template) : NULL,
        .backend = backend_description(engine->model.backend),
        .parameters = counts.total,
        .active_parameters = counts.active,
        .weight_bytes = checkpoint_bytes(&engine->model.checkpoint),
        .kv_bytes_per_token = kv_bytes_per_token(desc, engine->model.plane, true),
        .context = engine->context,
        .trained_context = desc->context,
        .vocabulary = (int32_t)desc->vocab,
        .layers = desc->layers,
        .bos = engine->tokenizer ? tokenizer_bos(engine->tokenizer) : desc->bos,
        .notice = *engine->model.packed.notice ? engine->model.packed.notice : NULL,
        .thinks = model->has_template && chat_template_thinks(model->chat_template, THINKING_ON)};
    return HADAL_OK;
}

/* ---- sessions ---- */

static void session_release(struct hadal_session *session) {
    struct hadal_model *model = session->model;
    sequence_close(session->sequence);
    conversation_close(&session->conversation);
    free(session);
    model_release(model);
}

static enum status session_make(struct hadal_session **session, struct hadal_model *model) {
    struct hadal_session *made = calloc(1, sizeof *made);
    if (!made) return fail(STATUS_MEMORY, "no memory for a session");
    made->model = model;
    model->holders++;
    enum status status = sequence_open(&made->sequence, model->engine);
    if (status == STATUS_OK)
        *session = made;
    else
        session_release(made);
    return status;
}

static enum status model_enter(struct hadal_model *model, const char *function) {
    if (!atomic_flag_test_and_set(&model->busy)) return STATUS_OK;
    return fail(STATUS_USAGE, "%s: the model is in use by another call", function);
}

/* The caller holds the model. */
static void model_leave(struct hadal_model *model) {
    struct hadal_session *closing = model->closing;
    model->closing = NULL;
    atomic_flag_clear(&model->busy);
    while (closing) {
        struct hadal_session *next = closing->next_closing;
        session_release(closing);
        closing = next;
    }
}

enum hadal_status hadal_session_open(struct hadal_session **session, struct hadal_model *model) {
    if (!session) return public_status(argument_missing("hadal_session_open", "session"));
    *session = NULL;
    if (!model) return public_status(argument_missing("hadal_session_open", "model"));
    enum status status = model_enter(model, "hadal_session_open");
    if (status != STATUS_OK) return public_status(status);
    status = session_make(session, model);
    model_leave(model);
    return public_status(status);
}

void hadal_session_close(struct hadal_session *session) {
    if (!session) return;
    struct hadal_model *model = session->model;
    if (atomic_flag_test_and_set(&model->busy)) {
        session->next_closing = model->closing;
        model->closing = session;
        return;
    }
    atomic_flag_clear(&model->busy);
    session_release(session);
}

enum status session_enter(struct hadal_session *session, const char *function) {
    return session ? model_enter(session->model, function) : argument_missing(function, "session");
}

enum hadal_status session_leave(struct hadal_session *session, enum status status) {
    model_leave(session->model);
    return public_status(status);
}
