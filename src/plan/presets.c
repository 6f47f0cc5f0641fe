/* presets.c - published figures of DeepSeek's training and serving, derived from what their sources state. Constant data.
 *
 * An input is what a source states or an assumption; everything else is a formula. Where a source contradicts itself or
 * means something else than it says, a row of words says so, under the condition that makes it true. */
#include "plan/sheet_rows.h"

#include <string.h>

#define V3_REPORT "DeepSeek-V3 report, arXiv 2412.19437, table 1 and section 1"
#define H800_DATA "NVIDIA H100 data sheet, SXM, without sparsity; the H800's arithmetic is the same"

static const struct sheet_row v3_training[] = {
    HEADING("What the report states"),
    INPUT("hours_per_trillion", "pre-training, per trillion tokens", "GPU-hours", 180e3, V3_REPORT),
    INPUT("tokens", "tokens of pre-training", "tokens", 14.8e12, V3_REPORT),
    INPUT("hours_context", "extension of the context", "GPU-hours", 119e3, V3_REPORT),
    INPUT("hours_post", "post-training", "GPU-hours", 5e3, V3_REPORT),
    INPUT("price", "rent of an H800", "$/hour", 2, V3_REPORT),
    INPUT("devices", "H800 in the cluster", "GPUs", 2048, V3_REPORT),
    INPUT("active", "active parameters", "parameters", 37e9, V3_REPORT),
    INPUT("peak_bf16", "peak of an H800 in BF16", "FLOP/s", 989e12, H800_DATA),
    INPUT("peak_fp8", "peak of an H800 in FP8", "FLOP/s", 1979e12, H800_DATA),
    INPUT("ops_per_parameter", "operations for a parameter and token, forward and back", "", 6,
          "Kaplan et al., arXiv 2001.08361, section 2.1"),
    HEADING("What follows"),
    CHECKED("hours_pretraining", "pre-training", "GPU-hours", "hours_per_trillion * tokens / 1e12", 2664e3,
            0.0005, V3_REPORT),
    CHECKED("hours", "the whole training", "GPU-hours", "hours_pretraining + hours_context + hours_post",
            2788e3, 0.0005, V3_REPORT),
    CHECKED("cost", "at the price of renting", "$", "hours * price", 5.576e6, 0.0005, V3_REPORT),
    CHECKED("cost_pretraining", "of that, pre-training", "$", "hours_pretraining * price", 5.328e6, 0.0005,
            V3_REPORT),
    CHECKED("days_per_trillion", "a trillion tokens on the cluster", "days",
            "hours_per_trillion / devices / 24", 3.7, 0.015, V3_REPORT),
    RESULT("days_pretraining", "pre-training on the cluster", "days", "hours_pretraining / devices / 24"),
    RESULT("days", "the whole training on the cluster", "days", "hours / devices / 24"),
    RESULT("operations", "operations of pre-training", "FLOP", "ops_per_parameter * active * tokens"),
    RESULT("achieved", "achieved by a GPU", "FLOP/s", "operations / (hours_pretraining * 3600)"),
    RESULT("share_bf16", "of the peak in BF16", "%", "achieved / peak_bf16"),
    RESULT("share_fp8", "of the peak in FP8", "%", "achieved / peak_fp8"),
    WORDS("61 - days_pretraining", "\"In less than two months\" holds: for pre-training and for the whole."),
    WORDS("1",
          "The price is that of renting the hours of the final run. By the report's own words it leaves out "
          "research, ablations, data, staff and the cluster."),
};

#define DAY6 "deepseek-ai/open-infra-index, day 6: DeepSeek-V3/R1 inference system overview"

static const struct sheet_row day[] = {
    HEADING("27 February 2025, 12:00 UTC, to 28 February, 12:00"),
    INPUT("nodes", "nodes in use, mean", "nodes", 226.75, DAY6),
    INPUT("node_devices", "H800 of a node", "GPUs", 8, DAY6),
    INPUT("price", "rent of an H800", "$/hour", 2, DAY6),
    INPUT("tokens_in", "input tokens", "tokens", 608e9, DAY6),
    INPUT("tokens_hit", "of these, found in the cache on disk", "tokens", 342e9, DAY6),
    INPUT("tokens_out", "output tokens", "tokens", 168e9, DAY6),
    INPUT("price_hit", "R1, input found in the cache", "$/1M tokens", 0.14, DAY6),
    INPUT("price_miss", "R1, other input", "$/1M tokens", 0.55, DAY6),
    INPUT("price_out", "R1, output", "$/1M tokens", 2.19, DAY6),
    INPUT("node_in", "input a node takes when it does prefill, with what was cached", "tokens/s", 73.7e3,
          DAY6),
    INPUT("node_out", "output a node makes when it decodes", "tokens/s", 14.8e3, DAY6),
    INPUT("speed", "output of a user, middle of 20 to 22", "tokens/s", 21, DAY6),
    INPUT("context", "tokens in the cache behind an output token, mean", "tokens", 4989, DAY6),
    INPUT("kv_bytes", "cache of a token in BF16: 61 layers of 512 + 64 values", "bytes", 61 * 576 * 2,
          "V3's config.json"),
    HEADING("Cost and theoretical revenue"),
    CHECKED("cost", "cost of the day", "$", "nodes * node_devices * 24 * price", 87072, 0.00005, DAY6),
    CHECKED("hit_share", "input found in the cache", "%", "tokens_hit / tokens_in", 0.563, 0.001, DAY6),
    RESULT("revenue_hit", "revenue from cached input", "$", "tokens_hit * price_hit / 1e6"),
    RESULT("revenue_miss", "revenue from other input", "$", "(tokens_in - tokens_hit) * price_miss / 1e6"),
    RESULT("revenue_out", "revenue from output", "$", "tokens_out * price_out / 1e6"),
    CHECKED("revenue", "revenue if all were billed at R1's price", "$",
            "revenue_hit + revenue_miss + revenue_out", 562027, 0.0005, DAY6),
    CHECKED("profit_on_cost", "profit as a share of the cost", "%", "(revenue - cost) / cost", 5.45, 0.0015,
            DAY6),
    RESULT("profit_on_revenue", "profit as a share of the revenue", "%", "(revenue - cost) / revenue"),
    RESULT("break_even", "share of the tokens that must be paid for to cover the cost", "%",
           "cost / revenue"),
    HEADING("Does the rest add up?"),
    RESULT("rate_in", "input, mean", "tokens/s", "tokens_in / 86400"),
    RESULT("rate_out", "output, mean", "tokens/s", "tokens_out / 86400"),
    RESULT("nodes_prefill", "nodes that the input needs", "nodes", "rate_in / node_in"),
    RESULT("nodes_decode", "nodes that the output needs", "nodes", "rate_out / node_out"),
    CHECKED("nodes_needed", "nodes that both need", "nodes", "nodes_prefill + nodes_decode", 226.75, 0.005,
            DAY6),
    RESULT("streams", "answers being written at once, mean", "answers", "rate_out / speed"),
    RESULT("streams_device", "for each decoding GPU", "answers", "streams / (nodes_decode * node_devices)"),
    RESULT("cache", "their cache", "bytes", "streams * context * kv_bytes"),
    RESULT("cost_in", "cost of input, cached or not", "$/1M tokens",
           "nodes_prefill * node_devices * price * 24 / tokens_in * 1e6"),
    RESULT("cost_out", "cost of output", "$/1M tokens",
           "nodes_decode * node_devices * price * 24 / tokens_out * 1e6"),
    WORDS(
        "revenue - 562027",
        "The revenue comes out some dollars off the published one: tokens are published in whole billions."),
    WORDS("1",
          "The published margin is profit as a share of the cost, here {profit_on_cost}. As a share of the "
          "revenue, which is what a margin mostly means, it is {profit_on_revenue}."),
    WORDS("1", "The revenue is theoretical, and the source says why: V3 is cheaper than R1, the web page and "
               "the app "
               "are free, and there are discounts at night. The cost is rent of GPUs alone."),
};

#define GUOTAI  "Guotai Junan Securities, February 2025, as the press quoted it"
#define V3_SIZE "DeepSeek-V3 report, abstract: 671B parameters, 37B of them active for a token"

static const struct sheet_row guotai[] = {
    HEADING("What the estimate assumes"),
    INPUT("visits", "visits a day", "visits", 100e6, GUOTAI),
    INPUT("questions", "questions of a visit", "questions", 10, GUOTAI),
    INPUT("question_tokens", "tokens of a question and its answer", "tokens", 1000, GUOTAI),
    INPUT("utilisation", "share of the peak that is reached", "%", 0.5, GUOTAI),
    INPUT("h100", "peak of an H100 in FP8", "OP/s", 1978e12, GUOTAI),
    INPUT("a100", "peak of an A100 in INT8", "OP/s", 624e12, GUOTAI),
    INPUT("total", "parameters of V3 and R1", "parameters", 671e9, V3_SIZE),
    INPUT("active", "of these, active for a token", "parameters", 37e9, V3_SIZE),
    INPUT("ops_per_parameter", "operations for a parameter and token, forward", "", 2,
          "Kaplan et al., arXiv 2001.08361, section 2.1"),
    HEADING("As it was published"),
    RESULT("tokens", "tokens a day", "tokens", "visits * questions * question_tokens"),
    RESULT("ops_total", "operations a second, all parameters for each token", "OP/s",
           "tokens * ops_per_parameter * total / 86400"),
    CHECKED("ops_published", "the same in two digits", "OP/s", "digits(ops_total, 2)", 1.6e19, 0.0001,
            GUOTAI),
    CHECKED("h100_published", "H100", "GPUs", "floor(ops_published / (h100 * utilisation))", 16177, 0.00001,
            GUOTAI),
    CHECKED("a100_published", "A100", "GPUs", "floor(ops_published / (a100 * utilisation))", 51282, 0.00001,
            GUOTAI),
    HEADING("Corrected: the active parameters"),
    RESULT("ops_active", "operations a second", "OP/s", "tokens * ops_per_parameter * active / 86400"),
    RESULT("h100_active", "H100", "GPUs", "ceil(ops_active / (h100 * utilisation))"),
    RESULT("a100_active", "A100", "GPUs", "ceil(ops_active / (a100 * utilisation))"),
    RESULT("ratio", "how much the estimate is too large, by arithmetic alone", "times",
           "ops_total / ops_active"),
    HEADING("Beside what DeepSeek measured"),
    INPUT("node_out", "output of a node of 8 H800", "tokens/s", 14.8e3, DAY6),
    INPUT("node_in", "input of a node of 8 H800, with what was cached", "tokens/s", 73.7e3, DAY6),
    INPUT("out_share", "output as a share of all tokens", "%", 0.2165, DAY6 ": 168 of 776 billion"),
    RESULT("h800_out", "H800 if all tokens were output", "GPUs", "tokens / 86400 / node_out * 8"),
    RESULT("h800_mixed", "H800 at DeepSeek's share of output", "GPUs",
           "tokens / 86400 * (out_share / node_out + (1 - out_share) / node_in) * 8"),
    WORDS("ops_published - ops_active", "The estimate multiplies each token with all {total} parameters. A "
                                        "mixture of experts multiplies it with "
                                        "the {active} active ones: the arithmetic is {ratio} times less."),
    WORDS("1", "The source gives {ops_published} in TOPs. The figure is operations a second: a TOP is 10^12 "
               "of them, "
               "so the unit is too large by that factor."),
    WORDS("ops_published - ops_total",
          "The source rounds {ops_total} to {ops_published} before it divides, which alone adds GPUs."),
    WORDS(
        "h800_out - h100_active",
        "The corrected count is a floor. Reading weights and cache, the speed that users expect, and hours "
        "of more "
        "than mean traffic need more GPUs than the arithmetic: what DeepSeek measured lies between the two."),
};

#define DOMESTIC "press on training R1 on domestic chips, February 2025"

static const struct sheet_row domestic[] = {
    HEADING("What is said"),
    INPUT("h100", "GPUs of the class of an H100 to be replaced", "GPUs", 50e3, DOMESTIC),
    INPUT("low", "speed of a domestic chip as a share of an H100, at least", "%", 0.3, DOMESTIC),
    INPUT("high", "speed of a domestic chip as a share of an H100, at most", "%", 0.6, DOMESTIC),
    INPUT("said_low", "domestic chips needed, at least", "chips", 100e3, DOMESTIC),
    INPUT("said_high", "domestic chips needed, at most", "chips", 150e3, DOMESTIC),
    HEADING("What the ratio implies"),
    RESULT("fewest", "chips at the higher speed", "chips", "ceil(h100 / high)"),
    RESULT("most", "chips at the lower speed", "chips", "ceil(h100 / low)"),
    RESULT("speed_of_low", "share of an H100 that the lower count means", "%", "h100 / said_low"),
    RESULT("speed_of_high", "share of an H100 that the higher count means", "%", "h100 / said_high"),
    HEADING("And what V3 took"),
    INPUT("hours", "the whole training of V3", "H800-hours", 2788e3, V3_REPORT),
    RESULT("days", "days of that training on the chips of the lower count", "days",
           "hours / (said_low * speed_of_low) / 24"),
    WORDS("said_low - fewest",
          "The lower count, {said_low}, is more than the ratio implies: {h100} / {high} is {fewest} chips."),
    WORDS("most - said_high",
          "The higher count, {said_high}, is less than the ratio implies: {h100} / {low} is {most} chips."),
    WORDS("1", "The counts belong to chips of {speed_of_high} to {speed_of_low} of an H100, not of {low} to "
               "{high}. The "
               "ratio is of arithmetic; links between chips and software make a large cluster of slow chips "
               "slower still."),
    WORDS("7 - days",
          "That many chips would repeat V3's training in {days} days: the count is a company's, not a "
          "training run's."),
};

static const struct sheet_kind presets[] = {
    {"v3-training", "What training DeepSeek-V3 cost",
     "2.788 million H800-hours, $5.576 million, under two months", v3_training, COUNT_OF(v3_training),
     "hours_pretraining hours_context hours_post"},
    {"day", "A day of DeepSeek's service, 27 to 28 February 2025",
     "$87,072 of cost, $562,027 of theoretical revenue, 545 %", day, COUNT_OF(day),
     "cost revenue_hit revenue_miss revenue_out"},
    {"guotai-junan", "GPUs for 100 million visits a day, by Guotai Junan",
     "16,177 H100 or 51,282 A100, and the same with active parameters", guotai, COUNT_OF(guotai),
     "h100_published h100_active h800_out h800_mixed"},
    {"domestic-chips", "Domestic chips in place of 50,000 H100", "100,000 to 150,000 chips of 30 to 60 %",
     domestic, COUNT_OF(domestic), "h100 fewest said_low said_high most"},
};

const struct sheet_kind *preset_at(int index) {
    if (index < 0) return NULL;
    return (size_t)index < COUNT_OF(presets) ? &presets[index]
                                             : preset_market_at(index - (int)COUNT_OF(presets));
}

const struct sheet_kind *preset_find(const char *name) {
    for (int i = 0; preset_at(i); i++)
        if (!strcmp(preset_at(i)->name, name)) return preset_at(i);
    return NULL;
}
