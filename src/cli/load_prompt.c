/* load_prompt.c - conversations of made-up text: a beginning that all share, and what is each one's own. */
#include "cli/bench.h"
#include "cli/load.h"

#include <stdlib.h>
#include <string.h>

/* Texts of all conversations and turns differ; SHARED is none of their numbers. */
#define SHARED UINT64_MAX

static void append_text(struct buffer *out, const struct load_plan *plan, double tokens, uint64_t number,
                        int turn) {
    const size_t bytes = tokens > 1 ? (size_t)(tokens * plan->bytes_per_token) : 1, before = out->bytes;
    struct buffer text = {0};
    bench_text(&text, bytes, plan->seed * UINT64_C(0x9e3779b97f4a7c15) + (number << 16) + (uint64_t)turn);
    buffer_append(out, text.data ? text.data : "", text.bytes < bytes ? text.bytes : bytes);
    if (out->bytes > before && out->data[out->bytes - 1] == ' ') out->data[out->bytes - 1] = '.';
    buffer_free(&text);
}

static void add_message(struct load_talk *talk, const char *role, const char *text, size_t bytes) {
    json_t *message = json_pack("{ss}", "role", role), *content = json_stringn(text, bytes);
    if (!content) content = json_string(""); /* what came was no UTF-8 */
    json_object_set_new(message, "content", content);
    json_array_append_new(talk->messages, message);
}

void load_talk_begin(struct load_talk *talk, const struct load_plan *plan, uint64_t number) {
    const double tokens = (double)plan->prompt_tokens - plan->extra_tokens,
                 shared = tokens * plan->shared_share;
    struct buffer common = {0}, own = {0};
    load_talk_free(talk);
    talk->number = number;
    if (plan->chat) talk->messages = json_array();
    if (shared >= 1) append_text(&common, plan, shared, SHARED, 0);
    append_text(&own, plan, tokens - shared, number, 0);
    if (plan->chat && common.bytes) add_message(talk, "system", common.data, common.bytes);
    if (plan->chat) {
        add_message(talk, "user", own.data ? own.data : "", own.bytes);
    } else {
        if (common.bytes) buffer_append(&talk->text, common.data, common.bytes);
        if (own.bytes) buffer_append(&talk->text, own.data, own.bytes);
    }
    buffer_free(&common);
    buffer_free(&own);
}

void load_talk_next(struct load_talk *talk, const struct load_plan *plan, const char *answer, size_t bytes) {
    struct buffer more = {0};
    talk->turn++;
    append_text(&more, plan, (double)plan->turn_tokens, talk->number, talk->turn);
    if (plan->chat) {
        add_message(talk, "assistant", answer, bytes);
        add_message(talk, "user", more.data ? more.data : "", more.bytes);
    } else {
        buffer_append(&talk->text, answer, bytes);
        buffer_append_text(&talk->text, "\n\n");
        if (more.bytes) buffer_append(&talk->text, more.data, more.bytes);
    }
    buffer_free(&more);
}

void load_talk_free(struct load_talk *talk) {
    json_decref(talk->messages);
    buffer_free(&talk->text);
    *talk = (struct load_talk){0};
}

char *load_talk_body(const struct load_talk *talk, const struct load_plan *plan) {
    json_t *root =
        json_pack("{ss* sI sf sb s{sb}}", "model", plan->model, "max_tokens", (json_int_t)plan->tokens,
                  "temperature", 0.0, "stream", 1, "stream_options", "include_usage", 1);
    if (!root) return NULL;
    if (plan->chat)
        json_object_set(root, "messages", talk->messages);
    else
        json_object_set_new(root, "prompt",
                            json_stringn(talk->text.data ? talk->text.data : "", talk->text.bytes));
    if (plan->extra) json_object_update(root, plan->extra);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

const char *load_plan_path(const struct load_plan *plan) {
    return plan->chat ? "/chat/completions" : "/completions";
}
