/* grammar_end.c */
#include "support/grammar_end.h"

void check_grammar_end(struct matcher *matcher) {
    enum { LIMIT = 256 };
    struct buffer text = {0};
    struct place_set set = {0};
    const int32_t rest = matcher_rest(matcher, &matcher->set);
    if (matcher->failed || rest == 0 || !matcher_shortest(matcher, &matcher->set, LIMIT, &text)) {
        buffer_free(&text);
        return;
    }
    MUST(rest != GRAMMAR_NO_REST && text.bytes == (size_t)(rest < LIMIT ? rest : LIMIT));
    matcher_look(matcher, text.data, text.bytes, &set);
    const int32_t behind = matcher_rest(matcher, &set);
    MUST(matcher->failed || rest == GRAMMAR_REST_LIMIT || behind == rest - (int32_t)text.bytes);
    place_set_free(&set);
    buffer_free(&text);
}
