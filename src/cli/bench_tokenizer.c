/* bench_tokenizer.c - text into ids on one thread. Each sample is one call over the whole text. */
#include "cli/bench.h"

#include "base/clock.h"

#include <stdlib.h>

enum { MADE_UP_BYTES = 4 << 20, TEXT_LIMIT = 1 << 28 };
static const uint64_t text_seed = 1;

static enum status sample(const struct tokenizer *tokenizer, const struct buffer *text,
                          struct token_list *list, double *seconds) {
    list->count = 0;
    double started = clock_seconds();
    TRY(tokenizer_encode(tokenizer, text->data, text->bytes, TOKENIZE_PLAIN, list));
    *seconds = clock_seconds() - started;
    return STATUS_OK;
}

static enum status measure(const struct bench_subject *subject, const struct tokenizer *tokenizer,
                           const struct buffer *text, struct token_list *list, double *rate) {
    double seconds;
    for (int i = -1; i < subject->plan->repeat; i++) { /* -1 warms up, and makes the list large enough */
        TRY(sample(tokenizer, text, list, &seconds));
        if (i >= 0) rate[i] = (double)list->count / (seconds > 1e-9 ? seconds : 1e-9);
    }
    struct bench_result result = {.test = "tokenizer",
                                  .tokens = (int64_t)list->count,
                                  .batch = 1,
                                  .threads = 1,
                                  .rate = rate,
                                  .samples = subject->plan->repeat,
                                  .text_bytes = (int64_t)text->bytes};
    return bench_report(subject, &result);
}

static enum status read_text(const struct bench_plan *plan, struct buffer *text) {
    if (plan->text_file) {
        TRY(buffer_read_file(text, plan->text_file, TEXT_LIMIT));
        if (!text->bytes) return fail(STATUS_INPUT, "%s: is empty", plan->text_file);
        return STATUS_OK;
    }
    bench_text(text, MADE_UP_BYTES, text_seed);
    return buffer_check(text, "the text to tokenize");
}

enum status bench_tokenizer(const struct bench_subject *subject, const struct tokenizer *tokenizer) {
    struct buffer text = {0};
    struct token_list list = {0};
    double *rate = calloc((size_t)subject->plan->repeat, sizeof *rate);
    enum status status = rate ? read_text(subject->plan, &text)
                              : fail(STATUS_MEMORY, "no memory for %d samples", subject->plan->repeat);
    if (status == STATUS_OK) status = measure(subject, tokenizer, &text, &list, rate);
    token_list_free(&list);
    buffer_free(&text);
    free(rate);
    return status;
}
