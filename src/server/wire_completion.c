/* wire_completion.c - answers of POST /completions: objects "text_completion". */
#include "server/api.h"

#include <stdlib.h>
#include <string.h>

static void write_token_text(const struct engine *engine, int32_t id, struct buffer *out) {
    size_t bytes;
    const char *text = tokenizer_bytes(engine->tokenizer, id, &bytes);
    job_write_text(out, text, bytes);
}

/* Code points, by the bytes that begin one. */
static int characters(const char *text, size_t bytes) {
    int count = 0;
    for (size_t i = 0; i < bytes; i++) count += (text[i] & 0xC0) != 0x80;
    return count;
}

/* Each entry is kept as an object; the contract's parallel lists are made of them when they are written. */
static void add_logprob(const struct job *job, struct job_answer *answer, enum text_kind kind,
                        const struct choice *choice) {
    const struct engine *engine = service_engine(job->api->service);
    struct buffer *out = &answer->logprobs[kind];
    size_t bytes;
    if (job->order.echo && answer->tokens == 1)
        answer->offset = characters(job->order.prompt, strlen(job->order.prompt));
    if (out->bytes) buffer_append_char(out, ',');
    buffer_append_text(out, "{\"t\":");
    write_token_text(engine, choice->id, out);
    buffer_printf(out, ",\"l\":%.9g,\"o\":%d,\"p\":{", (double)choice->logprob, answer->offset);
    for (int i = 0; i < choice->tops; i++) {
        if (i) buffer_append_char(out, ',');
        write_token_text(engine, choice->top[i].id, out);
        buffer_printf(out, ":%.9g", (double)choice->top[i].logprob);
    }
    buffer_append_text(out, "}}");
    const char *text = tokenizer_bytes(engine->tokenizer, choice->id, &bytes);
    answer->offset += characters(text, bytes);
}

static void write_list(const json_t *entries, const char *name, const char *key, struct buffer *out) {
    buffer_printf(out, "\"%s\":[", name);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        char *text = json_dumps(json_object_get(json_array_get(entries, i), key),
                                JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
        if (i) buffer_append_char(out, ',');
        buffer_append_text(out, text ? text : "null");
        free(text);
    }
    buffer_append_char(out, ']');
}

static void write_logprobs(const struct job *job, struct job_answer *answer, struct buffer *out) {
    struct buffer *list = &answer->logprobs[TEXT_ANSWER], text = {0};
    if (job->order.sampling.logprobs < 0) {
        buffer_append_text(out, "null");
        return;
    }
    buffer_append_char(&text, '[');
    if (list->bytes) buffer_append(&text, list->data, list->bytes);
    buffer_append_char(&text, ']');
    buffer_clear(list);
    /* two tokens may have the same text, so that a name may come twice: the later one counts */
    json_t *entries = text.failed ? NULL : json_loadb(text.data, text.bytes, JSON_ALLOW_NUL, NULL);
    buffer_append_char(out, '{');
    write_list(entries, "tokens", "t", out);
    buffer_append_char(out, ',');
    write_list(entries, "token_logprobs", "l", out);
    buffer_append_char(out, ',');
    write_list(entries, "top_logprobs", "p", out);
    buffer_append_char(out, ',');
    write_list(entries, "text_offset", "o", out);
    buffer_append_char(out, '}');
    json_decref(entries);
    buffer_free(&text);
}

static void open_object(const struct job *job, struct buffer *out) {
    buffer_printf(out, "{\"id\":\"%s\",\"object\":\"text_completion\",\"created\":%lld,\"model\":", job->id,
                  (long long)job->created);
    job_write_text(out, job->order.model, strlen(job->order.model));
    buffer_printf(out, ",\"system_fingerprint\":\"%s\",\"choices\":[", job->api->fingerprint);
}

/* The text so far; with `echo` the first one begins with the prompt. */
static void write_choice(struct job *job, int index, const char *reason, struct buffer *out) {
    struct job_answer *answer = &job->answer[index];
    struct buffer *text = &answer->text[TEXT_ANSWER], whole = {0};
    if (job->order.echo && !answer->begun) buffer_append_text(&whole, job->order.prompt);
    if (text->bytes) buffer_append(&whole, text->data, text->bytes);
    answer->begun = true;
    buffer_append_text(out, "{\"text\":");
    job_write_text(out, whole.data, whole.bytes);
    buffer_printf(out, ",\"index\":%d,\"logprobs\":", index);
    write_logprobs(job, answer, out);
    if (reason)
        buffer_printf(out, ",\"finish_reason\":\"%s\"}", reason);
    else
        buffer_append_text(out, ",\"finish_reason\":null}");
    buffer_clear(text);
    buffer_free(&whole);
}

static void write_piece(struct job *job, int index, struct buffer *out) {
    const struct job_answer *answer = &job->answer[index];
    if (answer->text[TEXT_ANSWER].bytes == 0) return;
    buffer_append_text(out, "data: ");
    open_object(job, out);
    write_choice(job, index, NULL, out);
    buffer_append_text(out, job->order.usage_asked ? "],\"usage\":null}\n\n" : "]}\n\n");
}

static void write_end(struct job *job, int index, struct buffer *out) {
    const struct dialect *dialect = job->api->dialect;
    const bool last = job->answers_ended == job->order.choices,
               usage = last && !dialect->usage_apart && (dialect->usage_unasked || job->order.usage_asked);
    buffer_append_text(out, "data: ");
    open_object(job, out);
    write_choice(job, index, job_finish_reason(&job->answer[index]), out);
    buffer_append_text(out, usage ? "],\"usage\":" : "]");
    if (usage) job_write_usage(job, out);
    buffer_append_text(out, "}\n\n");
}

static void write_usage(struct job *job, struct buffer *out) {
    buffer_append_text(out, "data: ");
    open_object(job, out);
    buffer_append_text(out, "],\"usage\":");
    job_write_usage(job, out);
    buffer_append_text(out, "}\n\n");
}

static void write_done(struct job *job, struct buffer *out) {
    if (job->api->dialect->usage_apart && job->order.usage_asked) write_usage(job, out);
    buffer_append_text(out, "data: [DONE]\n\n");
}

static void write_whole(struct job *job, struct buffer *out) {
    open_object(job, out);
    for (int i = 0; i < job->order.choices; i++) {
        if (i) buffer_append_char(out, ',');
        write_choice(job, i, job_finish_reason(&job->answer[i]), out);
    }
    buffer_append_text(out, "],\"usage\":");
    job_write_usage(job, out);
    buffer_append_char(out, '}');
}

const struct wire completion_wire = {.add_logprob = add_logprob,
                                     .write_piece = write_piece,
                                     .write_end = write_end,
                                     .write_done = write_done,
                                     .write_whole = write_whole,
                                     .keep_alive = ": keep-alive\n\n",
                                     .refuse = api_refuse};
