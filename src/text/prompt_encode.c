/* prompt_encode.c - a prompt as token ids. Control parts are looked up by name; everything else is encoded
 * with added tokens disabled, so no message can produce one. Any thread. */
#include "text/chat.h"

#include <string.h>

enum { TOKEN_NAME_MOST = 256 };

/* -1: the vocabulary has no such token. */
static int32_t control_id(const struct tokenizer *tokenizer, const struct prompt_part *part) {
    char name[TOKEN_NAME_MOST];
    if (!part->control || part->bytes >= sizeof name || memchr(part->text, 0, part->bytes)) return -1;
    memcpy(name, part->text, part->bytes);
    name[part->bytes] = 0;
    return tokenizer_find(tokenizer, name);
}

struct encoder {
    const struct tokenizer *tokenizer;
    text_lookup *lookup; /* NULL: none */
    void *context;
    struct token_list *list;
};

static enum status encode_text(const struct encoder *encoder, const char *text, size_t bytes) {
    bool found = false;
    if (!bytes) return STATUS_OK;
    if (encoder->lookup) TRY(encoder->lookup(encoder->context, text, bytes, encoder->list, &found));
    return found ? STATUS_OK
                 : tokenizer_encode(encoder->tokenizer, text, bytes, TOKENIZE_PLAIN, encoder->list);
}

enum status prompt_encode(const struct prompt *prompt, const struct tokenizer *tokenizer,
                          struct token_list *list) {
    return prompt_encode_known(prompt, tokenizer, NULL, NULL, list);
}

enum status prompt_encode_known(const struct prompt *prompt, const struct tokenizer *tokenizer,
                                text_lookup *lookup, void *context, struct token_list *list) {
    struct encoder encoder = {tokenizer, lookup, context, list};
    const char *text = NULL; /* not yet encoded; a control part without an id joins its neighbours */
    size_t bytes = 0;
    for (int index = 0; index < prompt->parts; index++) {
        const struct prompt_part *part = &prompt->part[index];
        int32_t id = control_id(tokenizer, part);
        if (id < 0) {
            if (!bytes) text = part->text;
            MUST(text + bytes == part->text);
            bytes += part->bytes;
            continue;
        }
        TRY(encode_text(&encoder, text, bytes));
        bytes = 0;
        TRY(token_list_append(list, id));
    }
    return encode_text(&encoder, text, bytes);
}
