/* endpoints.h - one function for each row of the table of routes. `account`: whose key it was, "" without keys. */
#ifndef HADAL_SERVER_ENDPOINTS_H
#define HADAL_SERVER_ENDPOINTS_H

#include "server/api.h"

typedef void endpoint(struct api *api, struct http_exchange *exchange, const char *account);

endpoint endpoint_chat, endpoint_completion, endpoint_messages, endpoint_responses, endpoint_models,
    endpoint_balance, endpoint_admin, endpoint_load, endpoint_capabilities, endpoint_tokenize,
    endpoint_detokenize, endpoint_health, endpoint_metrics;

/* A body that becomes another: `work` runs on a thread of the desk, and what it fails with is the answer. A success is charged
 * as a call of `class`; PRICE_CLASSES: it costs nothing. */
typedef enum status conversion_work(struct api *api, const json_t *root, struct buffer *out);
void endpoint_convert(struct api *api, struct http_exchange *exchange, struct desk *desk,
                      conversion_work *work, enum price_class class);

/* What the order means here: names of models, and what they say. Any thread. */
must_use enum status endpoint_check(const struct api *api, const struct wire *wire, struct order *order);

#endif
