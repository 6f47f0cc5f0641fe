/* train_tokenizer.c - `hadal train tokenizer`: texts to a tokenizer's files. */
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/train.h"
#include "train/tokenizer_train.h"

#include <stdio.h>

struct reading {
    struct progress progress;
    int64_t bytes;
};

static bool show_reading(void *context, int64_t bytes) {
    struct reading *reading = context;
    reading->bytes += bytes;
    progress_update(&reading->progress, reading->bytes);
    return !interrupt_seen();
}

enum status train_tokenizer(const struct option_values *values) {
    struct reading reading = {0};
    struct tokenizer_train_result result;
    struct tokenizer_train_options options = {.tokens = (int)option_int(values, "vocab"),
                                              .digits = (int)option_int(values, "digits"),
                                              .context = 131072,
                                              .output = option_text(values, "output"),
                                              .progress = show_reading,
                                              .progress_context = &reading};
    options.datas = option_texts(values, "data", &options.data);
    options.specials = option_texts(values, "special", &options.special);
    if (!options.datas) return fail(STATUS_USAGE, "--data PATH says what to learn from");
    if (!options.output) return fail(STATUS_USAGE, "-o DIR says where the tokenizer goes");
    interrupt_catch();
    progress_start(&reading.progress, "reading texts", 0, "bytes");
    enum status status = tokenizer_train(&options, &result);
    progress_finish(&reading.progress);
    TRY(status);
    printf("%d tokens; %lld bytes of text, %lld different pieces, %.2f bytes a token\n", result.tokens,
           (long long)result.bytes, (long long)result.different,
           result.ids ? (double)result.bytes / (double)result.ids : 0);
    return STATUS_OK;
}
