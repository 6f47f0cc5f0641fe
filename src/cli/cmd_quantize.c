/* cmd_quantize.c - `hadal quantize`: a checkpoint as a GGUF file of another number format, and what that cost. */
#include "base/clock.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/quantize.h"
#include "model/quantize.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ENDS = 16 };

struct job {
    struct quantize_options options;
    struct quantize_override *override;
    char *patterns;  /* copies, each ended by a zero byte */
    const char *pre; /* the name that the pre-tokenizer was given; NULL: copied */
    bool pre_exact;
    double seconds;
};

/* ---- options ---- */

static enum status read_override(const char *text, char *copy, struct quantize_override *override) {
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text)
        return fail(STATUS_USAGE, "--override: '%.80s' must be PATTERN=TYPE, such as 'blk.*.ffn_down*=q6_k'",
                    text);
    memcpy(copy, text, (size_t)(equals - text));
    override->pattern = copy;
    if (dtype_from_name(equals + 1, &override->type)) return STATUS_OK;
    return fail(STATUS_USAGE, "--override: '%.20s' is no number format; q8_0, q6_k, bf16 and so on",
                equals + 1);
}

static enum status read_overrides(const struct option_values *values, struct job *job) {
    const char *const *texts;
    int count = option_texts(values, "override", &texts);
    size_t bytes = 1;
    for (int i = 0; i < count; i++) bytes += strlen(texts[i]) + 1;
    job->override = calloc((size_t)count + 1, sizeof *job->override);
    job->patterns = calloc(1, bytes);
    if (!job->override || !job->patterns) return fail(STATUS_MEMORY, "no memory for %d patterns", count);
    char *copy = job->patterns;
    for (int i = 0; i < count; i++) {
        TRY(read_override(texts[i], copy, &job->override[i]));
        copy += strlen(copy) + 1;
    }
    job->options.override = job->override;
    job->options.overrides = count;
    return STATUS_OK;
}

static enum status read_options(const struct option_values *values, struct job *job) {
    const char *const *positional, *type = option_text(values, "type");
    struct quantize_options *options = &job->options;
    if (!option_positionals(values, &positional))
        return fail(STATUS_USAGE, "name the model to convert, a directory or a .gguf file");
    options->source = positional[0];
    options->path = option_text(values, "output");
    if (!options->path) return fail(STATUS_USAGE, "-o FILE says what to write");
    if (!type) return fail(STATUS_USAGE, "--type says the number format: q8_0, q4_k_m and so on");
    if (!gguf_mix_from_name(type, &options->mix))
        return fail(STATUS_USAGE, "--type: '%.20s' is no number format; q8_0, q6_k, q4_k, q4_k_m and so on",
                    type);
    options->threads = (int)option_int(values, "threads");
    options->no_mtp = option_flag(values, "no-mtp");
    options->imatrix = option_text(values, "imatrix");
    return read_overrides(values, job);
}

/* ---- what the model layer asks back ---- */

static bool report_progress(void *context, int64_t done, int64_t total) {
    struct progress *progress = context;
    progress->total = total;
    progress_update(progress, done);
    return !interrupt_seen();
}

static void add_end(struct tokenizer_keys *keys, int32_t end[MOST_ENDS], int64_t id) {
    if (keys->ends < MOST_ENDS && id >= 0 && id < keys->vocab) end[keys->ends++] = (int32_t)id;
}

static enum status write_tokenizer(void *context, const struct checkpoint *checkpoint,
                                   const struct model_desc *desc, struct gguf_writer *writer) {
    struct job *job = context;
    int32_t end[MOST_ENDS];
    struct tokenizer_keys keys = {.vocab = desc->vocab, .bos = desc->bos, .end = end};
    const json_t *more = json_object_get(checkpoint->generation_config, "eos_token_id"), *item;
    size_t index;
    for (int i = 0; i < desc->eos_count; i++) add_end(&keys, end, desc->eos[i]);
    if (json_is_integer(more)) add_end(&keys, end, json_integer_value(more));
    json_array_foreach(more, index, item) if (json_is_integer(item))
        add_end(&keys, end, json_integer_value(item));
    return tokenizer_to_gguf(checkpoint, &keys, writer, &job->pre, &job->pre_exact);
}

/* ---- the report ---- */

static double bits(const struct quantize_count *count) {
    return count->elements ? 8.0 * (double)count->bytes / (double)count->elements : 0;
}

static json_t *count_json(const struct quantize_count *count) {
    return json_pack("{s:I, s:I, s:I, s:I, s:f, s:f}", "tensors", (json_int_t)count->tensors, "elements",
                     (json_int_t)count->elements, "copied_elements", (json_int_t)count->copied, "bytes",
                     (json_int_t)count->bytes, "bits_per_weight", bits(count), "relative_rms_error",
                     quantize_relative_error(count));
}

static enum status print_json(const struct job *job, const struct quantize_result *result) {
    json_t *root = count_json(&result->all), *types = json_array();
    for (int t = 0; t < DTYPE_COUNT; t++) {
        if (!result->type[t].tensors) continue;
        json_t *row = count_json(&result->type[t]);
        json_object_set_new(row, "type", json_string(dtype_traits((enum dtype)t)->name));
        json_array_append_new(types, row);
    }
    json_object_set_new(root, "types", types);
    if (job->options.imatrix)
        json_object_set_new(root, "imatrix",
                            json_pack("{s:s, s:I, s:I, s:I}", "path", job->options.imatrix, "weighed",
                                      (json_int_t)result->weighed, "unweighed", (json_int_t)result->unweighed,
                                      "experts_unweighed", (json_int_t)result->experts_unweighed));
    json_object_set_new(root, "path", json_string(job->options.path));
    json_object_set_new(root, "seconds", json_real(job->seconds));
    json_object_set_new(root, "pre_tokenizer", job->pre ? json_string(job->pre) : json_null());
    json_object_set_new(root, "pre_tokenizer_exact", json_boolean(!job->pre || job->pre_exact));
    char *text = json_dumps(root, JSON_REAL_PRECISION(6));
    json_decref(root);
    if (!text) return fail(STATUS_MEMORY, "no memory for the report");
    puts(text);
    free(text);
    return STATUS_OK;
}

static void print_row(const char *name, const struct quantize_count *count) {
    char bytes[32];
    printf("  %-8s %6lld tensors %10s %8.3f bits/weight", name, (long long)count->tensors,
           bytes_text(count->bytes, bytes), bits(count));
    if (count->copied == count->elements)
        printf("   copied\n");
    else
        printf("   relative RMS error %.3g%s\n", quantize_relative_error(count),
               count->copied ? ", some copied" : "");
}

static void print_weighed(const struct quantize_result *result) {
    printf("  importance matrix: %lld tensors weighed", (long long)result->weighed);
    if (result->unweighed)
        printf(", %lld without data (%s%s)", (long long)result->unweighed, result->first_unweighed,
               result->unweighed > 1 ? ", ..." : "");
    if (result->experts_unweighed)
        printf(", %lld matrices of experts that its text did not reach",
               (long long)result->experts_unweighed);
    printf("\n");
}

static void print_text(const struct job *job, const struct quantize_result *result) {
    char bytes[32];
    printf("%s: %lld tensors, %s in %.1f s\n", job->options.path, (long long)result->all.tensors,
           bytes_text(result->all.bytes, bytes), job->seconds);
    for (int t = 0; t < DTYPE_COUNT; t++)
        if (result->type[t].tensors) print_row(dtype_traits((enum dtype)t)->name, &result->type[t]);
    print_row("all", &result->all);
    if (job->options.imatrix) print_weighed(result);
    if (job->pre && !job->pre_exact)
        printf("GGUF has no name for how this tokenizer cuts text; \"%s\" comes nearest, and some texts get "
               "other ids.\n",
               job->pre);
}

/* ---- the command ---- */

static enum status convert(struct job *job, bool json) {
    struct progress progress;
    struct quantize_result result;
    double started = clock_seconds();
    job->options.write_tokenizer = write_tokenizer;
    job->options.tokenizer_context = job;
    job->options.progress = report_progress;
    job->options.progress_context = &progress;
    interrupt_catch();
    progress_start(&progress, "writing", 0, "bytes");
    enum status status = quantize(&job->options, &result);
    progress_finish(&progress);
    TRY(status);
    job->seconds = clock_seconds() - started;
    if (json) return print_json(job, &result);
    print_text(job, &result);
    return STATUS_OK;
}

enum status command_quantize(const struct option_values *values) {
    struct job job = {0};
    const char *type = option_text(values, "type");
    if (type && !strcmp(type, "fp8")) return quantize_fp8(values);
    enum status status = read_options(values, &job);
    if (status == STATUS_OK) status = convert(&job, option_flag(values, "json"));
    free(job.override);
    free(job.patterns);
    return status;
}
