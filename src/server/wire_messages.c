/* wire_messages.c - answers of POST /anthropic/v1/messages: content in blocks, streams as named events. */
#include "server/api.h"
#include "text/json_print.h"

#include <string.h>

static const char *stop_reason(const struct job_answer *answer) {
    if (job_ends_in_calls(answer)) return "tool_use";
    if (answer->finish == FINISH_STOP) return answer->stop >= 0 ? "stop_sequence" : "end_turn";
    return answer->finish == FINISH_LENGTH ? "max_tokens" : "refusal";
}

static void write_stop(const struct job *job, const struct job_answer *answer, struct buffer *out) {
    buffer_printf(out, "\"stop_reason\":\"%s\",\"stop_sequence\":", stop_reason(answer));
    if (answer->finish == FINISH_STOP && answer->stop >= 0 && !job_ends_in_calls(answer))
        job_write_text(out, job->order.stop[answer->stop], strlen(job->order.stop[answer->stop]));
    else
        buffer_append_text(out, "null");
}

static void write_counts(const struct job *job, int generated, struct buffer *out) {
    const struct service_usage *usage = &job->usage;
    buffer_printf(
        out,
        "\"usage\":{\"input_tokens\":%d,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":%d,"
        "\"output_tokens\":%d",
        usage->prompt_tokens - usage->cache.hit_tokens, usage->cache.hit_tokens, generated);
    if (job->sources)
        buffer_printf(out, ",\"server_tool_use\":{\"web_search_requests\":%d,\"web_fetch_requests\":%d}",
                      job->searches, job->fetches);
    buffer_append_char(out, '}');
}

static void open_message(const struct job *job, struct buffer *out) {
    buffer_printf(out, "{\"id\":\"msg_%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", job->id);
    job_write_text(out, job->order.model, strlen(job->order.model));
}

/* ---- what the server searched for ---- */

static void write_query(const struct job *job, struct buffer *out) {
    buffer_printf(out,
                  "{\"type\":\"server_tool_use\",\"id\":\"srvtoolu_%s\",\"name\":\"web_search\",\"input\":{"
                  "\"query\":",
                  job->id);
    job_write_text(out, json_string_value(job->query), json_string_length(job->query));
    buffer_append_text(out, "}}");
}

static void write_results(const struct job *job, struct buffer *out) {
    buffer_printf(out, "{\"type\":\"web_search_tool_result\",\"tool_use_id\":\"srvtoolu_%s\",\"content\":[",
                  job->id);
    for (size_t i = 0; i < json_array_size(job->sources); i++) {
        const json_t *source = json_array_get(job->sources, i);
        const json_t *title = json_object_get(source, "title"), *url = json_object_get(source, "url");
        buffer_append_text(out, i ? ",{\"type\":\"web_search_result\",\"title\":"
                                  : "{\"type\":\"web_search_result\",\"title\":");
        job_write_text(out, json_string_value(title), json_string_length(title));
        buffer_append_text(out, ",\"url\":");
        job_write_text(out, json_string_value(url), json_string_length(url));
        buffer_append_text(out, ",\"encrypted_content\":\"\",\"page_age\":null}");
    }
    buffer_append_text(out, "]}");
}

/* ---- streams ---- */

static void open_event(const char *name, struct buffer *out) {
    buffer_printf(out, "event: %s\ndata: {\"type\":\"%s\"", name, name);
}

static void write_whole_block(const struct job *job, struct job_answer *answer,
                              void (*write)(const struct job *job, struct buffer *out), struct buffer *out) {
    open_event("content_block_start", out);
    buffer_printf(out, ",\"index\":%d,\"content_block\":", answer->before);
    write(job, out);
    buffer_append_text(out, "}\n\n");
    open_event("content_block_stop", out);
    buffer_printf(out, ",\"index\":%d}\n\n", answer->before++);
}

static void write_start(struct job *job, struct job_answer *answer, struct buffer *out) {
    open_event("message_start", out);
    buffer_append_text(out, ",\"message\":");
    open_message(job, out);
    buffer_append_text(out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,");
    write_counts(job, 0, out);
    buffer_append_text(out, "}}\n\n");
    answer->begun = true;
    if (!job->query) return;
    write_whole_block(job, answer, write_query, out);
    write_whole_block(job, answer, write_results, out);
}

static void end_block(struct job_answer *answer, struct buffer *out) {
    if (answer->blocks == 0) return;
    open_event("content_block_stop", out);
    buffer_printf(out, ",\"index\":%d}\n\n", answer->before + answer->blocks - 1);
}

static void begin_block(struct job_answer *answer, int block, struct buffer *out) {
    if (answer->blocks > 0 && answer->block == block) return;
    end_block(answer, out);
    answer->block = block;
    open_event("content_block_start", out);
    if (block >= TEXT_KINDS) {
        const struct job_call *call = &answer->call[block - TEXT_KINDS];
        buffer_printf(
            out,
            ",\"index\":%d,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_%s\",\"name\":\"%s\","
            "\"input\":{}}}\n\n",
            answer->before + answer->blocks++, call->id, call->name);
        return;
    }
    buffer_printf(out, ",\"index\":%d,\"content_block\":%s}\n\n", answer->before + answer->blocks++,
                  block == TEXT_REASONING ? "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"
                                          : "{\"type\":\"text\",\"text\":\"\"}");
}

static void write_delta(struct job_answer *answer, enum text_kind kind, struct buffer *out) {
    struct buffer *text = &answer->text[kind];
    if (text->bytes == 0) return;
    begin_block(answer, kind, out);
    open_event("content_block_delta", out);
    buffer_printf(out, ",\"index\":%d,\"delta\":%s", answer->before + answer->blocks - 1,
                  kind == TEXT_REASONING ? "{\"type\":\"thinking_delta\",\"thinking\":"
                                         : "{\"type\":\"text_delta\",\"text\":");
    job_write_text(out, text->data, text->bytes);
    buffer_append_text(out, "}}\n\n");
    buffer_clear(text);
}

static void write_call(struct job_answer *answer, int number, struct buffer *out) {
    struct job_call *call = &answer->call[number];
    if (call->sent == call->arguments.bytes) return;
    begin_block(answer, TEXT_KINDS + number, out);
    open_event("content_block_delta", out);
    buffer_printf(out, ",\"index\":%d,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":",
                  answer->before + answer->blocks - 1);
    job_write_text(out, call->arguments.data + call->sent, call->arguments.bytes - call->sent);
    buffer_append_text(out, "}}\n\n");
    call->sent = call->arguments.bytes;
}

static void write_piece(struct job *job, int index, struct buffer *out) {
    struct job_answer *answer = &job->answer[index];
    if (!answer->begun) write_start(job, answer, out);
    /* a call's block must be whole before another begins */
    if (answer->blocks > 0 && answer->block >= TEXT_KINDS)
        write_call(answer, answer->block - TEXT_KINDS, out);
    write_delta(answer, TEXT_REASONING, out);
    write_delta(answer, TEXT_ANSWER, out);
    for (int i = 0; i < answer->calls; i++) write_call(answer, i, out);
}

static void write_end(struct job *job, int index, struct buffer *out) {
    struct job_answer *answer = &job->answer[index];
    write_piece(job, index, out);
    if (answer->blocks == 0) begin_block(answer, TEXT_ANSWER, out);
    end_block(answer, out);
    open_event("message_delta", out);
    buffer_append_text(out, ",\"delta\":{");
    write_stop(job, answer, out);
    buffer_append_text(out, "},");
    write_counts(job, job->usage.generated_tokens, out);
    buffer_append_text(out, "}\n\n");
}

static void write_done(struct job *job, struct buffer *out) {
    (void)job;
    open_event("message_stop", out);
    buffer_append_text(out, "}\n\n");
}

/* ---- whole answers ---- */

static void write_whole(struct job *job, struct buffer *out) {
    struct job_answer *answer = &job->answer[0];
    open_message(job, out);
    buffer_append_text(out, ",\"content\":[");
    if (job->query) {
        write_query(job, out);
        buffer_append_char(out, ',');
        write_results(job, out);
        buffer_append_char(out, ',');
    }
    if (answer->text[TEXT_REASONING].bytes) {
        buffer_append_text(out, "{\"type\":\"thinking\",\"thinking\":");
        job_write_text(out, answer->text[TEXT_REASONING].data, answer->text[TEXT_REASONING].bytes);
        buffer_append_text(out, ",\"signature\":\"\"},");
    }
    if (answer->text[TEXT_ANSWER].bytes || !answer->calls) {
        buffer_append_text(out, "{\"type\":\"text\",\"text\":");
        job_write_text(out, answer->text[TEXT_ANSWER].data, answer->text[TEXT_ANSWER].bytes);
        buffer_append_text(out, answer->calls ? "}," : "}");
    }
    for (int i = 0; i < answer->calls; i++) {
        const struct job_call *call = &answer->call[i];
        buffer_printf(out,
                      "%s{\"type\":\"tool_use\",\"id\":\"toolu_%s\",\"name\":\"%s\",\"input\":", i ? "," : "",
                      call->id, call->name);
        buffer_append(out, call->arguments.data,
                      call->arguments.bytes); /* an object of JSON, or it would be text */
        buffer_append_char(out, '}');
    }
    buffer_append_text(out, "],");
    write_stop(job, answer, out);
    buffer_append_char(out, ',');
    write_counts(job, job->usage.generated_tokens, out);
    buffer_append_char(out, '}');
}

/* ---- errors ---- */

void messages_refuse(void *context, int status, const char *sentence, struct buffer *body) {
    static const struct {
        int status;
        const char *type;
    } rows[] = {{401, "authentication_error"},
                {402, "billing_error"},
                {403, "permission_error"},
                {404, "not_found_error"},
                {413, "request_too_large"},
                {429, "rate_limit_error"},
                {500, "api_error"},
                {503, "overloaded_error"}};
    const char *type = "invalid_request_error";
    (void)context;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].status == status) type = rows[i].type;
    buffer_printf(body, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", type);
    json_print_text(body, sentence, strlen(sentence));
    buffer_append_text(body, "}}");
}

const struct wire messages_wire = {.splits_reasoning = true,
                                   .write_piece = write_piece,
                                   .write_end = write_end,
                                   .write_done = write_done,
                                   .write_whole = write_whole,
                                   .keep_alive = "event: ping\ndata: {\"type\":\"ping\"}\n\n",
                                   .refuse = messages_refuse};
