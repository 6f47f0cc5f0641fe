/* quantize_fp8.c - `hadal quantize --type fp8`: a Hugging Face directory in DeepSeek's own format. */
#include "base/clock.h"
#include "base/memory.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/quantize.h"
#include "model/checkpoint_export.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool report_progress(void *context, int64_t done, int64_t total) {
    struct progress *progress = context;
    progress->total = total;
    progress_update(progress, done);
    return !interrupt_seen();
}

static void print_result(const char *path, const struct checkpoint_export_result *result, double seconds,
                         bool json) {
    double error = result->reference > 0 ? sqrt(result->error / result->reference) : 0;
    char bytes[32];
    if (json)
        printf("{\"tensors\": %lld, \"elements\": %lld, \"bytes\": %lld, \"relative_rms_error\": %.6g, "
               "\"seconds\": %.3f}\n",
               (long long)result->tensors, (long long)result->elements, (long long)result->bytes, error,
               seconds);
    else
        printf("%s: %lld tensors, %s in %.1f s, relative RMS error of the fp8 matrices %.3g\n", path,
               (long long)result->tensors, bytes_text(result->bytes, bytes), seconds, error);
}

enum status quantize_fp8(const struct option_values *values) {
    const char *const *positional, *const beside[] = {"override", "imatrix"};
    struct progress progress;
    struct checkpoint_export_result result;
    struct checkpoint_export_options options = {.path = option_text(values, "output"),
                                                .type = DTYPE_F8_E4M3,
                                                .progress = report_progress,
                                                .progress_context = &progress};
    double started = clock_seconds();
    if (!option_positionals(values, &positional))
        return fail(STATUS_USAGE, "name the model to convert, a directory");
    options.source = positional[0];
    if (!options.path) return fail(STATUS_USAGE, "-o DIR says what to write");
    size_t bytes = strlen(options.path);
    if (bytes > 5 && !strcmp(options.path + bytes - 5, ".gguf"))
        return fail(STATUS_USAGE,
                    "%s: type fp8 cannot be written to GGUF; a name without .gguf makes a directory",
                    options.path);
    for (size_t i = 0; i < COUNT_OF(beside); i++)
        if (option_given(values, beside[i]))
            return fail(STATUS_USAGE, "--%s: --type fp8 has no such choice", beside[i]);
    interrupt_catch();
    progress_start(&progress, "writing", 0, "values");
    enum status status = checkpoint_export(&options, &result);
    progress_finish(&progress);
    TRY(status);
    print_result(options.path, &result, clock_seconds() - started, option_flag(values, "json"));
    return STATUS_OK;
}
