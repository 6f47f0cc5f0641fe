/* endpoints.c - the endpoints. */
#include "server/endpoints.h"

#include "text/json_print.h"

#include <stdlib.h>
#include <string.h>

/* ---- answers of the model ---- */

static bool has_name(const struct api_model *model, const char *name) {
    if (!strcmp(name, model->name)) return true;
    for (int i = 0; i < model->aliases; i++)
        if (!strcmp(name, model->alias[i])) return true;
    return false;
}

/* What clients of Anthropic ask for by themselves. */
static bool is_claude(const struct wire *wire, const char *name) {
    return wire == &messages_wire && !strncmp(name, "claude", 6);
}

/* Names that say whether the model should think, as the platform had them. */
static void settle_thinking(struct order *order) {
    if (order->thinking != THINKING_DEFAULT) return;
    if (!strcmp(order->model, "deepseek-reasoner")) order->thinking = THINKING_ON;
    if (!strcmp(order->model, "deepseek-chat")) order->thinking = THINKING_OFF;
}

/* In the words of the original. The message that an answer continues is none of those that came back. */
static enum status check_pass_back(const struct api *api, const struct order *order) {
    const struct chat *chat = &order->chat;
    const enum pass_back rule = api->dialect->pass_back;
    int begin = 0;
    if (rule == PASS_BACK_IGNORED || rule == PASS_BACK_REFUSED) return STATUS_OK;
    if (rule == PASS_BACK_TOOLS && json_array_size(chat->tools) == 0) return STATUS_OK;
    for (int i = 0; rule == PASS_BACK_TURN && i < chat->messages; i++)
        if (chat->message[i].role == ROLE_USER) begin = i;
    for (int i = begin; i < chat->messages; i++) {
        const struct message *message = &chat->message[i];
        if (message->role != ROLE_ASSISTANT || message->prefix || message->reasoning) continue;
        if (rule == PASS_BACK_TOOLS || message->tool_calls)
            return fail(STATUS_INPUT,
                        "The `reasoning_content` in the thinking mode must be passed back to the API.");
    }
    return STATUS_OK;
}

static enum status check_thinking(const struct api *api, const struct wire *wire, const struct order *order) {
    const enum chat_template template = api->model.template;
    if (order->prompt || !chat_template_thinks(template, chat_thinking_wanted(template, order->thinking)))
        return STATUS_OK;
    if (api->dialect->logprobs_refused && order->sampling.logprobs >= 0)
        return fail(STATUS_INPUT, "logprobs is not supported by a model that thinks");
    return wire == &chat_wire ? check_pass_back(api, order) : STATUS_OK;
}

enum status endpoint_check(const struct api *api, const struct wire *wire, struct order *order) {
    if (!order->model) order->model = api->model.name;
    if (!api->dialect->unknown_models && !has_name(&api->model, order->model) &&
        !is_claude(wire, order->model))
        return fail(STATUS_INPUT, "Model Not Exist");
    if (!order->prompt && !api->model.chats)
        return fail(STATUS_INPUT, "this model has no chat template: use /completions");
    settle_thinking(order);
    return check_thinking(api, wire, order);
}

void endpoint_chat(struct api *api, struct http_exchange *exchange, const char *account) {
    job_start(api, exchange, &chat_wire, order_from_chat, account);
}

void endpoint_completion(struct api *api, struct http_exchange *exchange, const char *account) {
    job_start(api, exchange, &completion_wire, order_from_completion, account);
}

void endpoint_messages(struct api *api, struct http_exchange *exchange, const char *account) {
    job_start(api, exchange, &messages_wire, order_from_messages, account);
}

void endpoint_responses(struct api *api, struct http_exchange *exchange, const char *account) {
    job_start(api, exchange, &responses_wire, order_from_responses, account);
}

/* ---- what there is ---- */

static void write_model(const struct api *api, const char *name, struct buffer *out) {
    buffer_append_text(out, "{\"id\":");
    json_print_text(out, name, strlen(name));
    buffer_append_text(out, ",\"object\":\"model\"");
    if (api->dialect->created) buffer_printf(out, ",\"created\":%lld", (long long)api->started);
    buffer_append_text(out, ",\"owned_by\":\"deepseek\"}");
}

void endpoint_models(struct api *api, struct http_exchange *exchange, const char *account) {
    struct buffer out = {0};
    (void)account;
    buffer_append_text(&out, "{\"object\":\"list\",\"data\":[");
    write_model(api, api->model.name, &out);
    for (int i = 0; i < api->model.aliases; i++) {
        buffer_append_char(&out, ',');
        write_model(api, api->model.alias[i], &out);
    }
    buffer_append_text(&out, "]}");
    api_reply_json(exchange, &out);
    buffer_free(&out);
}

void endpoint_health(struct api *api, struct http_exchange *exchange, const char *account) {
    struct buffer out = {0};
    struct service_counts counts;
    (void)account;
    service_counts(api->service, &counts);
    buffer_append_text(&out, "{\"status\":\"ok\",\"model\":");
    json_print_text(&out, api->model.name, strlen(api->model.name));
    buffer_printf(&out, ",\"waiting\":%d,\"running\":%d}", counts.waiting, counts.running);
    api_reply_json(exchange, &out);
    buffer_free(&out);
}

void endpoint_metrics(struct api *api, struct http_exchange *exchange, const char *account) {
    struct buffer out = {0};
    (void)account;
    api_write_metrics(api, &out);
    http_reply(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", out.data ? out.data : "",
               out.bytes);
    buffer_free(&out);
}

/* ---- text and tokens ---- */

static enum status text_to_ids(struct api *api, const json_t *root, struct buffer *out) {
    const json_t *text = json_object_get(root, "content"), *special = json_object_get(root, "add_special");
    const struct tokenizer *tokenizer = service_engine(api->service)->tokenizer;
    struct token_list list = {0};
    if (!text) text = json_object_get(root, "prompt");
    if (!json_is_string(text)) return fail(STATUS_INPUT, "content: must be a string");
    enum status status = STATUS_OK;
    if (json_is_true(special) && tokenizer_adds_bos(tokenizer))
        status = token_list_append(&list, tokenizer_bos(tokenizer));
    if (status == STATUS_OK)
        status = tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text),
                                  TOKENIZE_SPECIAL, &list);
    buffer_append_text(out, "{\"tokens\":[");
    for (size_t i = 0; i < list.count; i++) buffer_printf(out, i ? ",%d" : "%d", list.id[i]);
    buffer_printf(out, "],\"count\":%zu}", list.count);
    token_list_free(&list);
    return status;
}

static enum status ids_to_text(struct api *api, const json_t *root, struct buffer *out) {
    const json_t *ids = json_object_get(root, "tokens");
    const struct tokenizer *tokenizer = service_engine(api->service)->tokenizer;
    struct detokenizer detokenizer = {.tokenizer = tokenizer, .show_special = true};
    struct buffer text = {0};
    if (!json_is_array(ids)) return fail(STATUS_INPUT, "tokens: must be an array of token ids");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) >= tokenizer_vocabulary(tokenizer)) {
            buffer_free(&text);
            return fail(STATUS_INPUT, "tokens[%zu]: is no id of the vocabulary", i);
        }
        detokenizer_push(&detokenizer, (int32_t)json_integer_value(id), &text);
    }
    detokenizer_finish(&detokenizer, &text);
    buffer_append_text(out, "{\"content\":");
    json_print_text(out, text.data ? text.data : "", text.bytes);
    buffer_append_char(out, '}');
    buffer_free(&text);
    return STATUS_OK;
}

/* A body that becomes another, on a thread of the desk. */
struct conversion {
    struct api *api;
    struct http_exchange *exchange; /* NULL: the client is gone */
    conversion_work *convert;
    struct desk_task task;
    struct billing_call call;
    struct buffer body, out, sentence;
    enum status status;
};

static enum status convert_and_charge(struct conversion *conversion, const json_t *root) {
    TRY(billing_call_reserve(&conversion->call));
    enum status status = conversion->convert(conversion->api, root, &conversion->out);
    billing_call_settle(&conversion->call, status == STATUS_OK);
    return status;
}

static bool convert(void *context) {
    struct conversion *conversion = context;
    const char *body = conversion->body.data ? conversion->body.data : "";
    json_t *root = NULL;
    enum status status = chat_json_check(body, conversion->body.bytes, "request");
    if (status == STATUS_OK) status = json_parse(body, conversion->body.bytes, "request", &root);
    if (status == STATUS_OK) status = convert_and_charge(conversion, root);
    if (status != STATUS_OK) buffer_append_text(&conversion->sentence, status_message());
    conversion->status = status;
    json_decref(root);
    return true;
}

static void reply_converted(void *context) {
    struct conversion *conversion = context;
    struct http_exchange *exchange = conversion->exchange;
    if (exchange) http_on_gone(exchange, NULL, NULL);
    if (exchange && conversion->status == STATUS_OK)
        api_reply_json(exchange, &conversion->out);
    else if (exchange)
        api_reply_failure(exchange, api_refuse, conversion->status, conversion->sentence.data);
    buffer_free(&conversion->body);
    buffer_free(&conversion->out);
    buffer_free(&conversion->sentence);
    free(conversion);
}

static void conversion_gone(void *context) {
    struct conversion *conversion = context;
    conversion->exchange = NULL;
}

void endpoint_convert(struct api *api, struct http_exchange *exchange, struct desk *desk,
                      conversion_work *work, enum price_class class) {
    struct conversion *conversion = calloc(1, sizeof *conversion);
    if (!conversion) {
        api_reply_error(exchange, api_refuse, 503, "out of memory for the request");
        return;
    }
    *conversion = (struct conversion){
        .api = api, .exchange = exchange, .convert = work, .body = http_request_take_body(exchange)};
    conversion->task = (struct desk_task){
        .work = convert, .done = reply_converted, .context = conversion, .bytes = conversion->body.bytes};
    if (class < PRICE_CLASSES) billing_call_open(&conversion->call, api, class);
    http_on_gone(exchange, conversion_gone, conversion);
    if (desk_submit(desk, &conversion->task)) return;
    buffer_append_text(&conversion->sentence, "too many large requests are being read");
    conversion->status = STATUS_UNAVAILABLE;
    reply_converted(conversion);
}

void endpoint_tokenize(struct api *api, struct http_exchange *exchange, const char *account) {
    (void)account;
    endpoint_convert(api, exchange, api->desk, text_to_ids, PRICE_CLASSES);
}

void endpoint_detokenize(struct api *api, struct http_exchange *exchange, const char *account) {
    (void)account;
    endpoint_convert(api, exchange, api->desk, ids_to_text, PRICE_CLASSES);
}
