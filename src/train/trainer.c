/* trainer.c - one batch forward and back; see trainer.h. The order of the way back: heads, the multi-token-prediction
 * module, the final norm, layers from last to first, the embedding. */
#include "train/trainer.h"

#include "base/bytes.h"
#include "train/trainer_memory.h"

#include <stdlib.h>
#include <string.h>

/* `weights` point into the trainer's parameters, and are taken over. */
static enum status open_around_parameters(struct trainer *trainer, const struct model_desc *desc,
                                          struct weights *weights) {
    const struct trainer_options *options = &trainer->options;
    struct model_options model = {.threads = options->threads,
                                  .cpu_level_cap = options->cpu_level_cap,
                                  .max_rows = options->max_rows,
                                  .strict = options->strict,
                                  .kv_type = DTYPE_F32};
    TRY(model_open_weights(&trainer->model, desc, weights, &model));
    TRY(trainer_memory_open(trainer));
    if (options->lora.rank && !trainer->adapters)
        TRY(adapters_open(&trainer->adapters, &trainer->parameters, &options->lora, options->max_rows));
    size_t loads = (size_t)(desc->layers + desc->mtp_layers) * (size_t)(desc->experts ? desc->experts : 1);
    trainer->load = calloc(loads, sizeof *trainer->load);
    return trainer->load ? STATUS_OK : fail(STATUS_MEMORY, "no memory for the experts' loads");
}

enum status trainer_open(struct trainer *trainer, const struct model_desc *desc,
                         const struct trainer_options *options) {
    struct weights weights;
    *trainer = (struct trainer){.options = *options};
    if (desc->mtp_layers > 1)
        return fail(STATUS_UNSUPPORTED, "num_nextn_predict_layers %d: at most one such module can be trained",
                    desc->mtp_layers);
    if (options->lora.rank && options->fp8)
        return fail(STATUS_UNSUPPORTED, "adapters are not trained as in FP8");
    TRY(parameters_open(&trainer->parameters, &weights, desc, options->frozen || options->lora.rank > 0));
    enum status status = options->fp8 ? parameters_use_fp8(&trainer->parameters, &weights) : STATUS_OK;
    if (status != STATUS_OK)
        weights_free(&weights);
    else
        status = open_around_parameters(trainer, desc, &weights);
    if (status != STATUS_OK) trainer_close(trainer);
    return status;
}

enum status trainer_open_beside(struct trainer *trainer, const struct trainer *lead,
                                const struct trainer_options *options) {
    struct weights weights;
    const struct model_desc *desc = &lead->model.desc;
    *trainer = (struct trainer){.options = *options};
    MUST(options->fp8 == lead->options.fp8);
    TRY(parameters_open_beside(&trainer->parameters, &weights, desc, &lead->parameters));
    enum status status = STATUS_OK;
    if (lead->adapters)
        status =
            adapters_open_beside(&trainer->adapters, &trainer->parameters, lead->adapters, options->max_rows);
    if (status != STATUS_OK)
        weights_free(&weights);
    else
        status = open_around_parameters(trainer, desc, &weights);
    if (status != STATUS_OK) trainer_close(trainer);
    return status;
}

void trainer_close(struct trainer *trainer) {
    trainer_memory_close(trainer);
    adapters_close(trainer->adapters);
    if (trainer->model.backend) model_close(&trainer->model);
    parameters_close(&trainer->parameters);
    free(trainer->load);
    *trainer = (struct trainer){0};
}

const struct parameters *trainer_trained(const struct trainer *trainer) {
    return trainer->adapters ? &trainer->adapters->trained : &trainer->parameters;
}

void trainer_refresh(struct trainer *trainer) {
    if (trainer->adapters) adapters_merge(trainer->adapters, &trainer->parameters, trainer->model.backend);
    parameters_round(&trainer->parameters);
}

void trainer_clear(struct trainer *trainer) {
    const struct model_desc *d = &trainer->model.desc;
    size_t loads = (size_t)(d->layers + d->mtp_layers) * (size_t)d->experts;
    parameters_clear_gradient(trainer_trained(trainer));
    if (loads) memset(trainer->load, 0, loads * sizeof *trainer->load);
}

/* The module's target of a row is the one of the next row, when the row after that is of the same text. */
static bool has_mtp_target(const struct train_batch *batch, const struct train_segment *segment, int r) {
    int row = segment->row_begin + r;
    return r + 1 < segment->rows && batch->target[row] == batch->token[row + 1];
}

void train_batch_weights(const struct train_batch *batch, struct train_weights *sum) {
    sum->rows += batch->rows;
    for (int r = 0; r < batch->rows; r++) sum->token += batch->weight[r];
    for (int s = 0; s < batch->segments; s++)
        for (int r = 0; r < batch->segment[s].rows; r++)
            if (has_mtp_target(batch, &batch->segment[s], r))
                sum->mtp += batch->weight[batch->segment[s].row_begin + r + 1];
}

/* ---- steps ---- */

static enum status check_batch(const struct trainer *trainer, const struct train_batch *batch) {
    if (batch->rows < 1 || batch->rows > trainer->options.max_rows)
        return fail(STATUS_LIMIT, "a batch of %d rows where 1 to %d fit", batch->rows,
                    trainer->options.max_rows);
    int row = 0;
    for (int s = 0; s < batch->segments; s++) {
        MUST(batch->segment[s].row_begin == row && batch->segment[s].rows >= 1);
        row += batch->segment[s].rows;
    }
    MUST(row == batch->rows && batch->sequence_rows >= 1);
    for (int r = 0; r < batch->rows; r++)
        if (batch->token[r] < 0 || batch->token[r] >= trainer->model.desc.vocab || batch->target[r] < -1 ||
            batch->target[r] >= trainer->model.desc.vocab)
            return fail(STATUS_INPUT, "token %d, target %d: the model has %lld", batch->token[r],
                        batch->target[r], (long long)trainer->model.desc.vocab);
    return STATUS_OK;
}

/* A run for each segment that has rows, with pages one behind the other. */
static void make_runs(struct trainer *trainer, const struct train_segment *segment, int segments, int less,
                      struct model_step *step, struct batch_run *run) {
    int32_t *page = trainer->memory->page, pages = 0;
    for (int s = 0; s < segments; s++) {
        int rows = segment[s].rows - less;
        if (!rows) continue;
        run[step->runs++] = (struct batch_run){step->rows, rows, 0, page + pages, trainer->options.strict};
        pages += (int32_t)divide_up(rows, KV_PAGE_TOKENS);
        step->rows += rows;
    }
    step->run = run;
    step->kv = trainer->memory->kv;
}

static void make_step(struct trainer *trainer, const struct train_batch *batch) {
    struct trainer_memory *m = trainer->memory;
    for (int i = 0; i < trainer->options.max_rows; i++) m->page[i] = i;
    m->step = (struct model_step){.token = batch->token};
    make_runs(trainer, batch->segment, batch->segments, 0, &m->step, m->run);
}

/* Row r of a segment meets the token of row r + 1 and predicts its target; the last row has no such token. */
static void make_mtp_step(struct trainer *trainer, const struct train_batch *batch) {
    struct trainer_memory *m = trainer->memory;
    int row = 0;
    m->mtp_step = (struct model_step){.token = m->mtp_token};
    make_runs(trainer, batch->segment, batch->segments, 1, &m->mtp_step, m->mtp_run);
    for (int s = 0; s < batch->segments; s++)
        for (int r = 0; r + 1 < batch->segment[s].rows; r++, row++) {
            int from = batch->segment[s].row_begin + r;
            bool known = has_mtp_target(batch, &batch->segment[s], r);
            m->hidden_row[row] = from;
            m->mtp_token[row] = batch->token[from + 1];
            m->mtp_target[row] = known ? batch->target[from + 1] : -1;
            m->mtp_weight[row] = known ? batch->weight[from + 1] : 0;
        }
}

/* ---- forward ---- */

static void layer_forward(struct trainer *trainer, const struct model_step *step, int layer) {
    struct layer_record *record = &trainer->memory->layer[layer];
    struct model *model = &trainer->model;
    size_t bytes = (size_t)(step->rows * model->desc.width) * sizeof(float);
    model->activations = &record->a;
    record->a.normed = record->attention_in;
    model_attention(model, step, layer);
    memcpy(record->middle, record->a.residual, bytes);
    record->a.normed = record->ffn_in;
    model_feed_forward(model, step, layer);
}

/* Of the layer's rows among the routes; NULL where there are none. */
static int32_t *layer_routes(const struct trainer *trainer, const struct model_step *step,
                             const struct train_routes *routes, int layer) {
    const struct model_desc *d = &trainer->model.desc;
    bool routed = routes && layer < d->layers && d->layer[layer].ffn == FFN_EXPERTS;
    return routed ? routes->expert + (int64_t)layer * step->rows * d->experts_used : NULL;
}

static void enter_layer(struct trainer *trainer, const struct model_step *step, int layer,
                        const struct train_routes *routes) {
    struct layer_record *record = &trainer->memory->layer[layer];
    const struct model_desc *d = &trainer->model.desc;
    int32_t *expert = layer_routes(trainer, step, routes, layer);
    memcpy(record->input, record->a.residual, (size_t)(step->rows * d->width) * sizeof(float));
    record->a.fixed_expert = expert && routes->replay ? expert : NULL;
    layer_forward(trainer, step, layer);
    if (expert && !routes->replay)
        memcpy(expert, record->a.expert, (size_t)step->rows * (size_t)d->experts_used * sizeof *expert);
}

static void trunk_forward(struct trainer *trainer, const struct train_routes *routes) {
    struct trainer_memory *m = trainer->memory;
    struct model *model = &trainer->model;
    model->activations = &m->trunk;
    model_begin(model, &m->step);
    for (int layer = 0; layer < model->desc.layers; layer++) enter_layer(trainer, &m->step, layer, routes);
    model->activations = &m->trunk;
    model_end(model, &m->step);
}

static void mtp_forward(struct trainer *trainer) {
    struct trainer_memory *m = trainer->memory;
    struct model *model = &trainer->model;
    model->activations = &m->mtp;
    model_mtp_begin(model, &m->mtp_step, 0, m->hidden_row);
    enter_layer(trainer, &m->mtp_step, model->desc.layers, NULL);
    model->activations = &m->mtp;
    model_mtp_end(model, &m->mtp_step, 0);
}

static void head_forward(struct trainer *trainer, bool mtp, const float *hidden, int rows, float *logits) {
    struct model *model = &trainer->model;
    struct project_op op = {.x = hidden, .rows = rows, .x_stride = model->desc.width, .count = 1};
    op.target[0] = (struct project_target){model_head_matrix(model, mtp), NULL, logits, model->desc.vocab};
    model->backend->ops->project(model->backend, &op);
}

void trainer_logits(struct trainer *trainer, int begin, int rows, float *logits) {
    head_forward(trainer, false, trainer->memory->trunk.hidden + begin * trainer->model.desc.width, rows,
                 logits);
}

/* ---- heads ---- */

struct head_rows { /* all rows of a head */
    bool mtp;
    const float *hidden;
    float *dhidden; /* NULL: the loss alone */
    const int32_t *target;
    const float *weight;
    int rows;
    double scale;
};

static void head_backward(struct trainer *trainer, const struct head_rows *head, int begin, int rows) {
    struct trainer_memory *m = trainer->memory;
    struct model *model = &trainer->model;
    int64_t width = model->desc.width;
    enum weight weight = model->desc.tied_head ? WEIGHT_EMBED : WEIGHT_HEAD;
    struct linear_backward_op op = {
        .w = model_head_matrix(model, head->mtp),
        .x = head->hidden + begin * width,
        .dy = m->logits,
        .dx = head->dhidden + begin * width,
        .dw = parameters_gradient(&trainer->parameters, &model->weights, weight, 0, 0),
        .rows = rows,
        .x_stride = width,
        .dy_stride = model->desc.vocab,
        .dx_stride = width};
    model->backend->ops->backward->linear(model->backend, &op);
}

/* Sum of weight * -log p; logits exist for HEAD_ROWS rows at a time. */
static double head_loss(struct trainer *trainer, const struct head_rows *head) {
    struct trainer_memory *m = trainer->memory;
    struct model *model = &trainer->model;
    double sum = 0;
    for (int begin = 0; begin < head->rows; begin += HEAD_ROWS) {
        int rows = (int)min_i64(HEAD_ROWS, head->rows - begin);
        head_forward(trainer, head->mtp, head->hidden + begin * model->desc.width, rows, m->logits);
        for (int r = 0; r < rows; r++)
            m->coefficient[r] = (float)(head->weight[begin + r] * (head->dhidden ? head->scale : 1));
        struct cross_entropy_op op = {m->logits, head->target + begin, m->coefficient, m->loss,
                                      rows,      model->desc.vocab};
        model->backend->ops->backward->cross_entropy(model->backend, &op);
        for (int r = 0; r < rows; r++) sum += (double)head->weight[begin + r] * m->loss[r];
        if (head->dhidden) head_backward(trainer, head, begin, rows);
    }
    return sum;
}

/* ---- back ---- */

static void count_loads(struct trainer *trainer, const struct model_step *step, int layer) {
    const struct model_desc *d = &trainer->model.desc;
    const int32_t *expert = trainer->memory->layer[layer].a.expert;
    if (d->layer[layer].ffn != FFN_EXPERTS) return;
    for (int64_t i = 0; i < (int64_t)step->rows * d->experts_used; i++)
        trainer->load[(int64_t)layer * d->experts + expert[i]]++;
}

static void layer_backward(const struct pass *pass, int layer, struct loss_sums *sums) {
    struct trainer *trainer = pass->trainer;
    struct layer_record *record = &trainer->memory->layer[layer];
    const struct model_desc *d = &trainer->model.desc;
    if (trainer->options.recompute) {
        memcpy(record->a.residual, record->input, (size_t)(pass->step->rows * d->width) * sizeof(float));
        layer_forward(trainer, pass->step, layer);
    }
    count_loads(trainer, pass->step, layer);
    if (pass->balance != 0 && d->layer[layer].ffn == FFN_EXPERTS && layer < d->layers)
        sums->balance += balance_loss(pass, layer);
    feed_forward_backward(pass, layer);
    attention_backward(pass, layer);
}

/* The rotation back: the same cosine, the sine with the other sign. */
static void set_unsine(struct trainer *trainer, const float *sine, int rows) {
    int64_t count = (int64_t)rows * (model_rope_dim(&trainer->model.desc) / 2);
    for (int64_t i = 0; i < count; i++) trainer->memory->d.unsine[i] = -sine[i];
}

static void embed_backward(struct trainer *trainer, const struct model_step *step, const float *dy) {
    struct model *model = &trainer->model;
    struct embed_backward_op op = {
        step->token, dy, parameters_gradient(&trainer->parameters, &model->weights, WEIGHT_EMBED, 0, 0),
        step->rows, model->desc.width};
    if (op.dtable) model->backend->ops->backward->embed(model->backend, &op);
}

/* From the module's block to the embedding and, by `hidden_row`, to the trunk's hidden state. */
static void mtp_input_backward(const struct pass *pass, int layer) {
    struct trainer *trainer = pass->trainer;
    struct trainer_memory *m = trainer->memory;
    struct model *model = &trainer->model;
    int64_t width = model->desc.width, rows = pass->step->rows;
    struct derivatives *d = &m->d;
    clear_floats(d->pair, rows * 2 * width);
    linear_backward(pass, &(struct linear_rows){WEIGHT_MTP_PROJECT, WEIGHT_COUNT, layer, m->mtp.mtp_pair,
                                                d->residual, d->pair, 2 * width, width, 2 * width});
    struct embed_op embed = {weights_matrix(&model->weights, WEIGHT_EMBED, 0, 0), pass->step->token, d->row,
                             rows};
    model->backend->ops->embed(model->backend, &embed);
    clear_floats(d->normed, rows * width);
    norm_backward(pass, &(struct norm_rows){WEIGHT_MTP_EMBED_NORM, layer, d->row, d->pair, d->normed, width,
                                            width, 2 * width, width});
    embed_backward(trainer, pass->step, d->normed);
    for (int64_t r = 0; r < rows; r++)
        memcpy(d->row + r * width, m->trunk.hidden + m->hidden_row[r] * width, (size_t)width * sizeof(float));
    clear_floats(d->normed, rows * width);
    norm_backward(pass, &(struct norm_rows){WEIGHT_MTP_HIDDEN_NORM, layer, d->row, d->pair + width, d->normed,
                                            width, width, 2 * width, width});
    for (int64_t r = 0; r < rows; r++)
        model->backend->ops->add(model->backend, d->normed + r * width, d->hidden + m->hidden_row[r] * width,
                                 width);
}

static void mtp_backward(const struct pass *trunk, double scale, struct loss_sums *sums) {
    struct trainer *trainer = trunk->trainer;
    struct trainer_memory *m = trainer->memory;
    int layer = trainer->model.desc.layers;
    int64_t width = trainer->model.desc.width;
    struct pass pass = {trainer, &m->mtp_step, trunk->batch, 0};
    mtp_forward(trainer);
    clear_floats(m->d.mtp_hidden, m->mtp_step.rows * width);
    struct head_rows head = {
        true, m->mtp.mtp_hidden, m->d.mtp_hidden, m->mtp_target, m->mtp_weight, m->mtp_step.rows, scale};
    sums->mtp += head_loss(trainer, &head);
    clear_floats(m->d.residual, m->mtp_step.rows * width);
    norm_backward(&pass, &(struct norm_rows){WEIGHT_MTP_FINAL_NORM, layer, m->mtp.residual, m->d.mtp_hidden,
                                             m->d.residual, width, width, width, width});
    set_unsine(trainer, m->mtp.sine, m->mtp_step.rows);
    layer_backward(&pass, layer, sums);
    mtp_input_backward(&pass, layer);
}

static void trunk_backward(const struct pass *pass, struct loss_sums *sums) {
    struct trainer *trainer = pass->trainer;
    struct trainer_memory *m = trainer->memory;
    int64_t width = trainer->model.desc.width;
    clear_floats(m->d.residual, pass->step->rows * width);
    norm_backward(pass, &(struct norm_rows){WEIGHT_FINAL_NORM, 0, m->trunk.residual, m->d.hidden,
                                            m->d.residual, width, width, width, width});
    set_unsine(trainer, m->trunk.sine, pass->step->rows);
    for (int layer = trainer->model.desc.layers - 1; layer >= 0; layer--) layer_backward(pass, layer, sums);
    embed_backward(trainer, pass->step, m->d.residual);
}

enum status trainer_accumulate(struct trainer *trainer, const struct train_batch *batch,
                               const struct loss_scale *scale, struct loss_sums *sums) {
    struct trainer_memory *m = trainer->memory;
    struct pass pass = {trainer, &m->step, batch, scale->balance};
    TRY(check_batch(trainer, batch));
    make_step(trainer, batch);
    if (scale->mtp != 0) make_mtp_step(trainer, batch);
    trunk_forward(trainer, NULL);
    clear_floats(m->d.hidden, batch->rows * trainer->model.desc.width);
    struct head_rows head = {false,         m->trunk.hidden, m->d.hidden, batch->target,
                             batch->weight, batch->rows,     scale->token};
    sums->token += head_loss(trainer, &head);
    if (scale->mtp != 0 && m->mtp_step.rows) mtp_backward(&pass, scale->mtp, sums);
    trunk_backward(&pass, sums);
    return STATUS_OK;
}

enum status trainer_forward(struct trainer *trainer, const struct train_batch *batch,
                            const struct train_routes *routes) {
    TRY(check_batch(trainer, batch));
    make_step(trainer, batch);
    trunk_forward(trainer, routes);
    return STATUS_OK;
}

/* What of a batch has any weight, [*begin, *end) among rows [first, last): heads are the larger part of a small model. */
static void weighty_rows(const struct train_batch *batch, int first, int last, int *begin, int *end) {
    while (first < last && batch->weight[first] == 0) first++;
    while (first < last && batch->weight[last - 1] == 0) last--;
    *begin = first;
    *end = last;
}

static void objective_backward(struct trainer *trainer, const struct train_batch *batch,
                               train_objective *objective, void *context) {
    struct trainer_memory *m = trainer->memory;
    int64_t width = trainer->model.desc.width;
    struct head_rows head = {.hidden = m->trunk.hidden, .dhidden = m->d.hidden};
    for (int first = 0; first < batch->rows; first += HEAD_ROWS) {
        int begin, end;
        weighty_rows(batch, first, (int)min_i64(first + HEAD_ROWS, batch->rows), &begin, &end);
        if (begin == end) continue;
        head_forward(trainer, false, head.hidden + begin * width, end - begin, m->logits);
        objective(context, begin, end - begin, m->logits);
        head_backward(trainer, &head, begin, end - begin);
    }
}

/* A layer that is run again takes the same experts. */
static void fix_routes(struct trainer *trainer, const struct train_routes *routes) {
    for (int layer = 0; layer < trainer->model.desc.layers; layer++)
        trainer->memory->layer[layer].a.fixed_expert =
            layer_routes(trainer, &trainer->memory->step, routes, layer);
}

void trainer_backward(struct trainer *trainer, const struct train_batch *batch,
                      const struct train_routes *routes, const struct loss_scale *scale,
                      train_objective *objective, void *context, struct loss_sums *sums) {
    struct trainer_memory *m = trainer->memory;
    struct pass pass = {trainer, &m->step, batch, scale->balance};
    if (scale->mtp != 0) make_mtp_step(trainer, batch);
    clear_floats(m->d.hidden, batch->rows * trainer->model.desc.width);
    objective_backward(trainer, batch, objective, context);
    if (scale->mtp != 0 && m->mtp_step.rows) mtp_backward(&pass, scale->mtp, sums);
    fix_routes(trainer, routes);
    trunk_backward(&pass, sums);
    fix_routes(trainer, NULL);
}

const struct model *trainer_model(struct trainer *trainer) {
    trainer->model.activations = trainer->memory->original;
    return &trainer->model;
}

enum status trainer_evaluate(struct trainer *trainer, const struct train_batch *batch, bool mtp,
                             struct loss_sums *sums) {
    struct trainer_memory *m = trainer->memory;
    TRY(check_batch(trainer, batch));
    make_step(trainer, batch);
    if (mtp) make_mtp_step(trainer, batch);
    trunk_forward(trainer, NULL);
    struct head_rows head = {false, m->trunk.hidden, NULL, batch->target, batch->weight, batch->rows, 1};
    sums->token += head_loss(trainer, &head);
    if (!mtp || !m->mtp_step.rows) return STATUS_OK;
    mtp_forward(trainer);
    struct head_rows module = {true,          m->mtp.mtp_hidden, NULL, m->mtp_target,
                               m->mtp_weight, m->mtp_step.rows,  1};
    sums->mtp += head_loss(trainer, &module);
    return STATUS_OK;
}

void trainer_balance(struct trainer *trainer, double rate) {
    const struct model_desc *d = &trainer->model.desc;
    if (trainer->adapters) return; /* the model stays as it is */
    for (int layer = 0; layer < d->layers + d->mtp_layers; layer++) {
        const struct tensor *bias = weights_matrix(&trainer->model.weights, WEIGHT_ROUTER_BIAS, layer, 0);
        if (!bias || !weight_exists(d, WEIGHT_ROUTER_BIAS, layer)) continue;
        const int64_t *load = trainer->load + (int64_t)layer * d->experts;
        int64_t index =
            trainer->parameters.of_slot[weights_slot(&trainer->model.weights, WEIGHT_ROUTER_BIAS, layer, 0)];
        float *value = trainer->parameters.value + trainer->parameters.item[index].first;
        int64_t sum = 0;
        for (int e = 0; e < d->experts; e++) sum += load[e];
        for (int e = 0; e < d->experts; e++) {
            int64_t over = load[e] * d->experts - sum;
            value[e] -= over > 0 ? (float)rate : over < 0 ? -(float)rate : 0;
        }
    }
}
