/* wire_responses.c - answers of POST /responses: output in items, streams as numbered events.
 *
 * The last event repeats the whole output, so items are kept until then. */
#include "server/api.h"
#include "text/json_print.h"

#include <string.h>

/* ---- items ---- */

static const char *item_prefix(int block) {
    return block == TEXT_REASONING ? "rs" : block == TEXT_ANSWER ? "msg" : "fc";
}

/* "[citation:3]" is one of the third source. */
static const json_t *cited_source(const struct job *job, const char *text, size_t bytes, size_t *mark) {
    static const char begin[] = "[citation:";
    size_t number = 0, at = sizeof begin - 1;
    if (bytes < sizeof begin || strncmp(text, begin, sizeof begin - 1)) return NULL;
    while (at < bytes && at < sizeof begin + 3 && text[at] >= '0' && text[at] <= '9')
        number = 10 * number + (size_t)(text[at++] - '0');
    if (at == bytes || text[at] != ']' || number == 0) return NULL;
    *mark = at + 1;
    return json_array_get(job->sources, number - 1);
}

/* Places are counted in characters. */
static void write_annotations(const struct job *job, const char *text, size_t bytes, struct buffer *out) {
    size_t characters = 0, mark = 0;
    const char *comma = "";
    for (size_t i = 0; job->sources && i < bytes; i++) {
        const json_t *source = cited_source(job, text + i, bytes - i, &mark);
        if (source) {
            const json_t *title = json_object_get(source, "title"), *url = json_object_get(source, "url");
            buffer_printf(
                out, "%s{\"type\":\"url_citation\",\"start_index\":%zu,\"end_index\":%zu,\"title\":", comma,
                characters, characters + mark);
            job_write_text(out, json_string_value(title), json_string_length(title));
            buffer_append_text(out, ",\"url\":");
            job_write_text(out, json_string_value(url), json_string_length(url));
            buffer_append_char(out, '}');
            comma = ",";
        }
        characters += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
}

static void write_part(const struct job *job, int block, const char *text, size_t bytes, struct buffer *out) {
    if (block == TEXT_REASONING) {
        buffer_append_text(out, "{\"type\":\"reasoning_text\",\"text\":");
    } else {
        buffer_append_text(out, "{\"type\":\"output_text\",\"annotations\":[");
        write_annotations(job, text, bytes, out);
        buffer_append_text(out, "],\"logprobs\":[],\"text\":");
    }
    job_write_text(out, text, bytes);
    buffer_append_char(out, '}');
}

/* What the server searched for: an item in front of the model's own. */
static void write_search(const struct job *job, const char *status, struct buffer *out) {
    buffer_printf(
        out,
        "{\"id\":\"ws_%s\",\"type\":\"web_search_call\",\"status\":\"%s\",\"action\":{\"type\":\"search\","
        "\"query\":",
        job->id, status);
    job_write_text(out, json_string_value(job->query), json_string_length(job->query));
    buffer_append_text(out, ",\"sources\":[");
    for (size_t i = 0; i < json_array_size(job->sources); i++) {
        const json_t *url = json_object_get(json_array_get(job->sources, i), "url");
        buffer_append_text(out, i ? ",{\"type\":\"url\",\"url\":" : "{\"type\":\"url\",\"url\":");
        job_write_text(out, json_string_value(url), json_string_length(url));
        buffer_append_char(out, '}');
    }
    buffer_append_text(out, "]}}");
}

static void keep_search(const struct job *job, struct job_answer *answer) {
    if (!job->query || answer->before > 0) return;
    write_search(job, "completed", &answer->items);
    answer->before = 1;
}

/* The item number `index`, empty while it is in progress. */
static void write_item(const struct job *job, const struct job_answer *answer, int index, const char *status,
                       struct buffer *out) {
    const int block = answer->block;
    const bool done = strcmp(status, "in_progress") != 0;
    buffer_printf(out, "{\"id\":\"%s_%s_%d\",\"status\":\"%s\",", item_prefix(block), job->id, index, status);
    if (block >= TEXT_KINDS) {
        const struct job_call *call = &answer->call[block - TEXT_KINDS];
        buffer_printf(out,
                      "\"type\":\"function_call\",\"call_id\":\"call_%s\",\"name\":\"%s\",\"arguments\":",
                      call->id, call->name);
        job_write_text(out, call->arguments.data, done ? call->arguments.bytes : 0);
    } else {
        buffer_append_text(out, block == TEXT_REASONING
                                    ? "\"type\":\"reasoning\",\"summary\":[],\"content\":["
                                    : "\"type\":\"message\",\"role\":\"assistant\",\"content\":[");
        if (done) write_part(job, block, answer->item.data, answer->item.bytes, out);
        buffer_append_char(out, ']');
    }
    buffer_append_char(out, '}');
}

/* Only the last item can have been cut. */
static const char *item_status(const struct job_answer *answer, bool last) {
    const int block = answer->block;
    const bool whole = block < TEXT_KINDS ||
                       (answer->call[block - TEXT_KINDS].ended && !answer->call[block - TEXT_KINDS].broken);
    return whole && (!last || answer->finish == FINISH_STOP) ? "completed" : "incomplete";
}

static void keep_item(const struct job *job, struct job_answer *answer, int index, bool last) {
    if (answer->items.bytes) buffer_append_char(&answer->items, ',');
    write_item(job, answer, index, item_status(answer, last), &answer->items);
}

/* ---- the response ---- */

static const char *response_status(const struct job_answer *answer) {
    if (!answer->ended) return "failed";
    if (answer->finish == FINISH_STOP) return "completed";
    return answer->finish == FINISH_LENGTH ? "incomplete" : "failed";
}

static void write_field(const struct job *job, const char *name, const char *fallback, struct buffer *out) {
    const json_t *value = json_object_get(job->order.root, name);
    buffer_printf(out, ",\"%s\":", name);
    if (value)
        json_print(out, value, 0);
    else
        buffer_append_text(out, fallback);
}

static void write_usage(const struct job *job, struct buffer *out) {
    const struct service_usage *usage = &job->usage;
    buffer_printf(out,
                  "{\"input_tokens\":%d,\"input_tokens_details\":{\"cached_tokens\":%d},\"output_tokens\":%d,"
                  "\"output_tokens_details\":{\"reasoning_tokens\":%d},\"total_tokens\":%d}",
                  usage->prompt_tokens, usage->cache.hit_tokens, usage->generated_tokens,
                  usage->reasoning_tokens, usage->prompt_tokens + usage->generated_tokens);
}

static void write_response(const struct job *job, const struct job_answer *answer, const char *status,
                           struct buffer *out) {
    buffer_printf(
        out, "{\"id\":\"resp_%s\",\"object\":\"response\",\"created_at\":%lld,\"status\":\"%s\",\"model\":",
        job->id, (long long)job->created, status);
    job_write_text(out, job->order.model, strlen(job->order.model));
    buffer_append_text(out, ",\"output\":[");
    if (answer->items.bytes) buffer_append(out, answer->items.data, answer->items.bytes);
    buffer_append_text(out, "],\"error\":");
    buffer_append_text(out, strcmp(status, "failed")
                                ? "null"
                                : "{\"code\":\"server_error\",\"message\":\"the answer was ended early\"}");
    buffer_append_text(out, ",\"incomplete_details\":");
    buffer_append_text(out, strcmp(status, "incomplete") ? "null" : "{\"reason\":\"max_output_tokens\"}");
    static const char *const fields[][2] = {{"instructions", "null"},
                                            {"max_output_tokens", "null"},
                                            {"temperature", "1"},
                                            {"top_p", "1"},
                                            {"text", "{\"format\":{\"type\":\"text\"}}"},
                                            {"reasoning", "{\"effort\":null,\"summary\":null}"},
                                            {"tools", "[]"},
                                            {"tool_choice", "\"auto\""},
                                            {"user", "null"}};
    for (size_t i = 0; i < COUNT_OF(fields); i++) write_field(job, fields[i][0], fields[i][1], out);
    buffer_append_text(
        out, ",\"parallel_tool_calls\":true,\"store\":false,\"background\":false,"
             "\"previous_response_id\":null,\"truncation\":\"disabled\",\"metadata\":{},\"usage\":");
    if (strcmp(status, "in_progress"))
        write_usage(job, out);
    else
        buffer_append_text(out, "null");
    buffer_append_char(out, '}');
}

/* ---- streams ---- */

static void open_event(struct job_answer *answer, const char *name, struct buffer *out) {
    buffer_printf(out, "event: response.%s\ndata: {\"type\":\"response.%s\",\"sequence_number\":%d", name,
                  name, answer->events++);
}

static void close_event(struct buffer *out) {
    buffer_append_text(out, "}\n\n");
}

static void write_state(const struct job *job, struct job_answer *answer, const char *name,
                        const char *status, struct buffer *out) {
    open_event(answer, name, out);
    buffer_append_text(out, ",\"response\":");
    write_response(job, answer, status, out);
    close_event(out);
}

/* An event of the item that is open. */
static void open_item_event(const struct job *job, struct job_answer *answer, const char *name,
                            struct buffer *out) {
    const int index = answer->before + answer->blocks - 1;
    open_event(answer, name, out);
    buffer_printf(out, ",\"item_id\":\"%s_%s_%d\",\"output_index\":%d", item_prefix(answer->block), job->id,
                  index, index);
    if (answer->block < TEXT_KINDS) buffer_append_text(out, ",\"content_index\":0");
}

static void write_item_event(const struct job *job, struct job_answer *answer, const char *name,
                             const char *status, struct buffer *out) {
    open_event(answer, name, out);
    const int index = answer->before + answer->blocks - 1;
    buffer_printf(out, ",\"output_index\":%d,\"item\":", index);
    write_item(job, answer, index, status, out);
    close_event(out);
}

static void write_part_event(const struct job *job, struct job_answer *answer, const char *name, bool done,
                             struct buffer *out) {
    open_item_event(job, answer, name, out);
    buffer_append_text(out, ",\"part\":");
    write_part(job, answer->block, answer->item.data, done ? answer->item.bytes : 0, out);
    close_event(out);
}

static void end_item(const struct job *job, struct job_answer *answer, struct buffer *out) {
    static const char *const names[] = {
        [TEXT_REASONING] = "reasoning_text.done", [TEXT_ANSWER] = "output_text.done"};
    if (answer->blocks == 0) return;
    if (answer->block < TEXT_KINDS) {
        open_item_event(job, answer, names[answer->block], out);
        buffer_append_text(out, answer->block == TEXT_ANSWER ? ",\"logprobs\":[],\"text\":" : ",\"text\":");
        job_write_text(out, answer->item.data, answer->item.bytes);
        close_event(out);
        write_part_event(job, answer, "content_part.done", true, out);
    } else {
        const struct job_call *call = &answer->call[answer->block - TEXT_KINDS];
        open_item_event(job, answer, "function_call_arguments.done", out);
        buffer_printf(out, ",\"name\":\"%s\",\"arguments\":", call->name);
        job_write_text(out, call->arguments.data, call->arguments.bytes);
        close_event(out);
    }
    write_item_event(job, answer, "output_item.done", item_status(answer, answer->ended), out);
    keep_item(job, answer, answer->before + answer->blocks - 1, answer->ended);
    buffer_clear(&answer->item);
}

static void begin_item(const struct job *job, struct job_answer *answer, int block, struct buffer *out) {
    if (answer->blocks > 0 && answer->block == block) return;
    end_item(job, answer, out);
    answer->block = block;
    answer->blocks++;
    write_item_event(job, answer, "output_item.added", "in_progress", out);
    if (block < TEXT_KINDS) write_part_event(job, answer, "content_part.added", false, out);
}

static void write_delta(const struct job *job, struct job_answer *answer, enum text_kind kind,
                        struct buffer *out) {
    struct buffer *text = &answer->text[kind];
    if (text->bytes == 0) return;
    begin_item(job, answer, (int)kind, out);
    open_item_event(job, answer, kind == TEXT_ANSWER ? "output_text.delta" : "reasoning_text.delta", out);
    buffer_append_text(out, kind == TEXT_ANSWER ? ",\"logprobs\":[],\"delta\":" : ",\"delta\":");
    job_write_text(out, text->data, text->bytes);
    close_event(out);
    buffer_append(&answer->item, text->data, text->bytes);
    buffer_clear(text);
}

static void write_call(const struct job *job, struct job_answer *answer, int number, struct buffer *out) {
    struct job_call *call = &answer->call[number];
    if (call->sent == call->arguments.bytes) return;
    begin_item(job, answer, TEXT_KINDS + number, out);
    open_item_event(job, answer, "function_call_arguments.delta", out);
    buffer_append_text(out, ",\"delta\":");
    job_write_text(out, call->arguments.data + call->sent, call->arguments.bytes - call->sent);
    close_event(out);
    call->sent = call->arguments.bytes;
}

static void write_search_event(const struct job *job, struct job_answer *answer, const char *name,
                               const char *status, struct buffer *out) {
    open_event(answer, name, out);
    if (*status) {
        buffer_append_text(out, ",\"output_index\":0,\"item\":");
        write_search(job, status, out);
    } else {
        buffer_printf(out, ",\"output_index\":0,\"item_id\":\"ws_%s\"", job->id);
    }
    close_event(out);
}

static void write_search_events(const struct job *job, struct job_answer *answer, struct buffer *out) {
    if (!job->query) return;
    write_search_event(job, answer, "output_item.added", "in_progress", out);
    write_search_event(job, answer, "web_search_call.in_progress", "", out);
    write_search_event(job, answer, "web_search_call.searching", "", out);
    write_search_event(job, answer, "web_search_call.completed", "", out);
    write_search_event(job, answer, "output_item.done", "completed", out);
    keep_search(job, answer);
}

static void write_piece(struct job *job, int index, struct buffer *out) {
    struct job_answer *answer = &job->answer[index];
    if (!answer->begun) {
        write_state(job, answer, "created", "in_progress", out);
        write_state(job, answer, "in_progress", "in_progress", out);
        write_search_events(job, answer, out);
        answer->begun = true;
    }
    /* a call's item must be whole before another begins */
    if (answer->blocks > 0 && answer->block >= TEXT_KINDS)
        write_call(job, answer, answer->block - TEXT_KINDS, out);
    write_delta(job, answer, TEXT_REASONING, out);
    write_delta(job, answer, TEXT_ANSWER, out);
    for (int i = 0; i < answer->calls; i++) write_call(job, answer, i, out);
}

static void write_end(struct job *job, int index, struct buffer *out) {
    struct job_answer *answer = &job->answer[index];
    const char *status = response_status(answer);
    write_piece(job, index, out);
    if (answer->blocks == 0) begin_item(job, answer, TEXT_ANSWER, out);
    end_item(job, answer, out);
    write_state(job, answer, status, status, out);
}

/* The last event is the end. */
static void write_done(struct job *job, struct buffer *out) {
    (void)job;
    (void)out;
}

/* ---- whole answers ---- */

static void write_whole(struct job *job, struct buffer *out) {
    struct job_answer *answer = &job->answer[0];
    static const enum text_kind kinds[] = {TEXT_REASONING, TEXT_ANSWER};
    keep_search(job, answer);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const struct buffer *text = &answer->text[kinds[i]];
        const bool alone = kinds[i] == TEXT_ANSWER && answer->blocks == 0 && answer->calls == 0;
        if (text->bytes == 0 && !alone) continue;
        answer->block = (int)kinds[i];
        buffer_clear(&answer->item);
        if (text->bytes) buffer_append(&answer->item, text->data, text->bytes);
        keep_item(job, answer, answer->before + answer->blocks++,
                  kinds[i] == TEXT_ANSWER && answer->calls == 0);
    }
    for (int i = 0; i < answer->calls; i++) {
        answer->block = TEXT_KINDS + i;
        keep_item(job, answer, answer->before + answer->blocks++, i == answer->calls - 1);
    }
    write_response(job, answer, response_status(answer), out);
}

const struct wire responses_wire = {.splits_reasoning = true,
                                    .reads_body = true,
                                    .write_piece = write_piece,
                                    .write_end = write_end,
                                    .write_done = write_done,
                                    .write_whole = write_whole,
                                    .keep_alive = ": keep-alive\n\n",
                                    .refuse = api_refuse};
