/* engine.c - batches of sequences through the model: collects rows and runs, takes pages, steps. */
#include "engine/engine.h"

#include "base/bytes.h"
#include "engine/open.h"

#include <stdlib.h>
#include <string.h>

struct step_buffers { /* [max_rows] each */
    int32_t *token, *row;
    struct batch_run *run;
};

enum status step_buffers_open(struct engine *engine) {
    size_t rows = (size_t)engine->model.max_rows;
    struct step_buffers *buffers = engine->buffers = calloc(1, sizeof *buffers);
    if (!buffers) return fail(STATUS_MEMORY, "no memory for a step");
    buffers->token = calloc(rows, sizeof *buffers->token);
    buffers->row = calloc(rows, sizeof *buffers->row);
    buffers->run = calloc(rows, sizeof *buffers->run);
    return buffers->token && buffers->row && buffers->run ? STATUS_OK
                                                          : fail(STATUS_MEMORY, "no memory for a step");
}

void step_buffers_close(struct engine *engine) {
    if (!engine->buffers) return;
    free(engine->buffers->token);
    free(engine->buffers->row);
    free(engine->buffers->run);
    free(engine->buffers);
}

static enum status take_pages(struct sequence *sequence, int tokens) {
    while (sequence->pages < divide_up(tokens, KV_PAGE_TOKENS)) {
        TRY(kv_page_take(&sequence->engine->kv, &sequence->page[sequence->pages]));
        sequence->pages++;
    }
    return STATUS_OK;
}

static bool absorbed(const struct sequence *sequence, int position) {
    return sequence->engine->model.strict || sequence->role[position] == TOKEN_GENERATED;
}

/* Cuts tokens [begin, begin + rows), which are the step's rows from `row` on, into runs of one arithmetic form; returns
 * the number added. */
static int add_runs(const struct sequence *sequence, int begin, int rows, int row, struct batch_run *run) {
    int runs = 0;
    for (int r = 0; r < rows; r++) {
        bool form = absorbed(sequence, begin + r);
        if (r == 0 || run[runs - 1].absorbed != form)
            run[runs++] = (struct batch_run){row + r, 0, begin + r, sequence->page, form};
        run[runs - 1].rows++;
    }
    return runs;
}

/* Before anything is cached, so that a failure leaves every sequence as it was. */
static enum status prepare(struct engine *engine, const struct step_item *item, int items,
                           struct model_step *step) {
    struct step_buffers *buffers = engine->buffers;
    *step = (struct model_step){.token = buffers->token, .run = buffers->run, .kv = engine->kv.view};
    for (int i = 0; i < items; i++) {
        struct sequence *sequence = item[i].sequence;
        MUST(item[i].rows >= 1 && item[i].rows <= sequence->tokens - sequence->cached);
        MUST(step->rows + item[i].rows <= engine->model.max_rows);
        TRY(take_pages(sequence, sequence->cached + item[i].rows));
        memcpy(buffers->token + step->rows, sequence->token + sequence->cached,
               (size_t)item[i].rows * sizeof *buffers->token);
        step->runs +=
            add_runs(sequence, sequence->cached, item[i].rows, step->rows, buffers->run + step->runs);
        step->rows += item[i].rows;
    }
    return STATUS_OK;
}

enum status engine_step(struct engine *engine, const struct step_item *item, int items) {
    struct model_step step;
    TRY(prepare(engine, item, items, &step));
    TRY(model_forward(&engine->model, &step));
    for (int i = 0; i < items; i++) item[i].sequence->cached += item[i].rows;
    return STATUS_OK;
}

void engine_logits(struct engine *engine, const int32_t *row, int count, float *logits) {
    model_head(&engine->model, row, count, logits);
}

/* A page's rows count from its beginning: behind a gap they are none. */
static void note_module_rows(struct engine *engine, const struct module_item *item) {
    for (int position = item->begin; position < item->begin + item->rows; position++) {
        uint8_t *rows = &engine->kv.module_rows[item->sequence->page[position / KV_PAGE_TOKENS]];
        if (*rows == position % KV_PAGE_TOKENS) ++*rows;
    }
}

enum status engine_mtp_batch(struct engine *engine, const struct module_item *item, int items) {
    struct step_buffers *buffers = engine->buffers;
    struct model_step step = {.token = buffers->token, .run = buffers->run, .kv = engine->kv.view};
    for (int i = 0; i < items; i++) {
        const struct sequence *sequence = item[i].sequence;
        int begin = item[i].begin, rows = item[i].rows;
        MUST(rows >= 1 && step.rows + rows <= engine->model.max_rows && begin + rows <= sequence->cached);
        MUST(begin + rows < sequence->tokens);
        step.runs += add_runs(sequence, begin, rows, step.rows, buffers->run + step.runs);
        for (int r = 0; r < rows; r++, step.rows++) {
            buffers->token[step.rows] = sequence->token[begin + r + 1];
            buffers->row[step.rows] = item[i].hidden_row + r;
        }
    }
    TRY(model_mtp_forward(&engine->model, &step, 0, buffers->row));
    for (int i = 0; i < items; i++) note_module_rows(engine, &item[i]);
    return STATUS_OK;
}

void engine_mtp_head(struct engine *engine, const int32_t *row, int count, float *logits) {
    model_mtp_head(&engine->model, row, count, logits);
}

enum status engine_mtp_step(struct engine *engine, const struct sequence *sequence, int begin, int rows) {
    return engine_mtp_batch(engine, &(struct module_item){sequence, begin, rows, 0}, 1);
}

enum status engine_mtp_logits(struct engine *engine, const struct step_item *item, int count, float *logits) {
    if (!engine->model.desc.mtp_layers)
        return fail(STATUS_UNSUPPORTED, "%s has no multi-token prediction module",
                    engine->model.checkpoint.path);
    MUST(count <= item->rows);
    /* engine_step has moved `cached` past the rows */
    TRY(engine_mtp_step(engine, item->sequence, item->sequence->cached - item->rows, count));
    model_mtp_head(&engine->model, engine->buffers->row, count, logits);
    return STATUS_OK;
}

enum status engine_prefill(struct engine *engine, struct sequence *sequence,
                           bool (*progress)(void *context, int cached), void *context, int32_t *last_row) {
    MUST(sequence->cached < sequence->tokens);
    while (sequence->cached < sequence->tokens) {
        int rows = (int)min_i64(sequence->tokens - sequence->cached, engine->model.max_rows);
        TRY(engine_step(engine, &(struct step_item){sequence, rows}, 1));
        *last_row = rows - 1;
        if (progress && !progress(context, sequence->cached) && sequence->cached < sequence->tokens)
            return fail(STATUS_CANCELLED, "stopped after %d of %d prompt tokens", sequence->cached,
                        sequence->tokens);
    }
    return STATUS_OK;
}
