/* sequence.c - a list of tokens with roles and the pages of its cached prefix. Owned by the engine's thread. */
#include "engine/engine.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

enum status sequence_open(struct sequence **sequence, struct engine *engine) {
    *sequence = NULL;
    if (engine->open_sequences >= engine->sequences)
        return fail(STATUS_LIMIT, "all %d sequences of this engine are open", engine->sequences);
    struct sequence *made = calloc(1, sizeof *made);
    if (made) {
        made->engine = engine;
        made->token = calloc((size_t)engine->context, sizeof *made->token);
        made->role = calloc((size_t)engine->context, sizeof *made->role);
        made->page = calloc((size_t)divide_up(engine->context, KV_PAGE_TOKENS), sizeof *made->page);
        engine->open_sequences++;
    }
    if (!made || !made->token || !made->role || !made->page) {
        sequence_close(made);
        return fail(STATUS_MEMORY, "no memory for a sequence of %lld tokens", (long long)engine->context);
    }
    *sequence = made;
    return STATUS_OK;
}

void sequence_close(struct sequence *sequence) {
    if (!sequence) return;
    for (int i = 0; i < sequence->pages; i++) kv_page_release(&sequence->engine->kv, sequence->page[i]);
    sequence->engine->open_sequences--;
    free(sequence->token);
    free(sequence->role);
    free(sequence->page);
    free(sequence);
}

enum status sequence_append(struct sequence *sequence, const int32_t *token, int count,
                            enum token_role role) {
    const struct engine *engine = sequence->engine;
    if (count > engine->context - sequence->tokens)
        return fail(STATUS_LIMIT, "%lld tokens do not fit into the context of %lld",
                    (long long)sequence->tokens + count, (long long)engine->context);
    for (int i = 0; i < count; i++)
        if (token[i] < 0 || token[i] >= engine->model.desc.vocab)
            return fail(STATUS_INPUT, "token id %d at place %d is outside the vocabulary of %lld", token[i],
                        sequence->tokens + i, (long long)engine->model.desc.vocab);
    for (int i = 0; i < count; i++) {
        sequence->token[sequence->tokens + i] = token[i];
        sequence->role[sequence->tokens + i] = (uint8_t)role;
    }
    sequence->tokens += count;
    return STATUS_OK;
}

void sequence_truncate(struct sequence *sequence, int tokens) {
    if (tokens >= sequence->tokens) return;
    sequence->tokens = tokens;
    if (sequence->cached > tokens) sequence->cached = tokens;
    if (sequence->module_cached >= tokens) sequence->module_cached = tokens > 0 ? tokens - 1 : 0;
    int keep = (int)divide_up(sequence->cached, KV_PAGE_TOKENS);
    while (sequence->pages > keep) kv_page_release(&sequence->engine->kv, sequence->page[--sequence->pages]);
}

enum status sequence_assign(struct sequence *sequence, const int32_t *token, int count) {
    int same = 0;
    while (same < count && same < sequence->cached && sequence->token[same] == token[same]) same++;
    if (same && same == count) same--; /* the last token's logits are still to be had */
    sequence_truncate(sequence, same);
    return sequence_append(sequence, token + same, count - same, TOKEN_PROMPT);
}
