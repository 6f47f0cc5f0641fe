/* eval_engine.c - questions answered by the engine of this process. The engine's thread tells what it samples to a listener,
 * which hands whole answers over through a list under a lock; the thread that asks waits for it. */
#include "cli/answer_options.h"
#include "cli/eval.h"
#include "cli/open_engine.h"
#include "engine/page_file.h"
#include "engine/service.h"
#include "train/dialogue.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEMPLATE_TOKENS = 1024, STOPS_MOST = 16, WAIT_MILLISECONDS = 200 };

struct question_out { /* from ask to hear */
    struct eval_engine *engine;
    struct question_out *next;
    int64_t number;
    struct buffer text;
    char finish[16];
    struct service_usage usage;
    enum status status;
    char message[256];
};

struct eval_engine {
    struct service *service;
    struct dialogue_form form;
    struct arena arena;
    struct eval_sampling sampling;
    bool thinks; /* prompts end inside <think> */
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct question_out *done; /* under the lock */
};

/* ---- hearing ---- */

static void hand_over(struct question_out *out) {
    struct eval_engine *engine = out->engine;
    pthread_mutex_lock(&engine->lock);
    out->next = engine->done;
    engine->done = out;
    pthread_cond_signal(&engine->came);
    pthread_mutex_unlock(&engine->lock);
}

static void hear_event(void *context, const struct service_event *event) {
    struct question_out *out = context;
    if (event->kind == SERVICE_PIECE) buffer_append(&out->text, event->piece->text, event->piece->bytes);
    if (event->kind == SERVICE_CHOICE_END)
        snprintf(out->finish, sizeof out->finish, "%s", finish_name(event->finish));
    if (event->kind != SERVICE_END) return;
    out->usage = *event->usage;
    out->status = event->status;
    snprintf(out->message, sizeof out->message, "%s", event->message);
    hand_over(out);
}

static struct question_out *wait_for_one(struct eval_engine *engine) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAIT_MILLISECONDS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&engine->lock);
    for (int late = 0; !engine->done && late != ETIMEDOUT;)
        late = pthread_cond_timedwait(&engine->came, &engine->lock, &until);
    struct question_out *out = engine->done;
    if (out) engine->done = out->next;
    pthread_mutex_unlock(&engine->lock);
    return out;
}

static void free_out(struct question_out *out) {
    buffer_free(&out->text);
    free(out);
}

/* Reasoning that its limit cut off has no answer behind it. */
static bool is_unfinished(const struct eval_engine *engine, const char *text, size_t bytes) {
    while (bytes && strchr(" \n\t\r", *text) && *text) {
        text++;
        bytes--;
    }
    bool opened = engine->thinks || (bytes >= 7 && !memcmp(text, "<think>", 7));
    return opened && !memmem(text, bytes, "</think>", 8);
}

static enum status take_answer(struct eval_engine *engine, struct question_out *out,
                               struct answered *answered) {
    buffer_append_text(&out->text, "");
    if (out->status != STATUS_OK) return fail(out->status, "%s", out->message);
    TRY(buffer_check(&out->text, "an answer"));
    for (size_t i = 0; i < out->text.bytes; i++)
        if (!out->text.data[i]) out->text.data[i] = ' '; /* texts of records end at a NUL */
    *answered = (struct answered){.number = out->number,
                                  .text = out->text.data,
                                  .bytes = out->text.bytes,
                                  .unfinished = is_unfinished(engine, out->text.data, out->text.bytes),
                                  .prompt_tokens = out->usage.prompt_tokens,
                                  .tokens = out->usage.generated_tokens,
                                  .seconds = out->usage.prefill_seconds + out->usage.decode_seconds};
    snprintf(answered->finish, sizeof answered->finish, "%s", out->finish);
    out->text = (struct buffer){0};
    return STATUS_OK;
}

static enum status hear(void *context, struct answered *answered, bool *found) {
    struct eval_engine *engine = context;
    struct question_out *out = wait_for_one(engine);
    *found = out;
    if (!out) return STATUS_OK;
    enum status status = take_answer(engine, out, answered);
    free_out(out);
    return status;
}

/* ---- asking ---- */

static int stops_of(const struct eval_engine *engine, const json_t *line, const char *stop[STOPS_MOST]) {
    const json_t *list = engine->sampling.plain ? json_object_get(line, "stop") : NULL;
    int stops = 0;
    for (size_t i = 0; i < json_array_size(list) && stops < STOPS_MOST; i++) {
        stop[stops] = json_string_value(json_array_get(list, i));
        stops += stop[stops] && *stop[stops];
    }
    return stops;
}

static enum status prompt_of(const struct eval_engine *engine, const struct question *question,
                             struct token_list *list) {
    const json_t *plain = json_object_get(question->line, "plain");
    char origin[160];
    snprintf(origin, sizeof origin, "question %.100s", question->id);
    json_t *line = engine->sampling.plain && json_is_string(plain) ? json_pack("{s:O}", "prompt", plain)
                                                                   : json_incref(question->line);
    if (!line) return fail(STATUS_MEMORY, "no memory for a question");
    enum status status =
        dialogue_prompt(&engine->form, service_engine(engine->service)->tokenizer, line, origin, list);
    json_decref(line);
    return status;
}

static enum status submit(struct eval_engine *engine, const struct asked *asked,
                          const struct token_list *prompt, struct question_out *out) {
    const char *stop[STOPS_MOST];
    char isolation[32]; /* what one question's answers leave in the cache is no other's */
    uint64_t number;
    struct service_request request = {.prompt = prompt->id,
                                      .prompt_tokens = (int)prompt->count,
                                      .isolation = isolation,
                                      .choices = 1,
                                      .listener = hear_event,
                                      .context = out,
                                      .reply = {.sampling = sampling_default(),
                                                .max_tokens = engine->sampling.most,
                                                .stop = stop,
                                                .stops = stops_of(engine, asked->question->line, stop),
                                                .show_special = true,
                                                .hide_end = true}};
    request.reply.sampling.temperature = engine->sampling.temperature;
    request.reply.sampling.top_p = engine->sampling.top_p;
    request.reply.sampling.seed = asked->seed;
    snprintf(isolation, sizeof isolation, "%016llx", (unsigned long long)asked->question->identity);
    return service_submit(engine->service, &request, &number);
}

static enum status ask(void *context, const struct asked *asked) {
    struct eval_engine *engine = context;
    struct token_list prompt = {0};
    struct question_out *out = calloc(1, sizeof *out);
    if (!out) return fail(STATUS_MEMORY, "no memory for a question");
    *out = (struct question_out){.engine = engine, .number = asked->number};
    enum status status = prompt_of(engine, asked->question, &prompt);
    if (status == STATUS_OK) status = submit(engine, asked, &prompt, out);
    token_list_free(&prompt);
    if (status == STATUS_OK) return STATUS_OK;
    free_out(out);
    return fail_within(status, "question %.100s", asked->question->id);
}

/* ---- opening ---- */

static size_t longest_question(const struct question_set *set, int sets) {
    size_t longest = 0;
    for (int s = 0; s < sets; s++)
        for (int q = 0; q < set[s].questions; q++) {
            char *text = json_dumps(set[s].question[q].line, JSON_COMPACT);
            size_t bytes = text ? strlen(text) : 0;
            if (bytes > longest) longest = bytes;
            free(text);
        }
    return longest;
}

/* A token is a byte at least: room for what can be asked, unless the model itself has less. */
static int64_t context_for(const struct option_values *values, const struct question_set *set, int sets,
                           const struct eval_sampling *sampling) {
    if (option_given(values, "ctx")) return option_int(values, "ctx");
    int64_t wanted = (int64_t)longest_question(set, sets) + TEMPLATE_TOKENS + sampling->most;
    return wanted < AUTOMATIC_CONTEXT ? wanted : 0;
}

static enum status open_service(struct eval_engine *engine, const struct option_values *values,
                                int64_t context) {
    char directory[4096];
    struct service_options options = {.limits.speculate = SPECULATE_OFF};
    TRY(engine_options_from(values, &options.engine));
    options.engine.model.context = context;
    options.engine.model.sequences = (int)option_int(values, "parallel");
    options.engine.model.cache_tokens = CACHE_AUTOMATIC;
    options.limits.queue = 2 * options.engine.model.sequences;
    options.limits.step_seconds =
        3600; /* nobody watches single words: prompts take the rows that there are */
    cache_directory_default(&options.engine, directory, sizeof directory);
    enum status status = service_open(&engine->service, &options);
    if (status == STATUS_LIMIT && context && !option_given(values, "ctx")) {
        options.engine.model.context = 0; /* the model's own is shorter */
        status = service_open(&engine->service, &options);
    }
    TRY(status);
    if (service_engine(engine->service)->tokenizer) return STATUS_OK;
    return fail(STATUS_NOT_FOUND, "%s: has no tokenizer", options.engine.model.path);
}

static enum status open_form(struct eval_engine *engine, const struct option_values *values) {
    const struct checkpoint *checkpoint = &service_engine(engine->service)->model.checkpoint;
    struct render_options *render = &engine->form.render;
    engine->form.plain = engine->sampling.plain;
    if (engine->form.plain) return STATUS_OK;
    TRY(render_options_from(values, checkpoint, &engine->arena, render));
    engine->thinks =
        chat_template_thinks(render->template, chat_thinking_wanted(render->template, render->thinking));
    return STATUS_OK;
}

static enum status tell(const struct eval_engine *engine, const struct option_values *values, json_t *about) {
    uint8_t identity[16];
    char text[40] = "";
    TRY(page_model(&service_engine(engine->service)->model, identity));
    for (size_t i = 0; i < sizeof identity; i++) snprintf(text + 2 * i, 3, "%02x", identity[i]);
    json_object_set_new(about, "identity", json_string(text));
    json_object_set_new(about, "strict", json_boolean(option_flag(values, "strict")));
    if (!engine->form.plain)
        json_object_set_new(about, "template", json_string(chat_template_name(engine->form.render.template)));
    if (!engine->form.plain) json_object_set_new(about, "thinking", json_boolean(engine->thinks));
    return STATUS_OK;
}

enum status eval_engine_open(struct eval_engine **engine, const struct option_values *values,
                             const struct question_set *set, int sets, const struct eval_sampling *sampling,
                             struct asker *asker, json_t *about) {
    struct eval_engine *made = calloc(1, sizeof *made);
    *engine = made;
    if (!made) return fail(STATUS_MEMORY, "no memory for an engine");
    made->sampling = *sampling;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->came, NULL);
    TRY(open_service(made, values, context_for(values, set, sets, sampling)));
    TRY(open_form(made, values));
    TRY(tell(made, values, about));
    *asker = (struct asker){made, 2 * (int)option_int(values, "parallel"), ask, hear};
    return STATUS_OK;
}

void eval_engine_close(struct eval_engine *engine) {
    if (!engine) return;
    if (engine->service) service_close(engine->service); /* hands over what was out */
    while (engine->done) {
        struct question_out *next = engine->done->next;
        free_out(engine->done);
        engine->done = next;
    }
    arena_free(&engine->arena);
    pthread_cond_destroy(&engine->came);
    pthread_mutex_destroy(&engine->lock);
    free(engine);
}
