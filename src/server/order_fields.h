/* order_fields.h - reading fields of a request body: a field that is missing or null leaves *value alone. */
#ifndef HADAL_SERVER_ORDER_FIELDS_H
#define HADAL_SERVER_ORDER_FIELDS_H

#include "server/order.h"

must_use enum status order_read_bool(const json_t *root, const char *name, bool *value);
must_use enum status order_read_int(const json_t *root, const char *name, int64_t low, int64_t high,
                                    int64_t *value);
must_use enum status order_read_real(const json_t *root, const char *name, double low, double high,
                                     double *value);
must_use enum status order_read_text(struct order *order, const json_t *root, const char *name, size_t limit,
                                     const char **value);

/* The field budget_tokens of `thinking`, which may be NULL. */
must_use enum status order_read_budget(struct order *order, const json_t *thinking);

/* What conversations and completions share, with the defaults of the contract. */
must_use enum status order_read_common(struct order *order, const json_t *root);

/* The form that answers must have: response_format, and the fields that llama-server and vLLM have for it. */
must_use enum status order_read_format(struct order *order, const json_t *root);

/* What the server runs for a tool of this type: "web_search" and its dated kin, "deepseek_web_search", "web_fetch",
 * "deepseek_read_url". 0: it is none of those. */
unsigned order_served_type(const char *type);
/* Checks the tools of the order's chat, and settles which may be called: all, none, or one must be (`name` NULL: any). */
must_use enum status order_choose_tools(struct order *order, enum tool_choice choice, const char *name);
/* The same, by "tool_choice" as chats have it. */
must_use enum status order_read_tools(struct order *order, const json_t *root);

/* A string, or the texts of blocks joined by newlines. NULL: neither. New reference. */
json_t *order_join_text(const json_t *content);

#endif
