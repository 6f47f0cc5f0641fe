/* order.c - the fields that conversations and completions have in common. */
#include "server/order_fields.h"

#include "base/bytes.h"

#include <limits.h>
#include <string.h>

static enum status wrong(const char *field, const char *expected) {
    return fail(STATUS_INPUT, "%s: %s", field, expected);
}

static const json_t *field_of(const json_t *root, const char *name) {
    const json_t *value = json_object_get(root, name);
    return json_is_null(value) ? NULL : value;
}

enum status order_read_bool(const json_t *root, const char *name, bool *value) {
    const json_t *field = field_of(root, name);
    if (!field) return STATUS_OK;
    if (!json_is_boolean(field)) return wrong(name, "must be true or false");
    *value = json_is_true(field);
    return STATUS_OK;
}

enum status order_read_int(const json_t *root, const char *name, int64_t low, int64_t high, int64_t *value) {
    const json_t *field = field_of(root, name);
    if (!field) return STATUS_OK;
    if (!json_is_integer(field)) return wrong(name, "must be a whole number");
    int64_t number = json_integer_value(field);
    if (number < low || number > high)
        return fail(STATUS_INPUT, "Invalid %s value, the valid range of %s is [%lld, %lld]", name, name,
                    (long long)low, (long long)high);
    *value = number;
    return STATUS_OK;
}

enum status order_read_real(const json_t *root, const char *name, double low, double high, double *value) {
    const json_t *field = field_of(root, name);
    if (!field) return STATUS_OK;
    if (!json_is_number(field)) return wrong(name, "must be a number");
    double number = json_number_value(field);
    if (!(number >= low && number <= high))
        return fail(STATUS_INPUT, "Invalid %s value, the valid range of %s is [%g, %g]", name, name, low,
                    high);
    *value = number;
    return STATUS_OK;
}

enum status order_read_text(struct order *order, const json_t *root, const char *name, size_t limit,
                            const char **value) {
    const json_t *field = field_of(root, name);
    if (!field) return STATUS_OK;
    if (!json_is_string(field)) return wrong(name, "must be a string");
    size_t bytes = json_string_length(field);
    if (memchr(json_string_value(field), 0, bytes)) return wrong(name, "contains the character U+0000");
    if (bytes > limit)
        return fail(STATUS_LIMIT, "%s: %zu bytes, at most %zu are allowed", name, bytes, limit);
    *value = arena_copy(&order->arena, json_string_value(field), bytes);
    return *value ? STATUS_OK : fail(STATUS_MEMORY, "%s: out of memory", name);
}

/* ---- stop, logit_bias ---- */

static enum status add_stop(struct order *order, const json_t *text) {
    if (!json_is_string(text)) return wrong("stop", "must be a string or an array of strings");
    size_t bytes = json_string_length(text);
    if (bytes == 0) return STATUS_OK; /* what some clients send for none */
    if (memchr(json_string_value(text), 0, bytes)) return wrong("stop", "contains the character U+0000");
    order->stop[order->stops] = arena_copy(&order->arena, json_string_value(text), bytes);
    return order->stop[order->stops++] ? STATUS_OK : fail(STATUS_MEMORY, "stop: out of memory");
}

static enum status read_stop(struct order *order, const json_t *root) {
    const json_t *stop = field_of(root, "stop");
    size_t count = json_is_array(stop) ? json_array_size(stop) : stop != NULL;
    if (count > ORDER_STOPS_LIMIT)
        return fail(STATUS_INPUT, "stop: %zu sequences, at most %d are allowed", count, ORDER_STOPS_LIMIT);
    if (count == 0) return STATUS_OK;
    order->stop = arena_take(&order->arena, count * sizeof *order->stop);
    if (!order->stop) return fail(STATUS_MEMORY, "stop: out of memory");
    for (size_t i = 0; i < count; i++)
        TRY(add_stop(order, json_is_array(stop) ? json_array_get(stop, i) : stop));
    return STATUS_OK;
}

static bool read_id(const char *text, int32_t *id) {
    int64_t value = 0;
    if (!*text) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        value = value * 10 + (*text - '0');
        if (value > INT32_MAX) return false;
    }
    *id = (int32_t)value;
    return true;
}

static enum status read_bias(struct order *order, const json_t *root) {
    json_t *map = json_object_get(root, "logit_bias");
    size_t count = json_object_size(map);
    if (!map || json_is_null(map)) return STATUS_OK;
    if (!json_is_object(map)) return wrong("logit_bias", "must be an object of token ids and numbers");
    if (count > LOGIT_BIAS_LIMIT) return wrong("logit_bias", "has too many entries");
    if (count == 0) return STATUS_OK;
    struct logit_bias *bias = arena_take(&order->arena, count * sizeof *bias);
    const char *key;
    json_t *value;
    if (!bias) return fail(STATUS_MEMORY, "logit_bias: out of memory");
    json_object_foreach(map, key, value) {
        struct logit_bias *row = &bias[order->sampling.biases++];
        if (!read_id(key, &row->id)) return fail(STATUS_INPUT, "logit_bias: \"%.32s\" is no token id", key);
        if (!json_is_number(value)) return wrong("logit_bias", "must have numbers as values");
        row->bias = (float)json_number_value(value);
    }
    order->sampling.bias = bias;
    return STATUS_OK;
}

enum status order_read_budget(struct order *order, const json_t *thinking) {
    return thinking ? order_read_int(thinking, "budget_tokens", 0, INT32_MAX, &order->thinking_budget)
                    : STATUS_OK;
}

/* ---- all of them ---- */

static enum status read_sampling(struct order *order, const json_t *root) {
    struct sampling *sampling = &order->sampling;
    int64_t seed = 0;
    order->temperature_given = field_of(root, "temperature") != NULL;
    order->seed_given = field_of(root, "seed") != NULL;
    TRY(order_read_real(root, "temperature", 0, 2, &sampling->temperature));
    TRY(order_read_real(root, "top_p", 0, 1, &sampling->top_p));
    TRY(order_read_real(root, "min_p", 0, 1, &sampling->min_p));
    TRY(order_read_int(root, "top_k", -1, INT32_MAX, &sampling->top_k));
    if (sampling->top_k < 0) sampling->top_k = 0; /* -1: all, as other servers have it */
    TRY(order_read_real(root, "presence_penalty", -2, 2, &sampling->presence_penalty));
    TRY(order_read_real(root, "frequency_penalty", -2, 2, &sampling->frequency_penalty));
    TRY(order_read_real(root, "repetition_penalty", REPETITION_PENALTY_LOWEST, 100,
                        &sampling->repetition_penalty));
    TRY(order_read_int(root, "seed", INT64_MIN, INT64_MAX, &seed));
    sampling->seed = (uint64_t)seed;
    return read_bias(order, root);
}

static enum status read_stream_options(struct order *order, const json_t *root) {
    const json_t *options = field_of(root, "stream_options");
    if (!options) return STATUS_OK;
    if (!json_is_object(options)) return wrong("stream_options", "must be an object");
    return order_read_bool(options, "include_usage", &order->usage_asked);
}

static enum status read_user(struct order *order, const json_t *root) {
    enum { USER_BYTES = 512 };
    TRY(order_read_text(order, root, "user_id", USER_BYTES, &order->user));
    for (const char *c = order->user; c && *c; c++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", *c))
            return wrong("user_id", "may have letters, digits, '_' and '-' only");
    if (!order->user) TRY(order_read_text(order, root, "user", USER_BYTES, &order->user));
    return STATUS_OK;
}

enum status order_read_common(struct order *order, const json_t *root) {
    int64_t choices = 1;
    order->max_tokens = order->thinking_budget = -1;
    order->sampling = sampling_default();
    order->sampling.temperature = 1;
    TRY(order_read_text(order, root, "model", 256, &order->model));
    TRY(order_read_int(root, "max_tokens", 1, INT32_MAX, &order->max_tokens));
    TRY(order_read_int(root, "n", 1, ORDER_CHOICES_LIMIT, &choices));
    order->choices = (int)choices;
    TRY(order_read_bool(root, "stream", &order->stream));
    TRY(order_read_bool(root, "ignore_eos", &order->ignore_end));
    TRY(read_stream_options(order, root));
    TRY(read_sampling(order, root));
    TRY(read_stop(order, root));
    return read_user(order, root);
}

void order_free(struct order *order) {
    chat_free(&order->chat);
    json_decref(order->root);
    arena_free(&order->arena);
    *order = (struct order){0};
}
