/* mask_ending.c - endings as tokens: of the bytes of a shortest text the longest tokens, one after another. */
#include "text/mask_ending.h"

#include <stdlib.h>
#include <string.h>

/* What is longer counts as bytes behind that. */
enum { TEXT_LIMIT = 4096 };

void mask_ending_free(struct mask_ending *ending) {
    free(ending->now.token);
    free(ending->next.token);
    buffer_free(&ending->text);
    place_set_free(&ending->behind);
    *ending = (struct mask_ending){0};
}

void mask_ending_restart(struct mask_ending *ending) {
    ending->now.known = ending->looked = false;
}

bool mask_ending_push(struct mask_ending *ending, struct matcher *matcher, const struct chosen_token *token) {
    const bool looked = ending->looked && ending->looked_id == token->id;
    ending->looked = false;
    return looked ? matcher_take(matcher, &ending->behind) : matcher_push(matcher, token->text, token->bytes);
}

/* The longest token that the text begins with, and its bytes; -1: none. */
static int32_t longest_token(const struct token_trie *trie, const char *text, size_t bytes, size_t *taken) {
    int32_t found = -1, at = 0;
    for (size_t i = 0; i < bytes; i++) {
        const int32_t end = trie->node[at].end;
        int32_t below = at + 1;
        while (below < end && trie->node[below].byte != (unsigned char)text[i]) below = trie->node[below].end;
        if (below >= end) break;
        at = below;
        if (trie->node[at].tokens == 0) continue;
        found = trie->token[trie->node[at].token];
        *taken = i + 1;
    }
    return found;
}

static bool cut_into_tokens(struct ending_plan *plan, const struct token_trie *trie,
                            const struct control_token *control, const struct buffer *text) {
    plan->tokens = plan->at = 0;
    for (size_t i = 0, taken = 0; i < text->bytes; i += taken) {
        const bool controls = control->id >= 0 && text->bytes - i >= control->bytes &&
                              !memcmp(text->data + i, control->text, control->bytes);
        const int32_t id =
            controls ? control->id : longest_token(trie, text->data + i, text->bytes - i, &taken);
        if (controls) taken = control->bytes;
        if (id < 0) return false;
        plan->token[plan->tokens++] = id;
    }
    return true;
}

static bool make_plan(struct mask_ending *ending, struct ending_plan *plan, const struct token_trie *trie,
                      const struct control_token *control, const struct matcher *matcher,
                      const struct place_set *set) {
    const int32_t rest = matcher_rest(matcher, set);
    buffer_clear(&ending->text);
    plan->known = false;
    if (!plan->token) plan->token = calloc(TEXT_LIMIT, sizeof *plan->token);
    if (!plan->token || !matcher_shortest(matcher, set, TEXT_LIMIT, &ending->text)) return false;
    plan->bytes = rest > TEXT_LIMIT ? rest - TEXT_LIMIT : 0;
    plan->known = cut_into_tokens(plan, trie, control, &ending->text);
    return plan->known;
}

static int64_t plan_cost(const struct ending_plan *plan) {
    return (int64_t)plan->tokens - plan->at + plan->bytes;
}

/* The next token of a plan comes. */
static int32_t follow(struct ending_plan *plan) {
    if (plan->at == plan->tokens) return ENDING_NOW;
    const int32_t id = plan->token[plan->at++];
    if (plan->at == plan->tokens && plan->bytes) plan->known = false;
    return id;
}

/* Does what the text would be behind the chosen token come to an end in time? Then `now` is its plan, if it needed one. */
static bool fits(struct mask_ending *ending, const struct token_trie *trie, struct matcher *matcher,
                 const struct control_token *control, const struct chosen_token *chosen) {
    const struct place_set *set = &ending->behind;
    matcher_look(matcher, chosen->text, chosen->bytes, &ending->behind);
    ending->looked = true;
    ending->looked_id = chosen->id;
    const int32_t rest = matcher_rest(matcher, set);
    bool fit = rest == GRAMMAR_NO_REST || rest <= chosen->room, planned = false;
    if (!fit && make_plan(ending, &ending->next, trie, control, matcher, set))
        fit = planned = plan_cost(&ending->next) <= chosen->room;
    if (!fit) return false;
    const struct ending_plan swap = ending->now;
    ending->now = ending->next;
    ending->next = swap;
    ending->now.known = planned;
    return true;
}

int32_t mask_ending_choose(struct mask_ending *ending, const struct token_trie *trie, struct matcher *matcher,
                           const struct control_token *control, const struct chosen_token *chosen) {
    struct ending_plan *now = &ending->now;
    if (now->known && now->at < now->tokens && now->token[now->at] == chosen->id) {
        (void)follow(now);
        return ENDING_FITS;
    }
    if (fits(ending, trie, matcher, control, chosen)) return ENDING_FITS;
    if (!now->known && !make_plan(ending, now, trie, control, matcher, &matcher->set)) return ENDING_FITS;
    if (plan_cost(now) <= chosen->room + 1) return follow(now);
    now->known = false;
    return ENDING_FITS;
}
