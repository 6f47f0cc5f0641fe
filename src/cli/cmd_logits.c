/* cmd_logits.c - `hadal logits`: what the model predicts behind each token, as a .npy file. */
#include "base/bytes.h"
#include "cli/commands.h"
#include "cli/open_engine.h"
#include "cli/progress.h"
#include "format/npy.h"

#include <stdlib.h>

enum { HEAD_ROWS = 32 }; /* rows whose logits are held at once */

struct job {
    struct engine *engine;
    struct sequence *sequence;
    struct npy_writer *writer;
    struct progress progress;
    float *logits; /* [max_rows, vocab] for the module, [HEAD_ROWS, vocab] for the trunk */
    bool last, mtp;
};

static enum status write_rows(struct job *job, int count) {
    for (int r = 0; r < count; r++)
        TRY(npy_writer_append(job->writer, job->logits + r * job->engine->model.desc.vocab));
    return STATUS_OK;
}

/* Logits of rows [begin, rows) of the last step, a few at a time. */
static enum status write_trunk(struct job *job, int begin, int rows) {
    for (int at = begin; at < rows; at += HEAD_ROWS) {
        int32_t row[HEAD_ROWS];
        int count = (int)min_i64(rows - at, HEAD_ROWS);
        for (int i = 0; i < count; i++) row[i] = at + i;
        engine_logits(job->engine, row, count, job->logits);
        TRY(write_rows(job, count));
    }
    return STATUS_OK;
}

/* The module's row i predicts token i + 2 from the hidden state of i and token i + 1; the last token has no row. */
static enum status write_module(struct job *job, const struct step_item *item) {
    int begin = job->sequence->cached - item->rows, module_rows = job->sequence->tokens - 1;
    int count = (int)min_i64(item->rows, module_rows - begin);
    if (!count) return STATUS_OK;
    TRY(engine_mtp_logits(job->engine, item, count, job->logits));
    if (!job->last) return write_rows(job, count);
    if (begin + count < module_rows) return STATUS_OK;
    return npy_writer_append(job->writer, job->logits + (count - 1) * job->engine->model.desc.vocab);
}

static enum status run_steps(struct job *job) {
    int chunk = (int)min_i64(job->engine->model.max_rows, job->mtp ? HEAD_ROWS : job->engine->model.max_rows);
    progress_start(&job->progress, "computing", job->sequence->tokens, "tokens");
    while (job->sequence->cached < job->sequence->tokens) {
        int rows = (int)min_i64(job->sequence->tokens - job->sequence->cached, chunk);
        struct step_item item = {job->sequence, rows};
        TRY(engine_step(job->engine, &item, 1));
        bool end = job->sequence->cached == job->sequence->tokens;
        if (job->mtp)
            TRY(write_module(job, &item));
        else if (!job->last || end)
            TRY(write_trunk(job, job->last ? rows - 1 : 0, rows));
        progress_update(&job->progress, job->sequence->cached);
    }
    progress_finish(&job->progress);
    return STATUS_OK;
}

static enum status run(struct job *job, const struct option_values *values) {
    const int64_t *wide;
    int count = option_ints(values, "ids", &wide);
    TRY(sequence_open(&job->sequence, job->engine));
    for (int i = 0; i < count; i++)
        TRY(sequence_append(job->sequence, &(int32_t){(int32_t)wide[i]}, 1, TOKEN_PROMPT));
    int64_t rows = job->last ? 1 : count - job->mtp, vocab = job->engine->model.desc.vocab;
    job->logits = malloc((size_t)(HEAD_ROWS * vocab) * sizeof *job->logits);
    if (!job->logits) return fail(STATUS_MEMORY, "no memory for %d rows of logits", HEAD_ROWS);
    TRY(npy_writer_open(&job->writer, option_text(values, "output"), rows, vocab));
    TRY(run_steps(job));
    return npy_writer_finish(job->writer);
}

enum status command_logits(const struct option_values *values) {
    struct job job = {.last = option_flag(values, "last"), .mtp = option_flag(values, "mtp")};
    struct engine_options options;
    const int64_t *ids;
    int count = option_ints(values, "ids", &ids);
    if (!count) return fail(STATUS_USAGE, "no tokens given: name them with --ids");
    if (!option_text(values, "output")) return fail(STATUS_USAGE, "no file given: name it with --output");
    if (job.mtp && count < 2) return fail(STATUS_USAGE, "--mtp needs at least two ids");
    TRY(engine_options_from(values, &options));
    if (!options.model.context) options.model.context = count;
    options.no_tokenizer = true;
    TRY(open_engine(&job.engine, &options));
    enum status status = run(&job, values);
    if (job.writer) npy_writer_close(job.writer);
    free(job.logits);
    sequence_close(job.sequence);
    engine_close(job.engine);
    return status;
}
