/* presets_market.c - published figures about prices, the costs of servers and data centres, and export rules.
 * Constant data; see presets.c. */
#include "plan/sheet_rows.h"

#define R1_PRICE "DeepSeek's price list, from 2025-01-20"
#define O1_PRICE "OpenAI's price list of o1, January 2025"
#define O1_PRESS "press at R1's release, January 2025"

static const struct sheet_row prices[] = {
    HEADING("Prices in dollars"),
    INPUT("r1_hit", "R1, input found in the cache", "$/1M tokens", 0.14, R1_PRICE),
    INPUT("r1_miss", "R1, other input", "$/1M tokens", 0.55, R1_PRICE),
    INPUT("r1_out", "R1, output", "$/1M tokens", 2.19, R1_PRICE),
    INPUT("o1_hit", "o1, input found in the cache", "$/1M tokens", 7.5, O1_PRICE),
    INPUT("o1_miss", "o1, other input", "$/1M tokens", 15, O1_PRICE),
    INPUT("o1_out", "o1, output", "$/1M tokens", 60, O1_PRICE),
    INPUT("r1_yuan", "R1, output, in yuan", "CNY/1M tokens", 16, R1_PRICE),
    HEADING("Ratios"),
    RESULT("ratio_hit", "o1 to R1, input found in the cache", "times", "o1_hit / r1_hit"),
    RESULT("ratio_miss", "o1 to R1, other input", "times", "o1_miss / r1_miss"),
    RESULT("ratio_out", "o1 to R1, output", "times", "o1_out / r1_out"),
    CHECKED("share_out", "R1 of o1, output", "%", "r1_out / o1_out", 0.037, 0.02, O1_PRESS),
    RESULT("rate", "yuan to the dollar in R1's two lists", "CNY/$", "r1_yuan / r1_out"),
    HEADING("A mix of tokens as on 27 February 2025"),
    INPUT("hit", "input found in the cache", "tokens", 342e9,
          "deepseek-ai/open-infra-index, day 6: inference system overview"),
    INPUT("miss", "other input", "tokens", 266e9, "the same: 608 less 342 billion"),
    INPUT("out", "output", "tokens", 168e9, "the same"),
    RESULT("bill_r1", "at R1's prices", "$", "(hit * r1_hit + miss * r1_miss + out * r1_out) / 1e6"),
    RESULT("bill_o1", "at o1's prices", "$", "(hit * o1_hit + miss * o1_miss + out * o1_out) / 1e6"),
    RESULT("ratio_bill", "o1 to R1 for the whole mix", "times", "bill_o1 / bill_r1"),
    WORDS("1", "The ratio that is quoted, one thirtieth or 27 times, is that of output: {ratio_out}. Cached "
               "input differs by "
               "{ratio_hit} times, and a whole bill by {ratio_bill}."),
};

#define DGX  "SemiAnalysis, AI Server Cost Analysis, May 2023"
#define BOFA "BofA Global Research, September 2025, as the press quoted it"

static const struct sheet_row shares[] = {
    HEADING("A server with 8 H100"),
    INPUT("boards", "8 GPUs and 4 NVSwitches on their board", "$", 195000, DGX),
    INPUT("cpu", "processors", "$", 5200, DGX),
    INPUT("memory", "memory", "$", 7860, DGX),
    INPUT("storage", "storage", "$", 3456, DGX),
    INPUT("network", "network cards", "$", 10908, DGX),
    INPUT("rest", "chassis, board, cooling, power, assembly", "$", 4586,
          DGX ": 563 + 875 + 463 + 1200 + 1485"),
    INPUT("markup", "the maker's margin", "$", 42000, DGX),
    CHECKED("server", "price of the server", "$", "boards + cpu + memory + storage + network + rest + markup",
            269010, 0.0001, DGX),
    RESULT("share_boards", "of that, GPUs", "%", "boards / server"),
    RESULT("share_memory", "of that, memory", "%", "memory / server"),
    RESULT("share_network", "of that, network", "%", "network / server"),
    RESULT("share_markup", "of that, margin", "%", "markup / server"),
    RESULT("share_parts", "GPUs as a share of the parts", "%", "boards / (server - markup)"),
    HEADING("A data centre, for each megawatt"),
    INPUT("centre", "everything", "$", 39e6, BOFA),
    INPUT("centre_servers", "servers", "$", 25e6, BOFA),
    INPUT("centre_network", "network", "$", 4.3e6, BOFA),
    RESULT("share_servers", "servers", "%", "centre_servers / centre"),
    CHECKED("share_centre_network", "network", "%", "centre_network / centre", 0.11, 0.01, BOFA),
    RESULT("share_building", "building, power and cooling", "%", "1 - share_servers - share_centre_network"),
    WORDS("share_servers - 0.6",
          "The source says that servers are more than 60 %; its figures give {share_servers}."),
    HEADING("Three years of such a server"),
    INPUT("watts", "power of the server", "W", 10200, "NVIDIA DGX H100 data sheet: at most 10.2 kW"),
    INPUT("pue", "power of the site for each watt of servers", "", 1.3, NULL),
    INPUT("electricity", "electricity", "$/kWh", 0.08, NULL),
    INPUT("years", "years in use", "years", 3, NULL),
    RESULT("site", "its part of building, network, power and cooling", "$",
           "(centre - centre_servers) * watts * pue / 1e6"),
    RESULT("power", "electricity", "$", "watts / 1000 * pue * 8760 * years * electricity"),
    RESULT("owning", "together", "$", "server + site + power"),
    RESULT("share_power", "of that, electricity", "%", "power / owning"),
    RESULT("hour", "for each GPU and hour, always in use", "$/hour", "owning / (years * 8760 * 8)"),
};

#define RULE "15 CFR part 774, ECCN 3A090 (88 FR 73458, October 2023)"
#define CHIPS                                                                                                \
    "the vendors' data sheets, without sparsity; die areas as published, of Ascend and B200 as estimated "   \
    "by the press"

/* One chip; its rows are prefixed with `id`. Class 2: 3A090.a, 1: 3A090.b, 0: neither. */
#define CHIP(id, text, tops_value, bits_value, area_value)                                                   \
    HEADING(text), INPUT(id "_tops", "peak at the precision below", "TOPS", tops_value, CHIPS),              \
        INPUT(id "_bits", "bits of the operands", "bits", bits_value, CHIPS),                                \
        INPUT(id "_area", "area of the dies", "mm2", area_value, CHIPS)
#define CHIP_DENSITY(id)                                                                                     \
    RESULT(id "_density", "performance density", "TPP/mm2", id "_tpp / " id "_area"),                        \
        RESULT(id "_class", "3A090: 2 is .a, 1 is .b, 0 neither", "",                                        \
               "choose(choose(" id "_tpp - tpp_a + 0.5, 1, choose(" id "_tpp - tpp_low + 0.5, " id           \
               "_density - density_a, 0)), 2, choose(choose(" id "_tpp - tpp_b + 0.5, " id                   \
               "_density - density_low, choose(" id "_tpp - tpp_low + 0.5, " id                              \
               "_density - density_b, 0)), 1, 0))")
#define CHIP_TPP(id) RESULT(id "_tpp", "total processing performance", "TPP", id "_tops * " id "_bits")
#define CHIP_TPP_SAID(id, number, within, from)                                                              \
    CHECKED(id "_tpp", "total processing performance", "TPP", id "_tops * " id "_bits", number, within, from)

static const struct sheet_row tpp[] = {
    HEADING("Thresholds for data-centre chips"),
    INPUT("tpp_a", "3A090.a: TPP of at least", "TPP", 4800, RULE),
    INPUT("tpp_low", "or TPP of at least", "TPP", 1600, RULE),
    INPUT("density_a", "with a density of at least", "TPP/mm2", 5.92, RULE),
    INPUT("tpp_b", "3A090.b: TPP of at least", "TPP", 2400, RULE),
    INPUT("density_low", "with a density of at least", "TPP/mm2", 1.6, RULE),
    INPUT("density_b", "or TPP of at least 1600 with a density of at least", "TPP/mm2", 3.2, RULE),
    CHIP("a100", "A100: 624 TOPS in INT8", 624, 8, 826),
    CHIP_TPP_SAID("a100", 4992, 0.0001, "the press on export rules"),
    CHIP_DENSITY("a100"),
    CHIP("h100", "H100 and H800: 1,979 TOPS in FP8", 1979, 8, 814),
    CHIP_TPP_SAID("h100", 15824, 0.001, "the press, from 1,978 x 8"),
    CHIP_DENSITY("h100"),
    CHIP("h20", "H20: 296 TOPS in FP8", 296, 8, 814),
    CHIP_TPP_SAID("h20", 2368, 0.0001, "the press on H20, November 2023"),
    CHIP_DENSITY("h20"),
    CHIP("b200", "B200: 4,500 TOPS in FP8, two dies", 4500, 8, 1600),
    CHIP_TPP("b200"),
    CHIP_DENSITY("b200"),
    CHIP("a910b", "Ascend 910B: 320 TFLOPS in FP16", 320, 16, 666),
    CHIP_TPP("a910b"),
    CHIP_DENSITY("a910b"),
    CHIP("rtx4090", "RTX 4090: 660.6 TFLOPS in FP8", 660.6, 8, 608.5),
    CHIP_TPP_SAID("rtx4090", 5285, 0.0001, "the press on RTX 4090D, December 2023"),
    CHIP_DENSITY("rtx4090"),
    CHIP("rtx4090d", "RTX 4090D: 588 TFLOPS in FP8", 588, 8, 608.5),
    CHIP_TPP("rtx4090d"),
    CHIP_DENSITY("rtx4090d"),
    HEADING("What the rule misses"),
    INPUT("h20_bandwidth", "memory of an H20", "bytes/s", 4e12, "NVIDIA H20 data sheet"),
    INPUT("h100_bandwidth", "memory of an H100", "bytes/s", 3.35e12, "NVIDIA H100 data sheet"),
    RESULT("h20_share_compute", "H20 of an H100 in arithmetic: prefill, training", "%", "h20_tpp / h100_tpp"),
    RESULT("h20_share_bandwidth", "H20 of an H100 in bandwidth: decoding", "%",
           "h20_bandwidth / h100_bandwidth"),
    WORDS("tpp_b - h20_tpp",
          "H20 stays under {tpp_b} TPP, and with a die of H100's size its density, {h20_density}, "
          "stays under {density_b}: neither paragraph of the rule of October 2023 names it."),
    WORDS("h20_share_bandwidth - 1",
          "TPP counts arithmetic alone. In decoding, which reads memory, H20 is faster than "
          "H100."),
    WORDS(
        "1",
        "A TPP is the peak in TOPS times the bits of the operands, the largest over all precisions, without "
        "sparsity. Consumer cards are named by notes of the rule, whatever their density."),
};

static const struct sheet_kind presets[] = {
    {"prices", "R1's API prices against o1's", "what \"one thirtieth\" is a ratio of", prices,
     COUNT_OF(prices), "ratio_hit ratio_miss ratio_out ratio_bill"},
    {"shares", "Where the money of a server and a data centre goes",
     "GPUs, memory, network, building, electricity", shares, COUNT_OF(shares),
     "boards cpu memory storage network rest markup"},
    {"tpp", "Export rules: total processing performance", "which chips ECCN 3A090 names, and what H20 is",
     tpp, COUNT_OF(tpp), "a100_tpp h100_tpp h20_tpp b200_tpp a910b_tpp rtx4090_tpp rtx4090d_tpp"},
};

const struct sheet_kind *preset_market_at(int index) {
    return index >= 0 && (size_t)index < COUNT_OF(presets) ? &presets[index] : NULL;
}
