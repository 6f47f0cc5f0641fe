/* order.h - what a request asks for, whichever endpoint it came through: the parsers fill it, the rest of the
 * server reads nothing else of the body.
 *
 * Every field is checked by the parser against the contract; sentences name the field. Any thread. */
#ifndef HADAL_SERVER_ORDER_H
#define HADAL_SERVER_ORDER_H

#include "engine/sample.h"
#include "server/dialect.h"
#include "text/chat.h"

enum { ORDER_STOPS_LIMIT = 16, ORDER_CHOICES_LIMIT = 16 };

/* Tools that the server runs itself, whose results it gives to the model with the question. */
enum { SERVED_SEARCH = 1, SERVED_LINKS = 2 };

enum tool_choice { TOOLS_AUTO, TOOLS_NONE, TOOLS_REQUIRED };

enum order_format { FORMAT_TEXT, FORMAT_JSON_OBJECT, FORMAT_JSON_SCHEMA, FORMAT_GRAMMAR, FORMAT_CHOICE };

struct order {
    struct arena arena;          /* owns every text below */
    const char *model;           /* as it was asked for; NULL: not at all */
    struct chat chat;            /* of a conversation */
    const char *prompt, *suffix; /* of a completion; suffix: fill in what is between */
    enum tool_choice tool_choice;
    unsigned served;       /* SERVED_... */
    const char *tool_name; /* of the function that must be called; NULL: the model chooses */
    bool echo;             /* completions: the prompt is part of the text */
    struct sampling sampling;
    bool temperature_given, seed_given;
    int64_t max_tokens; /* -1: as many as there is room for */
    const char **stop;
    int stops, choices;
    bool stream, usage_asked;
    bool ignore_end; /* an end token does not end the answer */
    enum thinking thinking;
    int64_t thinking_budget; /* tokens; -1: nothing was said */
    enum order_format format;
    const json_t
        *form; /* the schema, the text of the grammar, or the list of choices; borrowed from `root` */
    const char *form_field; /* where it stands */
    const char *user;       /* with whom the account shares its cache; NULL: with all of itself */
    json_t *root;           /* owned */
};

/* POST /chat/completions, /completions, /anthropic/v1/messages and /responses. STATUS_INPUT and STATUS_LIMIT; on failure the order is empty. */
must_use enum status order_from_chat(struct order *order, const char *body, size_t bytes,
                                     const struct dialect *dialect);
must_use enum status order_from_completion(struct order *order, const char *body, size_t bytes,
                                           const struct dialect *dialect);
must_use enum status order_from_messages(struct order *order, const char *body, size_t bytes,
                                         const struct dialect *dialect);
must_use enum status order_from_responses(struct order *order, const char *body, size_t bytes,
                                          const struct dialect *dialect);
typedef enum status order_parser(struct order *order, const char *body, size_t bytes,
                                 const struct dialect *dialect);
void order_free(struct order *order); /* also of a zeroed one */

#endif
