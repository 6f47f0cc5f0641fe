/* rates.c - see rates.h. */
#include "plan/rates.h"

#include "model/weight_table.h"

#include <math.h>

const int plan_rate_rows[RATE_ROWS] = {1, 2, 4, 8, 16, 48, 128, 512};

/* ---- rates ---- */

static double bytes_of_weight(enum dtype dtype) {
    const struct dtype_traits *traits = dtype_traits(dtype);
    return (double)traits->block_bytes / (double)traits->block_elements;
}

static int nearest_type(const struct plan_rates *rates, enum dtype dtype) {
    int nearest = 0;
    for (int i = 0; i < rates->types; i++) {
        if (rates->type[i].dtype == dtype) return i;
        if (fabs(bytes_of_weight(rates->type[i].dtype) - bytes_of_weight(dtype)) <
            fabs(bytes_of_weight(rates->type[nearest].dtype) - bytes_of_weight(dtype)))
            nearest = i;
    }
    return nearest;
}

static double between(double x, double x0, double y0, double x1, double y1) {
    double part = (log(x) - log(x0)) / (log(x1) - log(x0));
    return exp(log(y0) + part * (log(y1) - log(y0)));
}

double plan_rate_seconds(const struct plan_rates *rates, enum dtype dtype, double rows) {
    const double *seconds = rates->type[nearest_type(rates, dtype)].seconds;
    int last = RATE_ROWS - 1, i = 0;
    if (rows <= 1) return seconds[0];
    if (rows >= plan_rate_rows[last]) return seconds[last] * rows / plan_rate_rows[last];
    while (rows > plan_rate_rows[i + 1]) i++;
    return between(rows, plan_rate_rows[i], seconds[i], plan_rate_rows[i + 1], seconds[i + 1]);
}

double plan_rate_attention(const struct plan_rates *rates, bool latent, bool prompt, int heads) {
    int below = -1, above = -1; /* nearest from either side */
    for (int i = 0; i < rates->attentions; i++) {
        int own = rates->attention[i].heads;
        if (rates->attention[i].latent != latent || rates->attention[i].prompt != prompt) continue;
        if (own <= heads && (below < 0 || own > rates->attention[below].heads)) below = i;
        if (own >= heads && (above < 0 || own < rates->attention[above].heads)) above = i;
    }
    if (below < 0 && above < 0) return 0;
    if (below < 0 || above < 0 || rates->attention[below].heads == rates->attention[above].heads)
        return rates->attention[below < 0 ? above : below].operations;
    return between(heads, rates->attention[below].heads, rates->attention[below].operations,
                   rates->attention[above].heads, rates->attention[above].operations);
}

/* ---- a model ---- */

struct summing {
    const struct plan_rates *rates;
    const struct model_desc *desc;
    struct plan_steps *steps;
    double batch, prompt;
};

/* Experts that so many tokens touch when they are chosen evenly, and the rows of each. */
static double touched(const struct model_desc *desc, double tokens, double *rows) {
    double experts = desc->experts, used = desc->experts_used;
    double some = experts * (1 - pow(1 - used / experts, tokens));
    *rows = tokens * used / some;
    return some;
}

static void add_matrix(void *context, const struct plan_matrix *matrix) {
    struct summing *sum = context;
    double step_rows = sum->batch, prompt_rows = matrix->head ? 1 : sum->prompt, steps = 1, prompts = 1;
    if (matrix->expert) {
        steps = touched(sum->desc, sum->batch, &step_rows);
        prompts = touched(sum->desc, sum->prompt, &prompt_rows);
    }
    sum->steps->step_seconds +=
        steps * matrix->elements * plan_rate_seconds(sum->rates, matrix->dtype, step_rows);
    sum->steps->prompt_seconds +=
        prompts * matrix->elements * plan_rate_seconds(sum->rates, matrix->dtype, prompt_rows);
}

/* Norms, products, rotations, stores and sums as src/model/attention.c and src/model/feed_forward.c hand them over; the parts
 * of one that wait for each other count apart. */
static double operations_of(const struct model_desc *desc) {
    double operations = 3; /* table, final norm, head */
    for (int layer = 0; layer < desc->layers; layer++) {
        bool latent = desc->layer[layer].attention == ATTEND_LATENT;
        operations += latent ? desc->q_rank ? 13 : 11 : 8;
        operations += desc->layer[layer].ffn == FFN_EXPERTS ? desc->shared_experts ? 9 : 6 : 5;
    }
    return operations;
}

/* Norms, rotated queries and sums; of each expert that a token takes what is gathered, activated and added. */
static double values_of(const struct model_desc *desc) {
    double values = (double)desc->width;
    for (int layer = 0; layer < desc->layers; layer++) {
        bool latent = desc->layer[layer].attention == ATTEND_LATENT;
        bool experts = desc->layer[layer].ffn == FFN_EXPERTS;
        double head = (double)(latent ? desc->rope_dim + desc->value_dim : 2 * desc->head_dim);
        double inner = (double)(experts ? desc->shared_experts * desc->expert_ffn : desc->dense_ffn);
        values += 5.0 * (double)desc->width + desc->heads * head + 1.5 * inner;
        if (experts)
            values += desc->experts_used * (2.0 * (double)desc->width + 1.5 * (double)desc->expert_ffn);
    }
    return values;
}

enum status plan_steps_of(struct plan_steps *steps, const struct plan_rates *rates,
                          const struct model_desc *desc, const char *type, double batch, double prompt) {
    bool latent = desc->layers && desc->layer[0].attention == ATTEND_LATENT;
    struct summing sum = {rates, desc, steps, batch, prompt};
    MUST(rates->types > 0);
    *steps = (struct plan_steps){.operations = operations_of(desc),
                                 .values = values_of(desc),
                                 .decode_attention = plan_rate_attention(rates, latent, false, desc->heads),
                                 .prompt_attention = plan_rate_attention(rates, latent, true, desc->heads)};
    return plan_each_matrix(desc, type, add_matrix, &sum);
}

/* ---- into a sheet ---- */

static enum status set_share(struct sheet *sheet, const char *name, double share, const char *source) {
    return share > 0 && isfinite(share) ? sheet_set(sheet, name, share, source) : STATUS_OK;
}

enum status plan_fill_rates(struct sheet *sheet, const struct plan_rates *rates,
                            const struct model_desc *desc, const char *type, const char *source) {
    struct plan_steps steps;
    double batch = sheet_value(sheet, "batch"), prompt = sheet_value(sheet, "prompt");
    double peak = sheet_value(sheet, "peak"), bandwidth = sheet_value(sheet, "bandwidth");
    if (!(batch >= 1 && prompt >= 1)) return STATUS_OK;
    TRY(plan_steps_of(&steps, rates, desc, type, batch, prompt));
    double rows, some = desc->experts ? touched(desc, batch, &rows) : 0;
    double read = sheet_value(sheet, "fixed_bytes") + some * sheet_value(sheet, "expert_bytes");
    double operations = prompt * sheet_value(sheet, "ops_row") + sheet_value(sheet, "ops_head");
    TRY(set_share(sheet, "bandwidth_share", read / (steps.step_seconds * bandwidth), source));
    TRY(set_share(sheet, "compute_share", operations / (steps.prompt_seconds * peak), source));
    TRY(set_share(sheet, "attention_share", steps.decode_attention / peak, source));
    TRY(set_share(sheet, "prompt_attention_share", steps.prompt_attention / peak, source));
    TRY(sheet_set(sheet, "between", steps.values * rates->pass, source));
    TRY(sheet_set(sheet, "handed", steps.operations, source));
    return sheet_set(sheet, "wake", rates->wake, source);
}
