/* Fuzz target: bodies of requests through every endpoint's parser. Any input must end in an order or a sentence. */
#include "server/order.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

typedef enum status parser(struct order *order, const char *body, size_t bytes,
                           const struct dialect *dialect);

static void parse(parser *parse_order, const char *text, size_t bytes, const char *dialect) {
    struct order order;
    const enum status status = parse_order(&order, text, bytes, dialect_find(dialect));
    if (status == STATUS_OK) {
        MUST(order.choices >= 1 && order.choices <= ORDER_CHOICES_LIMIT && order.stops <= ORDER_STOPS_LIMIT);
        MUST(order.prompt || order.chat.messages > 0);
        order_free(&order);
    } else {
        MUST(*status_message() && !order.root && !order.arena.chunk);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char *text = malloc(bytes + 1);
    if (!text) return 0;
    if (bytes) memcpy(text, data, bytes);
    text[bytes] = 0;
    parse(order_from_chat, text, bytes, "deepseek");
    parse(order_from_chat, text, bytes, "openai");
    parse(order_from_completion, text, bytes, "deepseek");
    parse(order_from_messages, text, bytes, "deepseek");
    parse(order_from_responses, text, bytes, "deepseek");
    free(text);
    return 0;
}
