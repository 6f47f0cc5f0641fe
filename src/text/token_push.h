/* token_push.h - appending to a token_list in inner loops. */
#ifndef HADAL_TEXT_TOKEN_PUSH_H
#define HADAL_TEXT_TOKEN_PUSH_H

#include "text/tokenizer.h"

static inline enum status token_push(struct token_list *list, int32_t id) {
    if (list->count == list->capacity) return token_list_append(list, id);
    list->id[list->count++] = id;
    return STATUS_OK;
}

#endif
