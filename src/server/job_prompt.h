/* job_prompt.h - from an order to the ids of its prompt. Pure but for the arena of the order; any thread. */
#ifndef HADAL_SERVER_JOB_PROMPT_H
#define HADAL_SERVER_JOB_PROMPT_H

#include "engine/service.h"
#include "server/order.h"

struct prompt_source {
    const struct service *service;
    const char *isolation; /* whose answers are known by their tokens */
    enum chat_template template;
    const char *bos;
    const char *opening; /* of the call that the answer must be; NULL: none */
};

/* A conversation through the template, a text as it is, or two texts around the place between them. *thinking: it ends
 * inside <think>. The caller frees the list, also on failure. */
must_use enum status job_prompt(const struct order *order, const struct prompt_source *source,
                                struct token_list *list, bool *thinking);

#endif
