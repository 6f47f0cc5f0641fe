/* job_prompt.h - from an order to the ids of its prompt. Pure but for the arena of the order; any thread. */
#ifndef HADAL_SERVER_JOB_PROMPT_H
#define HADAL_SERVER_JOB_PROMPT_H

#include "engine/engine.h"
#include "server/order.h"

/* A conversation through the template, a text as it is, or two texts around the place between them. *thinking: it ends
 * inside <think>. The caller frees the list, also on failure. */
must_use enum status job_prompt(const struct order *order, const struct engine *engine,
                                enum chat_template template, const char *bos, struct token_list *list,
                                bool *thinking);

#endif
