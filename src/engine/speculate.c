/* speculate.c - keeps the MTP module one token behind the trunk, and lets it draft. */
#include "engine/speculate.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "model/activations.h"

#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 2,        /* of a step with a draft */
    KEPT_MOST = 64,  /* hidden states that wait while nothing is drafted */
    AGAIN_MOST = 64, /* tokens that are computed again to catch up */
};

static size_t row_bytes(const struct speculation *speculation) {
    return (size_t)speculation->sequence->engine->model.desc.width * sizeof(float);
}

/* Row `row` of the last step, which the module's next step reads too. */
static float *hidden_row(const struct speculation *speculation, int row) {
    const struct model *model = &speculation->sequence->engine->model;
    return model->activations->hidden + row * model->desc.width;
}

static float *kept_row(const struct speculation *speculation, int row) {
    return speculation->hidden + row * speculation->sequence->engine->model.desc.width;
}

enum status speculation_open(struct speculation *speculation, struct sequence *sequence,
                             enum speculate mode) {
    const struct model *model = &sequence->engine->model;
    *speculation = (struct speculation){.sequence = sequence, .always = mode == SPECULATE_ON};
    if (mode == SPECULATE_OFF || !model->desc.mtp_layers || model->max_rows < ROWS) return STATUS_OK;
    speculation->room = (int)min_i64(KEPT_MOST, model->max_rows);
    speculation->hidden = calloc((size_t)speculation->room, row_bytes(speculation));
    if (!speculation->hidden) return fail(STATUS_MEMORY, "no memory for hidden states");
    speculation->active = true;
    return STATUS_OK;
}

void speculation_close(struct speculation *speculation) {
    free(speculation->hidden);
    *speculation = (struct speculation){0};
}

/* ---- the module ---- */

void speculation_start(struct speculation *speculation) {
    struct sequence *sequence = speculation->sequence;
    if (sequence->module_cached > sequence->cached) sequence->module_cached = sequence->cached;
    if (!speculation->active) return;
    if (!speculation->always && !draft_pace_begin(&sequence->engine->pace)) speculation->active = false;
    if (!speculation->active) return;
    if (sequence->cached - sequence->module_cached > AGAIN_MOST)
        speculation->active = false;
    else
        sequence->cached = sequence->module_cached;
}

/* The module over the model's rows 0 .. rows - 1. */
static enum status run_module(struct speculation *speculation, int rows) {
    struct sequence *sequence = speculation->sequence;
    TRY(engine_mtp_step(sequence->engine, sequence, sequence->module_cached, rows));
    sequence->module_cached += rows;
    return STATUS_OK;
}

static enum status run_kept(struct speculation *speculation, int rows) {
    if (rows <= 0) return STATUS_OK;
    memcpy(hidden_row(speculation, 0), speculation->hidden, (size_t)rows * row_bytes(speculation));
    TRY(run_module(speculation, rows));
    speculation->kept -= rows;
    memmove(speculation->hidden, kept_row(speculation, rows),
            (size_t)speculation->kept * row_bytes(speculation));
    return STATUS_OK;
}

static void keep(struct speculation *speculation, int row, int rows) {
    MUST(speculation->kept + rows <= speculation->room);
    memcpy(kept_row(speculation, speculation->kept), hidden_row(speculation, row),
           (size_t)rows * row_bytes(speculation));
    speculation->kept += rows;
}

/* The prompt's last token has no successor yet. */
enum status speculation_follow(struct speculation *speculation, int rows) {
    const struct sequence *sequence = speculation->sequence;
    if (!speculation->active) return STATUS_OK;
    bool last = sequence->cached == sequence->tokens;
    MUST(sequence->module_cached + rows == sequence->cached && !speculation->kept);
    if (rows > last) TRY(run_module(speculation, rows - last));
    if (last) keep(speculation, rows - 1, 1);
    return STATUS_OK;
}

/* ---- steps ---- */

/* Appends a draft; false when the module's logits are none. */
static enum status draft(struct speculation *speculation, const struct sampler *sampler,
                         struct sample_space *space, float *logits, bool *drafted) {
    struct sequence *sequence = speculation->sequence;
    struct sampler guess = *sampler; /* draws the number that the token itself will be drawn with */
    struct choice choice;
    int32_t row = speculation->kept - 1;
    TRY(run_kept(speculation, speculation->kept));
    model_mtp_head(&sequence->engine->model, &row, 1, logits);
    guess.sampling.logprobs = -1;
    guess.allowed = NULL; /* that of another token */
    *drafted = sampler_choose(&guess, space, logits, &choice) == STATUS_OK;
    if (!*drafted) return STATUS_OK;
    TRY(sequence_append(sequence, &choice.id, 1, TOKEN_GENERATED));
    speculation->open = true;
    speculation->drafted++;
    return STATUS_OK;
}

/* The module's cache stays behind. */
static void leave_out(struct speculation *speculation) {
    speculation->active = false;
    speculation->kept = 0;
}

enum status speculation_step(struct speculation *speculation, const struct sampler *sampler,
                             struct sample_space *space, bool more, float *logits) {
    struct sequence *sequence = speculation->sequence;
    struct engine *engine = sequence->engine;
    if (!speculation->always && engine->pace.rest) leave_out(speculation);
    bool wanted = speculation->active && more && (speculation->always || draft_pace_wants(&engine->pace)),
         drafted = false;
    MUST(sequence->cached == sequence->tokens - 1 && !speculation->open);
    if (wanted) /* what waited for long is not this step's expense */
        TRY(run_kept(speculation, speculation->kept - ROWS));
    else if (speculation->kept + ROWS > speculation->room)
        TRY(run_kept(speculation, speculation->kept));
    double start = clock_seconds();
    if (wanted) TRY(draft(speculation, sampler, space, logits, &drafted));
    int rows = drafted ? ROWS : 1;
    TRY(engine_step(engine, &(struct step_item){sequence, rows}, 1));
    engine_logits(engine, (const int32_t[ROWS]){0, 1}, rows, logits);
    speculation->seconds = clock_seconds() - start;
    if (!speculation->active) return STATUS_OK;
    keep(speculation, 0, rows);
    if (!drafted) draft_pace_plain(&engine->pace, speculation->seconds);
    return STATUS_OK;
}

static void take_back(struct speculation *speculation) {
    struct sequence *sequence = speculation->sequence;
    sequence_truncate(sequence, sequence->tokens - 1);
    speculation->kept = sequence->cached - sequence->module_cached;
    speculation->open = false;
}

enum status speculation_append(struct speculation *speculation, int32_t id) {
    struct sequence *sequence = speculation->sequence;
    bool open = speculation->open, same = open && sequence->token[sequence->tokens - 1] == id;
    if (open) draft_pace_drafted(&sequence->engine->pace, speculation->seconds, same);
    speculation->ahead = same;
    speculation->accepted += same;
    if (open && !same) take_back(speculation);
    speculation->open = false;
    return same ? STATUS_OK : sequence_append(sequence, &id, 1, TOKEN_GENERATED);
}

enum status speculation_finish(struct speculation *speculation) {
    struct sequence *sequence = speculation->sequence;
    if (speculation->open) take_back(speculation);
    if (speculation->ahead) sequence->cached--;
    speculation->ahead = false;
    if (!speculation->active || !speculation->kept) return STATUS_OK;
    return run_kept(speculation,
                    (int)min_i64(sequence->cached, sequence->tokens - 1) - sequence->module_cached);
}
