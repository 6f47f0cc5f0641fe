/* order_completion.c - the body of POST /completions: a text to continue, or the middle between two. */
#include "server/order_fields.h"

#include <string.h>

enum { PROMPT_BYTES = 1 << 24 };

/* One text, or an array of one: several prompts in one request are several requests. */
static enum status read_prompt(struct order *order, const json_t *root) {
    json_t *prompt = json_object_get(root, "prompt");
    if (json_is_array(prompt) && json_array_size(prompt) == 1 && json_is_string(json_array_get(prompt, 0))) {
        json_t *text = json_pack("{sO}", "prompt", json_array_get(prompt, 0));
        enum status status = text ? order_read_text(order, text, "prompt", PROMPT_BYTES, &order->prompt)
                                  : fail(STATUS_MEMORY, "prompt: out of memory");
        json_decref(text);
        return status;
    }
    TRY(order_read_text(order, root, "prompt", PROMPT_BYTES, &order->prompt));
    return order->prompt ? STATUS_OK : fail(STATUS_INPUT, "prompt: is missing");
}

static enum status read_body(struct order *order, const char *body, size_t bytes,
                             const struct dialect *dialect) {
    int64_t logprobs = -1;
    TRY(chat_json_check(body, bytes, "request"));
    TRY(json_parse(body, bytes, "request", &order->root));
    const json_t *root = order->root;
    if (!json_is_object(root)) return fail(STATUS_INPUT, "the request must be a JSON object");
    TRY(order_read_common(order, root));
    TRY(read_prompt(order, root));
    TRY(order_read_text(order, root, "suffix", PROMPT_BYTES, &order->suffix));
    TRY(order_read_bool(root, "echo", &order->echo));
    TRY(order_read_int(root, "logprobs", 0, LOGPROBS_LIMIT, &logprobs));
    order->sampling.logprobs = (int)logprobs;
    if (order->suffix && *order->suffix && dialect->middle_tokens)
        TRY(order_read_int(root, "max_tokens", 1, dialect->middle_tokens, &order->max_tokens));
    if (order->max_tokens < 0) order->max_tokens = 16; /* as completions have always had it */
    return order_read_format(order, root);
}

enum status order_from_completion(struct order *order, const char *body, size_t bytes,
                                  const struct dialect *dialect) {
    *order = (struct order){0};
    enum status status = read_body(order, body, bytes, dialect);
    if (status != STATUS_OK) order_free(order);
    return status == STATUS_FORMAT ? STATUS_INPUT : status;
}
