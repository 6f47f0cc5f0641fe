/* wire_chat.c - answers of POST /chat/completions: objects "chat.completion" and "chat.completion.chunk". */
#include "base/bytes.h"
#include "server/api.h"
#include "server/job_search.h"

#include <math.h>
#include <string.h>

/* ---- log-probabilities ---- */

static void write_token(const struct engine *engine, int32_t id, float logprob, struct buffer *out) {
    size_t bytes;
    const char *text = tokenizer_bytes(engine->tokenizer, id, &bytes);
    buffer_append_text(out, "{\"token\":");
    job_write_text(out, text, bytes);
    buffer_printf(out, ",\"logprob\":%.9g,\"bytes\":[", (double)logprob);
    for (size_t i = 0; i < bytes; i++) buffer_printf(out, i ? ",%d" : "%d", (unsigned char)text[i]);
    buffer_append_char(out, ']');
}

static void add_logprob(const struct job *job, struct job_answer *answer, enum text_kind kind,
                        const struct choice *choice) {
    const struct engine *engine = service_engine(job->api->service);
    struct buffer *out = &answer->logprobs[kind];
    if (out->bytes) buffer_append_char(out, ',');
    write_token(engine, choice->id, choice->logprob, out);
    buffer_append_text(out, ",\"top_logprobs\":[");
    for (int i = 0; i < choice->tops; i++) {
        if (i) buffer_append_char(out, ',');
        write_token(engine, choice->top[i].id, choice->top[i].logprob, out);
        buffer_append_char(out, '}');
    }
    buffer_append_text(out, "]}");
}

static void write_logprobs(const struct job *job, struct job_answer *answer, struct buffer *out) {
    if (job->order.sampling.logprobs < 0) {
        buffer_append_text(out, "null");
        return;
    }
    static const char *const names[TEXT_KINDS] = {
        [TEXT_ANSWER] = "{\"content\":[", [TEXT_REASONING] = "],\"reasoning_content\":["};
    for (int i = 0; i < TEXT_KINDS; i++) {
        const enum text_kind kind = i == 0 ? TEXT_ANSWER : TEXT_REASONING;
        struct buffer *list = &answer->logprobs[kind];
        if (kind == TEXT_REASONING && !job->reasons && !answer->reasoned) break;
        buffer_append_text(out, names[kind]);
        if (list->bytes) buffer_append(out, list->data, list->bytes);
        buffer_clear(list);
    }
    buffer_append_text(out, "]}");
}

/* ---- streams ---- */

static void open_chunk(const struct job *job, struct buffer *out) {
    buffer_printf(
        out, "data: {\"id\":\"%s\",\"object\":\"chat.completion.chunk\",\"created\":%lld,\"model\":", job->id,
        (long long)job->created);
    job_write_text(out, job->order.model, strlen(job->order.model));
    buffer_printf(out, ",\"system_fingerprint\":\"%s\",\"choices\":[", job->api->fingerprint);
}

/* "usage" is null in chunks that have none where somebody asked for it. */
static void close_chunk(const struct job *job, bool usage, struct buffer *out) {
    buffer_append_char(out, ']');
    if (usage || job->order.usage_asked) buffer_append_text(out, ",\"usage\":");
    if (usage)
        job_write_usage(job, out);
    else if (job->order.usage_asked)
        buffer_append_text(out, "null");
    buffer_append_text(out, "}\n\n");
}

/* One chunk with a delta that has been written up to its closing brace. */
static void open_delta(const struct job *job, int index, struct buffer *out) {
    open_chunk(job, out);
    buffer_printf(out, "{\"index\":%d,\"delta\":{", index);
}

static void close_delta(struct job *job, struct job_answer *answer, const char *reason, bool usage,
                        struct buffer *out) {
    buffer_append_text(out, "},\"logprobs\":");
    write_logprobs(job, answer, out);
    if (reason)
        buffer_printf(out, ",\"finish_reason\":\"%s\"}", reason);
    else
        buffer_append_text(out, ",\"finish_reason\":null}");
    close_chunk(job, usage, out);
}

static void write_role(struct job *job, int index, struct buffer *out) {
    struct job_answer *answer = &job->answer[index];
    struct buffer kept = answer->logprobs[TEXT_ANSWER], reasons = answer->logprobs[TEXT_REASONING];
    answer->logprobs[TEXT_ANSWER] = answer->logprobs[TEXT_REASONING] = (struct buffer){0};
    open_delta(job, index, out);
    buffer_append_text(out, job->reasons
                                ? "\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"\""
                                : "\"role\":\"assistant\",\"content\":\"\"");
    job_write_sources(job, out);
    close_delta(job, answer, NULL, false, out);
    answer->logprobs[TEXT_ANSWER] = kept;
    answer->logprobs[TEXT_REASONING] = reasons;
    answer->begun = true;
}

static void write_delta(struct job *job, int index, enum text_kind kind, struct buffer *out) {
    struct job_answer *answer = &job->answer[index];
    struct buffer *text = &answer->text[kind];
    const bool reasons = job->reasons || answer->reasoned;
    if (text->bytes == 0) return;
    open_delta(job, index, out);
    if (kind == TEXT_REASONING)
        buffer_append_text(out, "\"content\":null,\"reasoning_content\":");
    else
        buffer_append_text(out, "\"content\":");
    job_write_text(out, text->data, text->bytes);
    if (kind == TEXT_ANSWER && reasons) buffer_append_text(out, ",\"reasoning_content\":null");
    close_delta(job, answer, NULL, false, out);
    buffer_clear(text);
}

/* Name and id once, then the arguments as they come. */
static void write_call(struct job *job, int index, int number, struct buffer *out) {
    struct job_answer *answer = &job->answer[index];
    struct job_call *call = &answer->call[number];
    if (!call->begun) {
        open_delta(job, index, out);
        buffer_printf(out,
                      "\"tool_calls\":[{\"index\":%d,\"id\":\"call_%s\",\"type\":\"function\","
                      "\"function\":{\"name\":\"%s\",\"arguments\":\"\"}}]",
                      number, call->id, call->name);
        close_delta(job, answer, NULL, false, out);
        call->begun = true;
    }
    if (call->sent == call->arguments.bytes) return;
    open_delta(job, index, out);
    buffer_printf(out, "\"tool_calls\":[{\"index\":%d,\"function\":{\"arguments\":", number);
    job_write_text(out, call->arguments.data + call->sent, call->arguments.bytes - call->sent);
    buffer_append_text(out, "}}]");
    close_delta(job, answer, NULL, false, out);
    call->sent = call->arguments.bytes;
}

static void write_piece(struct job *job, int index, struct buffer *out) {
    if (!job->answer[index].begun) write_role(job, index, out);
    write_delta(job, index, TEXT_REASONING, out);
    write_delta(job, index, TEXT_ANSWER, out);
    for (int i = 0; i < job->answer[index].calls; i++) write_call(job, index, i, out);
}

/* Usage comes with the last choice, or apart, as the dialect has it. */
static void write_end(struct job *job, int index, struct buffer *out) {
    struct job_answer *answer = &job->answer[index];
    const struct dialect *dialect = job->api->dialect;
    const bool last = job->answers_ended == job->order.choices,
               usage = last && !dialect->usage_apart && (dialect->usage_unasked || job->order.usage_asked);
    write_piece(job, index, out);
    open_delta(job, index, out);
    if (!dialect->usage_apart)
        buffer_append_text(out,
                           job->reasons ? "\"content\":\"\",\"reasoning_content\":null" : "\"content\":\"\"");
    close_delta(job, answer, job_finish_reason(answer), usage, out);
}

static void write_usage(struct job *job, struct buffer *out) {
    open_chunk(job, out);
    close_chunk(job, true, out);
}

static void write_done(struct job *job, struct buffer *out) {
    if (job->api->dialect->usage_apart && job->order.usage_asked) write_usage(job, out);
    buffer_append_text(out, "data: [DONE]\n\n");
}

/* ---- whole answers ---- */

static void write_calls(const struct job_answer *answer, struct buffer *out) {
    for (int i = 0; i < answer->calls; i++) {
        const struct job_call *call = &answer->call[i];
        buffer_printf(
            out, "%s{\"id\":\"call_%s\",\"type\":\"function\",\"function\":{\"name\":\"%s\",\"arguments\":",
            i ? "," : ",\"tool_calls\":[", call->id, call->name);
        job_write_text(out, call->arguments.data, call->arguments.bytes);
        buffer_append_text(out, "}}");
    }
    if (answer->calls) buffer_append_char(out, ']');
}

static void write_message(struct job *job, int index, struct buffer *out) {
    struct job_answer *answer = &job->answer[index];
    buffer_printf(out, "{\"index\":%d,\"message\":{\"role\":\"assistant\",\"content\":", index);
    job_write_text(out, answer->text[TEXT_ANSWER].data, answer->text[TEXT_ANSWER].bytes);
    if (job->reasons || answer->reasoned) {
        buffer_append_text(out, ",\"reasoning_content\":");
        job_write_text(out, answer->text[TEXT_REASONING].data, answer->text[TEXT_REASONING].bytes);
    }
    job_write_sources(job, out);
    write_calls(answer, out);
    buffer_append_text(out, "},\"logprobs\":");
    write_logprobs(job, answer, out);
    buffer_printf(out, ",\"finish_reason\":\"%s\"}", job_finish_reason(answer));
}

static void write_whole(struct job *job, struct buffer *out) {
    buffer_printf(out, "{\"id\":\"%s\",\"object\":\"chat.completion\",\"created\":%lld,\"model\":", job->id,
                  (long long)job->created);
    job_write_text(out, job->order.model, strlen(job->order.model));
    buffer_append_text(out, ",\"choices\":[");
    for (int i = 0; i < job->order.choices; i++) {
        if (i) buffer_append_char(out, ',');
        write_message(job, i, out);
    }
    buffer_append_text(out, "],\"usage\":");
    job_write_usage(job, out);
    buffer_printf(out, ",\"system_fingerprint\":\"%s\"}", job->api->fingerprint);
}

const struct wire chat_wire = {.splits_reasoning = true,
                               .add_logprob = add_logprob,
                               .write_piece = write_piece,
                               .write_end = write_end,
                               .write_done = write_done,
                               .write_whole = write_whole,
                               .keep_alive = ": keep-alive\n\n",
                               .refuse = api_refuse};
