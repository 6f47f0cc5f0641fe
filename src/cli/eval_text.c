/* eval_text.c - the mode of `hadal eval` that predicts a text: perplexity, predictions stored or compared, and the
 * importance matrix, all in one pass over the windows. */
#include "base/clock.h"
#include "cli/eval.h"
#include "cli/interrupt.h"
#include "cli/open_engine.h"
#include "cli/progress.h"
#include "engine/activation_squares.h"
#include "engine/logprob_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 1 << 30 };

struct job {
    const struct option_values *values;
    struct eval_text_result result;
    struct engine *engine, *base_engine; /* base NULL: none, or a file */
    struct buffer text;
    struct token_list list;
    struct score_windows windows;
    struct scorer scorer, base_scorer;
    struct logprob_file file; /* the base's predictions; map.data NULL: none */
    struct logprob_writer *writer;
    struct comparison comparison;
    struct activation_squares *squares;
    float *logprob;      /* [vocab] of the row at hand */
    float *base_logprob; /* [window rows, vocab], or [vocab] out of the file */
    int64_t vocab;
};

static bool has_file(const struct job *job) {
    return job->file.map.data;
}

/* ---- the tokens ---- */

static enum status tokenize_text(struct job *job) {
    const struct tokenizer *tokenizer = job->engine->tokenizer;
    TRY(buffer_read_file(&job->text, job->result.text, TEXT_BYTES));
    job->windows.begin = -1;
    if (tokenizer_adds_bos(tokenizer) && tokenizer_bos(tokenizer) >= 0 &&
        !option_flag(job->values, "no-bos")) {
        job->windows.begin = tokenizer_bos(tokenizer);
        TRY(token_list_append(&job->list, job->windows.begin));
    }
    return tokenizer_encode(tokenizer, job->text.data, job->text.bytes, TOKENIZE_PLAIN, &job->list);
}

static enum status windows_of_text(struct job *job) {
    struct score_windows *windows = &job->windows;
    TRY(tokenize_text(job));
    windows->window = (int)option_int(job->values, "ctx");
    windows->first = !strcmp(option_text(job->values, "scored"), "all") ? 0 : windows->window / 2;
    if (windows->first > windows->window - 2) windows->first = windows->window - 2;
    windows->windows =
        score_windows_count((int64_t)job->list.count, windows->window, option_int(job->values, "chunks"));
    windows->token = job->list.id;
    if (windows->windows) return STATUS_OK;
    return fail(STATUS_INPUT, "%s: %zu tokens fill no window of %d; --ctx makes windows smaller",
                job->result.text, job->list.count, windows->window);
}

/* The text, when it is given beside stored predictions, must be theirs. */
static enum status check_text(struct job *job) {
    const struct score_windows *stored = &job->file.windows;
    size_t tokens = (size_t)(stored->windows * stored->window);
    TRY(tokenize_text(job));
    if (job->windows.begin == stored->begin && job->list.count >= tokens &&
        !memcmp(job->list.id, stored->token, tokens * sizeof *stored->token))
        return STATUS_OK;
    return fail(STATUS_INPUT, "%s: was stored for another text than %s", job->result.base, job->result.text);
}

static enum status windows_of_file(struct job *job) {
    const struct score_windows *stored = &job->file.windows;
    int64_t window = option_int(job->values, "ctx"), limit = option_int(job->values, "chunks");
    if (job->file.vocab != job->vocab)
        return fail(STATUS_INPUT, "%s: has a vocabulary of %lld tokens, the model one of %lld",
                    job->result.base, (long long)job->file.vocab, (long long)job->vocab);
    if (job->file.text_hash !=
        logprob_text_hash(job->engine->tokenizer, stored->token, stored->windows * stored->window))
        return fail(STATUS_INPUT, "%s: was stored with another tokenizer", job->result.base);
    if (option_given(job->values, "ctx") && window != stored->window)
        return fail(STATUS_USAGE, "%s: has windows of %d tokens, not of --ctx %lld", job->result.base,
                    stored->window, (long long)window);
    if (job->result.text) TRY(check_text(job));
    job->windows = *stored;
    if (limit && limit < stored->windows) job->windows.windows = limit;
    return STATUS_OK;
}

/* ---- what is opened ---- */

static bool is_stored(const char *path) {
    char head[8] = {0};
    FILE *file = file_check_regular(path) == STATUS_OK ? fopen(path, "rb") : NULL;
    if (!file) return false;
    bool whole = fread(head, 1, sizeof head, file) == sizeof head;
    fclose(file);
    return whole && !memcmp(head, "HADALLP", sizeof head);
}

static enum status open_model(struct job *job, const char *path, struct engine **engine) {
    struct engine_options options;
    TRY(engine_options_from(job->values, &options));
    job->result.model = options.model.path;
    options.model.context = has_file(job) ? job->file.windows.window : option_int(job->values, "ctx");
    if (path) options.model.path = path;
    TRY(open_engine(engine, &options));
    if ((*engine)->tokenizer) return STATUS_OK;
    return fail(STATUS_NOT_FOUND, "%s: has no tokenizer", options.model.path);
}

static enum status open_base(struct job *job) {
    TRY(open_model(job, job->result.base, &job->base_engine));
    int64_t base_vocab = job->base_engine->model.desc.vocab;
    if (base_vocab != job->vocab)
        return fail(STATUS_INPUT, "%s: has a vocabulary of %lld tokens, the model one of %lld",
                    job->result.base, (long long)base_vocab, (long long)job->vocab);
    int64_t tokens = job->windows.windows * job->windows.window;
    if (logprob_text_hash(job->engine->tokenizer, job->windows.token, tokens) !=
        logprob_text_hash(job->base_engine->tokenizer, job->windows.token, tokens))
        return fail(STATUS_INPUT, "%s: has another tokenizer than the model", job->result.base);
    return scorer_open(&job->base_scorer, job->base_engine);
}

static enum status open_comparison(struct job *job) {
    int64_t rows = score_window_rows(&job->windows);
    if (!job->result.base) return STATUS_OK;
    if (!has_file(job)) TRY(open_base(job));
    TRY(comparison_open(&job->comparison, job->windows.windows * rows));
    size_t held = has_file(job) ? 1 : (size_t)rows;
    job->base_logprob = calloc(held * (size_t)job->vocab, sizeof *job->base_logprob);
    return job->base_logprob ? STATUS_OK : fail(STATUS_MEMORY, "no memory for %zu rows of predictions", held);
}

static enum status open_writer(struct job *job) {
    if (!job->result.saved) return STATUS_OK;
    int64_t tokens = job->windows.windows * job->windows.window;
    return logprob_writer_open(&job->writer, job->result.saved, &job->windows, job->vocab,
                               logprob_text_hash(job->engine->tokenizer, job->windows.token, tokens));
}

/* The first module sees the tokens too, so that its matrices have data. */
static enum status run_module(void *context, const struct step_item *item) {
    struct job *job = context;
    const struct sequence *sequence = item->sequence;
    int begin = sequence->cached - item->rows, rows = item->rows;
    if (begin + rows == sequence->tokens) rows--;
    return rows ? engine_mtp_step(job->engine, sequence, begin, rows) : STATUS_OK;
}

static enum status open_squares(struct job *job) {
    if (!job->result.imatrix) return STATUS_OK;
    TRY(activation_squares_open(&job->squares, job->engine));
    if (!job->engine->model.desc.mtp_layers) return STATUS_OK;
    job->scorer.step_done = run_module;
    job->scorer.step_context = job;
    return STATUS_OK;
}

static enum status open_all(struct job *job) {
    if (job->result.base && is_stored(job->result.base)) TRY(logprob_file_open(&job->file, job->result.base));
    if (!job->result.text && !has_file(job))
        return fail(STATUS_USAGE, "--compare with a model needs a text: name it with --perplexity");
    TRY(open_model(job, NULL, &job->engine));
    job->vocab = job->engine->model.desc.vocab;
    TRY(has_file(job) ? windows_of_file(job) : windows_of_text(job));
    job->logprob = calloc((size_t)job->vocab, sizeof *job->logprob);
    if (!job->logprob) return fail(STATUS_MEMORY, "no memory for a row of predictions");
    TRY(scorer_open(&job->scorer, job->engine));
    TRY(open_comparison(job));
    TRY(open_writer(job));
    return open_squares(job);
}

static void close_all(struct job *job) {
    activation_squares_close(job->squares);
    logprob_writer_close(job->writer);
    comparison_close(&job->comparison);
    scorer_close(&job->scorer);
    scorer_close(&job->base_scorer);
    logprob_file_close(&job->file);
    engine_close(job->base_engine);
    engine_close(job->engine);
    token_list_free(&job->list);
    buffer_free(&job->text);
    free(job->logprob);
    free(job->base_logprob);
}

/* ---- the pass ---- */

static enum status keep_base(void *context, const struct score_row *row) {
    struct job *job = context;
    score_log_softmax(row->logits, job->vocab, job->base_logprob + row->row * job->vocab);
    return STATUS_OK;
}

static enum status take_row(void *context, const struct score_row *row) {
    struct job *job = context;
    score_log_softmax(row->logits, job->vocab, job->logprob);
    moments_add(&job->result.loss, -(double)job->logprob[row->target]);
    if (job->writer) TRY(logprob_writer_append(job->writer, job->logprob));
    if (!job->base_logprob) return STATUS_OK;
    const float *base = job->base_logprob;
    if (has_file(job))
        logprob_file_row(&job->file, row->window, row->row, job->base_logprob);
    else
        base += row->row * job->vocab;
    comparison_add(&job->comparison, base, job->logprob, job->vocab, row->target);
    return STATUS_OK;
}

static enum status run_windows(struct job *job, struct progress *progress) {
    for (int64_t w = 0; w < job->windows.windows; w++) {
        if (interrupt_seen()) return fail(STATUS_CANCELLED, "stopped after %lld windows", (long long)w);
        if (job->base_engine) TRY(score_window(&job->base_scorer, &job->windows, w, keep_base, job));
        TRY(score_window(&job->scorer, &job->windows, w, take_row, job));
        progress_update(progress, (w + 1) * job->windows.window);
    }
    return STATUS_OK;
}

static enum status write_imatrix(struct job *job) {
    struct imatrix_sums *sums;
    struct imatrix_origin origin = {job->result.text ? job->result.text : job->result.base,
                                    (uint32_t)job->windows.windows, (uint32_t)job->windows.window};
    TRY(activation_squares_list(job->squares, &sums, &job->result.imatrix_entries));
    enum status status = imatrix_write(job->result.imatrix, &origin, sums, job->result.imatrix_entries);
    free(sums);
    return status;
}

static enum status run(struct job *job) {
    struct progress progress;
    double started = clock_seconds();
    interrupt_catch();
    progress_start(&progress, "predicting", job->windows.windows * job->windows.window, "tokens");
    enum status status = run_windows(job, &progress);
    progress_finish(&progress);
    TRY(status);
    if (job->writer) TRY(logprob_writer_finish(job->writer));
    if (job->squares) TRY(write_imatrix(job));
    job->result.seconds = clock_seconds() - started;
    job->result.windows = job->windows;
    if (job->result.base) job->result.comparison = comparison_finish(&job->comparison);
    return eval_text_report(&job->result, option_flag(job->values, "json"));
}

enum status eval_text(const struct option_values *values) {
    struct job job = {.values = values,
                      .result = {.text = option_text(values, "perplexity"),
                                 .base = option_text(values, "compare"),
                                 .saved = option_text(values, "save-logits"),
                                 .imatrix = option_text(values, "imatrix")}};
    enum status status = open_all(&job);
    if (status == STATUS_OK) status = run(&job);
    close_all(&job);
    return status;
}
