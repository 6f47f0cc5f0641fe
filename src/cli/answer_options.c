/* answer_options.c - the options of commands that generate. */
#include "cli/answer_options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static enum status random_seed(uint64_t *seed) {
    if (getrandom(seed, sizeof *seed, 0) == (ssize_t)sizeof *seed) return STATUS_OK;
    return fail(STATUS_IO, "no random seed: %s", strerror(errno));
}

/* "ID=X" */
static enum status parse_bias(const char *text, struct logit_bias *bias) {
    char *end;
    errno = 0;
    long id = strtol(text, &end, 10);
    bool good = end > text && *end == '=' && !errno && id >= 0 && id <= INT32_MAX;
    const char *number = end + 1;
    double value = good ? strtod(number, &end) : 0;
    if (!good || end == number || *end || !(fabs(value) <= 100))
        return fail(STATUS_USAGE,
                    "--logit-bias %.40s: write ID=X, a token id and a number between -100 and 100", text);
    *bias = (struct logit_bias){(int32_t)id, (float)value};
    return STATUS_OK;
}

static enum status read_biases(const struct option_values *values, struct arena *arena,
                               struct sampling *sampling) {
    const char *const *text;
    int texts = option_texts(values, "logit-bias", &text);
    if (!texts) return STATUS_OK;
    struct logit_bias *bias = arena_take(arena, (size_t)texts * sizeof *bias);
    if (!bias) return fail(STATUS_MEMORY, "no memory for %d biases", texts);
    for (int i = 0; i < texts; i++) TRY(parse_bias(text[i], &bias[i]));
    sampling->bias = bias;
    sampling->biases = texts;
    return STATUS_OK;
}

enum speculate speculate_from(const struct option_values *values) {
    const char *text = option_text(values, "speculate");
    if (!strcmp(text, "on")) return SPECULATE_ON;
    return strcmp(text, "off") ? SPECULATE_AUTO : SPECULATE_OFF;
}

static void read_real(const struct option_values *values, const char *name, double *value) {
    if (option_given(values, name)) *value = option_real(values, name);
}

enum status generation_options_from(const struct option_values *values, const struct engine *engine,
                                    struct arena *arena, struct generation_options *options) {
    *options = (struct generation_options){.sampling = sampling_of_checkpoint(&engine->defaults)};
    struct sampling *sampling = &options->sampling;
    read_real(values, "temperature", &sampling->temperature);
    read_real(values, "top-p", &sampling->top_p);
    read_real(values, "min-p", &sampling->min_p);
    read_real(values, "repetition-penalty", &sampling->repetition_penalty);
    read_real(values, "presence-penalty", &sampling->presence_penalty);
    read_real(values, "frequency-penalty", &sampling->frequency_penalty);
    if (option_given(values, "top-k")) sampling->top_k = option_int(values, "top-k");
    if (option_given(values, "seed"))
        sampling->seed = (uint64_t)option_int(values, "seed");
    else
        TRY(random_seed(&sampling->seed));
    TRY(read_biases(values, arena, sampling));
    int64_t tokens = option_int(values, "tokens"); /* 0 for chat: not given, which has no default there */
    options->max_tokens = tokens || option_given(values, "tokens") ? tokens : -1;
    options->speculate = speculate_from(values);
    options->stops = option_texts(values, "stop", &options->stop);
    return STATUS_OK;
}

enum status render_options_from(const struct option_values *values, const struct checkpoint *checkpoint,
                                struct arena *arena, struct render_options *options) {
    const char *name = option_text(values, "template"), *thinking = option_text(values, "thinking");
    *options = (struct render_options){0};
    if (thinking) options->thinking = strcmp(thinking, "on") == 0 ? THINKING_ON : THINKING_OFF;
    if (checkpoint) TRY(chat_bos(checkpoint, arena, &options->bos));
    if (name && chat_template_from_name(name, &options->template)) return STATUS_OK;
    if (name) return fail(STATUS_USAGE, "--template: \"%.64s\" is no template", name);
    MUST(checkpoint);
    enum status status = chat_template_choose(checkpoint, &options->template, NULL);
    if (status != STATUS_UNSUPPORTED) return status;
    return fail(status, "%s; choose one with --template", status_message());
}

const char *drafts_text(const struct generation_timings *timings, char text[DRAFTS_TEXT_BYTES]) {
    char gain[48] = "";
    *text = 0;
    if (!timings->drafted) return text;
    if (timings->draft_gain > 0)
        snprintf(gain, sizeof gain, ", %.2f times as fast with drafts", timings->draft_gain);
    snprintf(text, DRAFTS_TEXT_BYTES, ", %d of %d drafts accepted (%.0f %%)%s", timings->accepted,
             timings->drafted, 100 * draft_acceptance(timings), gain);
    return text;
}
