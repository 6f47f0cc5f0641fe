/* prompt.h - building a prompt: one growing string and the places of its control tokens. What lies between
 * two control tokens is text, so neighbouring text is always one part, whoever wrote it. */
#ifndef HADAL_TEXT_PROMPT_H
#define HADAL_TEXT_PROMPT_H

#include "text/chat.h"

enum { PROMPT_LIMIT = 1 << 28 }; /* bytes; content is bounded far below */

struct prompt_span {
    size_t begin, bytes;
};

struct prompt_builder {
    struct buffer text;          /* append to it what is text; limit PROMPT_LIMIT */
    struct prompt_span *control; /* in order */
    int controls, capacity;
    bool failed; /* out of memory for `control` */
};

/* What a template itself says: the control tokens in `literal` become control parts. Never for anything that comes
 * from a message. */
void prompt_put(struct prompt_builder *builder, const char *literal);
void prompt_put_control(struct prompt_builder *builder, const char *token); /* "" writes nothing */
void prompt_put_text(struct prompt_builder *builder, const char *text);
/* Makes the prompt and empties the builder; on failure *prompt is empty. */
must_use enum status prompt_finish(struct prompt_builder *builder, struct prompt *prompt);
void prompt_builder_free(struct prompt_builder *builder);

#endif
