/* metrics.c - GET /metrics in Prometheus' text format.
 *
 * Names are hadal's own, and each that dashboards for vLLM know is there under that name too. */
#include "server/api.h"

#include <stdio.h>

struct writer {
    struct buffer *out;
    const char *model;
};

static void head(const struct writer *writer, const char *name, const char *type, const char *help) {
    buffer_printf(writer->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_quoted(struct buffer *out, const char *text) {
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\') buffer_append_char(out, '\\');
        buffer_append_char(out, *c);
    }
}

static void value(const struct writer *writer, const char *name, const char *label, double number) {
    buffer_printf(writer->out, "%s{model_name=\"", name);
    write_quoted(writer->out, writer->model);
    buffer_printf(writer->out, "\"%s} %.17g\n", label, number);
}

/* One number under hadal's name and vLLM's; `alias` NULL: vLLM has none. */
static void number(const struct writer *writer, const char *name, const char *alias, const char *type,
                   const char *help, double amount) {
    head(writer, name, type, help);
    value(writer, name, "", amount);
    if (!alias) return;
    head(writer, alias, type, help);
    value(writer, alias, "", amount);
}

static void write_histogram(const struct writer *writer, const char *name, const double *bound,
                            const struct histogram *histogram) {
    char full[96], label[48];
    int64_t count = 0;
    for (int i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        count += histogram->count[i];
        snprintf(full, sizeof full, "%s_bucket", name);
        if (i < HISTOGRAM_BOUNDS)
            snprintf(label, sizeof label, ",le=\"%g\"", bound[i]);
        else
            snprintf(label, sizeof label, ",le=\"+Inf\"");
        value(writer, full, label, (double)count);
    }
    snprintf(full, sizeof full, "%s_sum", name);
    value(writer, full, "", histogram->sum);
    snprintf(full, sizeof full, "%s_count", name);
    value(writer, full, "", (double)count);
}

static void both_histograms(const struct writer *writer, const char *const *name, const char *help,
                            const double *bound, const struct histogram *histogram) {
    for (int i = 0; i < 2; i++) {
        head(writer, name[i], "histogram", help);
        write_histogram(writer, name[i], bound, histogram);
    }
}

static void durations(const struct writer *writer, const char *name, const char *alias, const char *help,
                      const struct histogram *histogram) {
    const char *const names[] = {name, alias};
    both_histograms(writer, names, help, histogram_bound, histogram);
}

static void token_counts(const struct writer *writer, const char *name, const char *alias, const char *help,
                         const struct histogram *histogram) {
    const char *const names[] = {name, alias};
    both_histograms(writer, names, help, histogram_token_bound, histogram);
}

static void write_finished(const struct writer *writer, const struct api_counts *counts) {
    static const char *const names[] = {"hadal_answers_total", "vllm:request_success_total"};
    for (size_t n = 0; n < COUNT_OF(names); n++) {
        head(writer, names[n], "counter", "Answers that ended, by reason.");
        for (int finish = FINISH_STOP; finish <= FINISH_DEADLINE; finish++) {
            char label[64];
            const bool abort = n > 0 && finish >= FINISH_CANCELLED; /* dashboards know no other */
            if (abort && finish != FINISH_CANCELLED) continue;
            snprintf(label, sizeof label, ",finished_reason=\"%s\"",
                     abort ? "abort" : finish_name((enum finish)finish));
            const int64_t others = abort ? counts->finished[FINISH_DEADLINE] : 0;
            value(writer, names[n], label, (double)(counts->finished[finish] + others));
        }
    }
}

static void write_tokens(const struct writer *writer, const struct service_counts *counts) {
    number(writer, "hadal_prompt_tokens_total", "vllm:prompt_tokens_total", "counter",
           "Tokens of prompts, cached ones included.", (double)counts->prompt_tokens);
    number(writer, "hadal_generated_tokens_total", "vllm:generation_tokens_total", "counter",
           "Tokens that were generated.", (double)counts->generated_tokens);
    number(writer, "hadal_cache_queried_tokens_total", "vllm:prefix_cache_queries_total", "counter",
           "Tokens of prompts that were looked for in the cache.", (double)counts->prompt_tokens);
    number(writer, "hadal_cache_hit_tokens_total", "vllm:prefix_cache_hits_total", "counter",
           "Tokens of prompts that were in the cache.", (double)counts->hit_tokens);
    number(writer, "vllm:prefix_cache_queries", NULL, "counter",
           "Tokens of prompts that were looked for in the cache.", (double)counts->prompt_tokens);
    number(writer, "vllm:prefix_cache_hits", NULL, "counter", "Tokens of prompts that were in the cache.",
           (double)counts->hit_tokens);
    number(writer, "hadal_computed_tokens_total", NULL, "counter", "Rows that went through the model.",
           (double)counts->computed_tokens);
    number(writer, "hadal_draft_tokens_total", "vllm:spec_decode_num_draft_tokens_total", "counter",
           "Tokens that the model's multi-token-prediction module drafted.", (double)counts->drafted);
    number(writer, "hadal_draft_accepted_tokens_total", "vllm:spec_decode_num_accepted_tokens_total",
           "counter", "Drafts that were right: each saved an answer a step.", (double)counts->accepted);
    number(writer, "hadal_preemptions_total", "vllm:num_preemptions_total", "counter",
           "Answers that had to wait for pages.", (double)counts->preemptions);
    number(writer, "hadal_steps_total", NULL, "counter", "Steps of the batch.", (double)counts->steps);
    number(writer, "hadal_step_seconds_total", NULL, "counter", "Time in steps of the batch.",
           counts->step_seconds);
}

/* Of a group of accounts: its name is an operator's, who may have quoted in it. */
static void group_value(const struct writer *writer, const char *name, const struct group_row *row,
                        const char *label, double amount) {
    struct buffer labels = {0};
    buffer_append_text(&labels, ",group=\"");
    write_quoted(&labels, row->group);
    buffer_printf(&labels, "\",currency=\"%s\"%s", row->currency, label);
    if (!labels.failed) value(writer, name, labels.data, amount);
    buffer_free(&labels);
}

static void write_groups(const struct writer *writer, const struct group_counts *counts) {
    if (counts->rows == 0) return;
    head(writer, "hadal_account_requests_total", "counter", "Requests that accounts were charged for.");
    for (int i = 0; i < counts->rows; i++)
        group_value(writer, "hadal_account_requests_total", &counts->row[i], "",
                    (double)counts->row[i].requests);
    head(writer, "hadal_account_charged_total", "counter", "What accounts were charged, in their currency.");
    for (int i = 0; i < counts->rows; i++)
        group_value(writer, "hadal_account_charged_total", &counts->row[i], "",
                    (double)counts->row[i].micros / (double)MICROS);
    head(writer, "hadal_account_units_total", "counter", "Tokens and calls that were charged, by class.");
    for (int i = 0; i < counts->rows; i++)
        for (int class = 0; class < PRICE_CLASSES; class ++) {
            char label[48];
            if (!counts->row[i].units[class]) continue;
            snprintf(label, sizeof label, ",class=\"%s\"", price_class_name((enum price_class) class));
            group_value(writer, "hadal_account_units_total", &counts->row[i], label,
                        (double)counts->row[i].units[class]);
        }
}

/* Named as vLLM's server has them. */
static void write_replies(const struct writer *writer, const struct http_server *http) {
    head(writer, "http_requests_total", "counter", "Answers over HTTP, by status.");
    for (int digit = 2; digit < HTTP_REPLY_CLASSES; digit++) {
        char label[32];
        snprintf(label, sizeof label, ",status=\"%dxx\"", digit);
        value(writer, "http_requests_total", label, (double)http_server_replies(http, digit));
    }
}

void api_write_metrics(struct api *api, struct buffer *out) {
    const struct writer writer = {out, api->model.name};
    const struct api_counts *own = &api->counts;
    struct service_counts counts;
    service_counts(api->service, &counts);
    number(&writer, "hadal_requests_running", "vllm:num_requests_running", "gauge",
           "Answers that are being computed.", counts.running);
    number(&writer, "hadal_requests_waiting", "vllm:num_requests_waiting", "gauge",
           "Requests that wait to begin.", counts.waiting);
    const double used = counts.pages ? 1.0 - (double)counts.free_pages / counts.pages : 0;
    number(&writer, "hadal_cache_usage_ratio", "vllm:kv_cache_usage_perc", "gauge",
           "Share of the cache's pages that is in use, 0 to 1.", used);
    number(&writer, "hadal_cached_pages", NULL, "gauge", "Pages that later prompts may begin with.",
           counts.cached_pages);
    number(&writer, "hadal_requests_total", NULL, "counter", "Requests that were accepted.",
           (double)own->requests);
    number(&writer, "hadal_requests_refused_total", NULL, "counter", "Requests that were refused.",
           (double)own->refused);
    number(&writer, "hadal_charges_total", NULL, "counter", "Requests that accounts were charged for.",
           (double)api->charges);
    write_groups(&writer, &api->groups);
    write_tokens(&writer, &counts);
    write_finished(&writer, own);
    durations(&writer, "hadal_queue_seconds", "vllm:request_queue_time_seconds",
              "From arrival to the first step.", &own->queue);
    durations(&writer, "hadal_first_token_seconds", "vllm:time_to_first_token_seconds",
              "From arrival to the first token.", &own->first_token);
    durations(&writer, "hadal_between_tokens_seconds", "vllm:inter_token_latency_seconds",
              "Between tokens of one answer.", &own->between_tokens);
    durations(&writer, "hadal_request_seconds", "vllm:e2e_request_latency_seconds",
              "From arrival to the end.", &own->whole);
    durations(&writer, "hadal_prefill_seconds", "vllm:request_prefill_time_seconds",
              "From the first step to the first token.", &own->prefill);
    durations(&writer, "hadal_decode_seconds", "vllm:request_decode_time_seconds",
              "From the first token to the end.", &own->decode);
    token_counts(&writer, "hadal_request_prompt_tokens", "vllm:request_prompt_tokens",
                 "Tokens of a prompt, cached ones included.", &own->prompt_tokens);
    token_counts(&writer, "hadal_request_generated_tokens", "vllm:request_generation_tokens",
                 "Tokens that were generated for a request.", &own->generated_tokens);
    if (!api->http) return;
    write_replies(&writer, api->http);
    number(&writer, "hadal_unsent_bytes", NULL, "gauge", "Bytes of answers that clients have not taken yet.",
           (double)http_server_unsent(api->http));
    number(&writer, "hadal_slow_readers_total", NULL, "counter",
           "Clients that lost their answers because they did not take them.",
           (double)http_server_slow_readers(api->http));
}
