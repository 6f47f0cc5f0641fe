/* train_merge.c - `hadal train merge`: a model and its adapters to one model. */
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/train.h"

#include <stdio.h>

static bool show_writing(void *context, int64_t done, int64_t total) {
    struct progress *progress = context;
    progress->total = total;
    progress_update(progress, done);
    return !interrupt_seen();
}

enum status train_merge(const struct option_values *values) {
    struct progress progress;
    int64_t matrices = 0;
    const struct adapter_merge merge = {.base = option_text(values, "init"),
                                        .directory = option_text(values, "adapter"),
                                        .path = option_text(values, "output"),
                                        .progress = show_writing,
                                        .progress_context = &progress};
    if (!merge.base) return fail(STATUS_USAGE, "--init MODEL says what is added to");
    if (!merge.directory) return fail(STATUS_USAGE, "--adapter DIR says what is added");
    if (!merge.path) return fail(STATUS_USAGE, "-o DIRECTORY says where the model goes");
    interrupt_catch();
    progress_start(&progress, "writing", 0, "values");
    enum status status = adapter_merge(&merge, &matrices);
    progress_finish(&progress);
    TRY(status);
    printf("%s: %lld matrices changed\n", merge.path, (long long)matrices);
    return STATUS_OK;
}
