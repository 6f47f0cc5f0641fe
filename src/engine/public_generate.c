/* public_generate.c - hadal.h: continuing a session's tokens, and answering its conversation.
 *
 * The one subtlety: the engine tells a token's text first, maybe in two kinds, and then the token. Text waits
 * for it, so that the callback gets both in one piece. */
#include "engine/public.h"

#include <stdlib.h>
#include <sys/random.h>

enum { BIASES_LIMIT = LOGIT_BIAS_LIMIT };

/* ---- options ---- */

static void default_generation(const struct hadal_model *model, struct hadal_generation *generation) {
    struct sampling sampling = sampling_of_checkpoint(&model->engine->defaults);
    *generation = (struct hadal_generation){.temperature = sampling.temperature,
                                            .top_p = sampling.top_p,
                                            .min_p = sampling.min_p,
                                            .top_k = sampling.top_k,
                                            .repetition_penalty = sampling.repetition_penalty,
                                            .seed = -1,
                                            .max_tokens = -1};
}

enum hadal_status hadal_generation_default(const struct hadal_model *model,
                                           struct hadal_generation *generation) {
    if (!model) return public_status(argument_missing("hadal_generation_default", "model"));
    if (!generation) return public_status(argument_missing("hadal_generation_default", "generation"));
    default_generation(model, generation);
    return HADAL_OK;
}

static enum status choose_seed(int64_t wanted, uint64_t *seed) {
    *seed = (uint64_t)wanted;
    if (wanted >= 0 || getrandom(seed, sizeof *seed, 0) == (ssize_t)sizeof *seed) return STATUS_OK;
    return fail(STATUS_IO, "seed: the system gives no random number");
}

static enum status check_lists(const struct hadal_generation *generation) {
    TRY(reserved_check(generation->reserved, COUNT_OF(generation->reserved), "hadal_generation"));
    if (generation->stops < 0 || (generation->stops && !generation->stop))
        return fail(STATUS_INPUT, "stop: %d texts, but no list of them", generation->stops);
    for (int i = 0; i < generation->stops; i++)
        if (!generation->stop[i]) return fail(STATUS_INPUT, "stop: text %d is NULL", i);
    if (generation->biases < 0 || generation->biases > BIASES_LIMIT ||
        (generation->biases && !generation->bias))
        return fail(STATUS_INPUT, "bias: %d entries, but no list of them, or more than %d",
                    generation->biases, BIASES_LIMIT);
    return STATUS_OK;
}

/* `bias` is a copy that the caller frees. */
static enum status copy_bias(const struct hadal_generation *generation, struct logit_bias **bias) {
    *bias = calloc((size_t)generation->biases + 1, sizeof **bias);
    if (!*bias) return fail(STATUS_MEMORY, "no memory for %d biases", generation->biases);
    for (int i = 0; i < generation->biases; i++)
        (*bias)[i] = (struct logit_bias){generation->bias[i].id, generation->bias[i].bias};
    return STATUS_OK;
}

static enum status options_of(const struct hadal_generation *generation, struct logit_bias **bias,
                              struct generation_options *options) {
    TRY(check_lists(generation));
    *options =
        (struct generation_options){.sampling = {.temperature = generation->temperature,
                                                 .top_k = generation->top_k,
                                                 .top_p = generation->top_p,
                                                 .min_p = generation->min_p,
                                                 .repetition_penalty = generation->repetition_penalty,
                                                 .presence_penalty = generation->presence_penalty,
                                                 .frequency_penalty = generation->frequency_penalty,
                                                 .biases = generation->biases,
                                                 .logprobs = -1},
                                    .max_tokens = generation->max_tokens < 0 ? -1 : generation->max_tokens,
                                    .stop = generation->stop,
                                    .stops = generation->stops};
    TRY(choose_seed(generation->seed, &options->sampling.seed));
    TRY(copy_bias(generation, bias));
    options->sampling.bias = *bias;
    return STATUS_OK;
}

/* ---- pieces ---- */

struct speaker {
    const struct hadal_generation *generation;
    struct buffer text; /* that waits for its token */
    enum text_kind kind;
    bool stopped;
};

static void speak(struct speaker *speaker, const int32_t *ids, size_t count) {
    const struct hadal_generation *generation = speaker->generation;
    struct buffer *text = &speaker->text;
    struct hadal_piece piece = {.text = text->data ? text->data : "",
                                .bytes = text->bytes,
                                .ids = ids,
                                .count = count,
                                .kind = speaker->kind == TEXT_REASONING ? HADAL_REASONING : HADAL_ANSWER};
    if (generation->on_piece && !speaker->stopped && (piece.bytes || count))
        speaker->stopped = generation->on_piece(generation->context, &piece) != 0;
    buffer_clear(text);
}

static void take_text(void *context, enum text_kind kind, const char *text, size_t bytes) {
    struct speaker *speaker = context;
    if (kind != speaker->kind) speak(speaker, NULL, 0);
    speaker->kind = kind;
    buffer_append(&speaker->text, text, bytes);
}

static bool take_token(void *context, const struct choice *choice) {
    struct speaker *speaker = context;
    speak(speaker, &choice->id, 1);
    return !speaker->stopped;
}

static bool take_piece(void *context, const struct piece *piece) {
    struct speaker *speaker = context;
    take_text(speaker, TEXT_ANSWER, piece->text, piece->bytes);
    return !piece->choice || take_token(speaker, piece->choice);
}

static bool take_prefill(void *context, int done, int total) {
    struct speaker *speaker = context;
    const struct hadal_generation *generation = speaker->generation;
    if (generation->on_prompt && generation->on_prompt(generation->context, done, total))
        speaker->stopped = true;
    return !speaker->stopped;
}

/* ---- generating ---- */

static void report_usage(enum finish finish, const struct generation_timings *timings,
                         struct hadal_usage *usage) {
    static const enum hadal_finish published[] = {[FINISH_NONE] = HADAL_FINISH_FAILED,
                                                  [FINISH_STOP] = HADAL_FINISH_END,
                                                  [FINISH_LENGTH] = HADAL_FINISH_LENGTH,
                                                  [FINISH_CANCELLED] = HADAL_FINISH_STOPPED,
                                                  [FINISH_DEADLINE] = HADAL_FINISH_STOPPED};
    *usage = (struct hadal_usage){.finish = published[finish],
                                  .prompt_tokens = timings->prompt_tokens,
                                  .cached_tokens = timings->cached_tokens,
                                  .generated_tokens = timings->generated_tokens,
                                  .prompt_seconds = timings->prefill_seconds,
                                  .generate_seconds = timings->decode_seconds};
}

struct call {
    struct hadal_session *session;
    struct generation_options options;
    struct speaker speaker;
    struct hadal_usage *usage;
};

static enum status generate(struct call *call) {
    struct generation running;
    struct generation_events events = {&call->speaker, take_prefill, take_piece};
    struct sequence *sequence = call->session->sequence;
    if (sequence->tokens && sequence->cached == sequence->tokens)
        sequence->cached--; /* its logits may be gone */
    TRY(generation_open(&running, sequence, &call->options));
    enum status status = generation_run(&running, &events);
    report_usage(running.reply.finish, &running.timings, call->usage);
    generation_close(&running);
    return status;
}

static enum status answer(struct call *call) {
    struct conversation *conversation = &call->session->conversation;
    struct answer_events events = {&call->speaker, take_prefill, take_text, take_token};
    struct answer heard = {0};
    struct render_options render;
    TRY(render_options_of(call->session->model, call->speaker.generation->thinking, &render));
    enum status status =
        conversation_answer(conversation, &render, &call->options, call->session->sequence, &events, &heard);
    report_usage(heard.finish, &heard.timings, call->usage);
    answer_free(&heard);
    return status;
}

static enum status run(struct call *call, bool chat) {
    struct logit_bias *bias = NULL;
    enum status status = options_of(call->speaker.generation, &bias, &call->options);
    if (status == STATUS_OK) status = chat ? answer(call) : generate(call);
    speak(&call->speaker, NULL, 0); /* what was held back until the end */
    buffer_free(&call->speaker.text);
    free(bias);
    return status;
}

static enum hadal_status start(struct hadal_session *session, const struct hadal_generation *generation,
                               struct hadal_usage *usage, bool chat) {
    struct hadal_generation fallback;
    struct hadal_usage unwanted;
    if (!usage) usage = &unwanted;
    *usage = (struct hadal_usage){.finish = HADAL_FINISH_FAILED};
    enum status status = session_enter(session, chat ? "hadal_session_answer" : "hadal_session_generate");
    if (status != STATUS_OK) return public_status(status);
    default_generation(session->model, &fallback);
    struct call call = {.session = session, .usage = usage};
    call.speaker = (struct speaker){.generation = generation ? generation : &fallback, .kind = TEXT_ANSWER};
    status = run(&call, chat);
    if (status != STATUS_OK) usage->finish = HADAL_FINISH_FAILED;
    return session_leave(session, status);
}

enum hadal_status hadal_session_generate(struct hadal_session *session,
                                         const struct hadal_generation *generation,
                                         struct hadal_usage *usage) {
    return start(session, generation, usage, false);
}

enum hadal_status hadal_session_answer(struct hadal_session *session,
                                       const struct hadal_generation *generation, struct hadal_usage *usage) {
    return start(session, generation, usage, true);
}
