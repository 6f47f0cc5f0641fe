/* fill_middle.c - see fill_middle.h. */
#include "train/fill_middle.h"

#include "base/rng.h"

struct middle_tokens middle_tokens_of(const struct tokenizer *tokenizer) {
    return (struct middle_tokens){tokenizer_find(tokenizer, "<｜fim▁begin｜>"),
                                  tokenizer_find(tokenizer, "<｜fim▁hole｜>"),
                                  tokenizer_find(tokenizer, "<｜fim▁end｜>")};
}

/* Between two characters. */
static size_t cut_of(const char *text, size_t bytes, struct rng *rng) {
    size_t at = (size_t)(rng_uniform(rng) * (double)(bytes + 1));
    if (at > bytes) at = bytes;
    while (at > 0 && at < bytes && ((unsigned char)text[at] & 0xC0) == 0x80) at--;
    return at;
}

static enum status append_part(const struct tokenizer *tokenizer, int32_t mark, const char *text,
                               size_t bytes, struct token_list *list) {
    TRY(token_list_append(list, mark));
    return tokenizer_encode(tokenizer, text, bytes, TOKENIZE_PLAIN, list);
}

enum status fill_middle(const struct tokenizer *tokenizer, const char *text, size_t bytes, double rate,
                        uint64_t seed, uint64_t number, struct token_list *list, bool *done) {
    struct rng rng;
    struct middle_tokens mark = middle_tokens_of(tokenizer);
    rng_seed_stream(&rng, seed, number);
    *done = rng_uniform(&rng) < rate;
    if (!*done) return STATUS_OK;
    if (mark.begin < 0 || mark.hole < 0 || mark.end < 0)
        return fail(STATUS_INPUT, "the tokenizer has no <｜fim▁begin｜>, <｜fim▁hole｜> and <｜fim▁end｜>");
    size_t a = cut_of(text, bytes, &rng), b = cut_of(text, bytes, &rng);
    size_t first = a < b ? a : b, last = a < b ? b : a;
    TRY(append_part(tokenizer, mark.begin, text, first, list));
    TRY(append_part(tokenizer, mark.hole, text + last, bytes - last, list));
    return append_part(tokenizer, mark.end, text + first, last - first, list);
}
