/* public_generate.c - hadal.h: continuing a session's tokens, and answering its conversation.
 *
 * The one subtlety is that an answer's text comes apart into reasoning and answer while its ids stay one
 * stream: ids go out with the first text behind them, or alone when there is none. */
#include "engine/public.h"

#include "engine/generate.h"

#include <stdlib.h>
#include <string.h>
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
    TRY(reserved_check(generation->reserved, "hadal_generation"));
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
    const struct generation *running;
    bool chat, stopped;
    struct reasoning_splitter splitter;
    struct buffer text[2]; /* of the answer and of its reasoning, by enum text_kind */
    struct buffer piece;   /* NUL-terminated copy of what goes to the callback */
    int sent;              /* ids that the callback has had */
};

static void speak(struct speaker *speaker, enum text_kind kind, const char *text, size_t bytes) {
    const struct hadal_generation *generation = speaker->generation;
    int ids = speaker->running->timings.generated_tokens;
    if (!generation->on_piece || speaker->stopped || (!bytes && ids == speaker->sent)) return;
    buffer_clear(&speaker->piece);
    buffer_append(&speaker->piece, text, bytes);
    struct hadal_piece piece = {.text = speaker->piece.data ? speaker->piece.data : "",
                                .bytes = speaker->piece.bytes,
                                .ids = speaker->running->id + speaker->sent,
                                .count = (size_t)(ids - speaker->sent),
                                .kind = kind == TEXT_REASONING ? HADAL_REASONING : HADAL_ANSWER};
    speaker->sent = ids;
    speaker->stopped = generation->on_piece(generation->context, &piece) != 0;
}

/* NUL cannot be in a message. */
static void keep(struct buffer *kept, const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (text[i]) buffer_append_char(kept, text[i]);
}

static void take_split(void *context, enum text_kind kind, const char *text, size_t bytes) {
    struct speaker *speaker = context;
    keep(&speaker->text[kind], text, bytes);
    speak(speaker, kind, text, bytes);
}

static bool take_piece(void *context, const struct piece *piece) {
    struct speaker *speaker = context;
    if (speaker->chat)
        reasoning_split(&speaker->splitter, piece->text, piece->bytes, take_split, speaker);
    else
        speak(speaker, TEXT_ANSWER, piece->text, piece->bytes);
    speak(speaker, speaker->splitter.thinking ? TEXT_REASONING : TEXT_ANSWER, "", 0);
    return !speaker->stopped;
}

static bool take_prefill(void *context, int done, int total) {
    struct speaker *speaker = context;
    const struct hadal_generation *generation = speaker->generation;
    if (generation->on_prompt && generation->on_prompt(generation->context, done, total))
        speaker->stopped = true;
    return !speaker->stopped;
}

/* ---- generating ---- */

static enum hadal_finish finish_of(enum status status, enum finish finish) {
    if (status != STATUS_OK || finish == FINISH_NONE) return HADAL_FINISH_FAILED;
    return finish == FINISH_STOP     ? HADAL_FINISH_END
           : finish == FINISH_LENGTH ? HADAL_FINISH_LENGTH
                                     : HADAL_FINISH_STOPPED;
}

static void report_usage(const struct generation *running, enum status status, struct hadal_usage *usage) {
    const struct generation_timings *timings = &running->timings;
    *usage = (struct hadal_usage){.finish = finish_of(status, running->finish),
                                  .prompt_tokens = timings->prompt_tokens,
                                  .cached_tokens = timings->cached_tokens,
                                  .generated_tokens = timings->generated_tokens,
                                  .prompt_seconds = timings->prefill_seconds,
                                  .generate_seconds = timings->decode_seconds};
}

static enum status run(struct hadal_session *session, struct speaker *speaker,
                       const struct generation_options *options, struct hadal_usage *usage) {
    struct generation running;
    struct generation_events events = {speaker, take_prefill, take_piece};
    struct sequence *sequence = session->sequence;
    if (sequence->tokens && sequence->cached == sequence->tokens)
        sequence->cached--; /* its logits may be gone */
    TRY(generation_open(&running, sequence, options));
    speaker->running = &running;
    enum status status = generation_run(&running, &events);
    if (speaker->chat) reasoning_split_finish(&speaker->splitter, take_split, speaker);
    report_usage(&running, status, usage);
    generation_close(&running);
    return status;
}

static enum status generate(struct hadal_session *session, struct speaker *speaker,
                            struct hadal_usage *usage) {
    struct generation_options options;
    struct logit_bias *bias = NULL;
    enum status status = options_of(speaker->generation, &bias, &options);
    if (status == STATUS_OK) status = run(session, speaker, &options, usage);
    free(bias);
    buffer_free(&speaker->piece);
    return status;
}

/* ---- answering ---- */

static enum status assign_prompt(struct hadal_session *session, const struct prompt *prompt) {
    struct token_list list = {0};
    enum status status = prompt_encode(prompt, session->model->engine->tokenizer, &list);
    if (status == STATUS_OK && list.count > (size_t)session->model->engine->context)
        status =
            fail(STATUS_LIMIT, "the conversation has %zu tokens and does not fit into the context of %lld",
                 list.count, (long long)session->model->engine->context);
    if (status == STATUS_OK) status = sequence_assign(session->sequence, list.id, (int)list.count);
    token_list_free(&list);
    return status;
}

static enum status prepare(struct hadal_session *session, struct speaker *speaker) {
    struct prompt prompt = {0};
    TRY(text_needed(session->model));
    char *text = json_dumps(session->conversation, JSON_COMPACT);
    if (!text) return fail(STATUS_MEMORY, "no memory for a prompt");
    enum status status =
        model_render(session->model, text, strlen(text), speaker->generation->thinking, &prompt);
    free(text);
    if (status == STATUS_OK) {
        speaker->splitter.thinking = prompt.thinking;
        status = assign_prompt(session, &prompt);
    }
    prompt_free(&prompt);
    return status;
}

static json_t *joined(const json_t *before, const struct buffer *text) {
    struct buffer whole = {0};
    buffer_append_text(&whole, json_is_string(before) ? json_string_value(before) : "");
    buffer_append(&whole, text->data, text->bytes);
    json_t *value = whole.failed ? NULL : json_stringn(whole.bytes ? whole.data : "", whole.bytes);
    buffer_free(&whole);
    return value;
}

/* The message that the answer continues, or a new one at the end. */
static json_t *answer_message(json_t *messages) {
    json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    const char *role = json_string_value(json_object_get(last, "role"));
    if (role && !strcmp(role, "assistant") && json_is_true(json_object_get(last, "prefix"))) {
        json_object_del(last, "prefix");
        return last;
    }
    json_t *message = json_pack("{s:s}", "role", "assistant");
    return json_array_append_new(messages, message) == 0 ? message : NULL;
}

static enum status adopt_answer(struct hadal_session *session, const struct speaker *speaker) {
    const struct buffer *reasoning = &speaker->text[TEXT_REASONING], *answer = &speaker->text[TEXT_ANSWER];
    json_t *message = answer_message(json_object_get(session->conversation, "messages"));
    bool failed = !message || reasoning->failed || answer->failed;
    if (!failed && reasoning->bytes)
        failed = json_object_set_new(message, "reasoning_content",
                                     json_stringn(reasoning->data, reasoning->bytes)) != 0;
    if (!failed)
        failed =
            json_object_set_new(message, "content", joined(json_object_get(message, "content"), answer)) != 0;
    return failed ? fail(STATUS_MEMORY, "no memory for the answer's message") : STATUS_OK;
}

static enum status answer(struct hadal_session *session, struct speaker *speaker, struct hadal_usage *usage) {
    TRY(prepare(session, speaker));
    TRY(generate(session, speaker, usage));
    return usage->generated_tokens ? adopt_answer(session, speaker) : STATUS_OK;
}

/* ---- both ---- */

static enum hadal_status start(struct hadal_session *session, const struct hadal_generation *generation,
                               struct hadal_usage *usage, bool chat) {
    struct hadal_generation fallback;
    struct hadal_usage unwanted;
    if (!usage) usage = &unwanted;
    *usage = (struct hadal_usage){.finish = HADAL_FINISH_FAILED};
    enum status status = session_enter(session, chat ? "hadal_session_answer" : "hadal_session_generate");
    if (status != STATUS_OK) return public_status(status);
    default_generation(session->model, &fallback);
    struct speaker speaker = {.generation = generation ? generation : &fallback, .chat = chat};
    status = chat ? answer(session, &speaker, usage) : generate(session, &speaker, usage);
    if (status != STATUS_OK) usage->finish = HADAL_FINISH_FAILED;
    buffer_free(&speaker.text[TEXT_REASONING]);
    buffer_free(&speaker.text[TEXT_ANSWER]);
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
