/* sample.c - the samplers of sample.h.
 *
 * Candidates are 64-bit keys: a number that orders like the likelihood above, the complement of the id
 * below. All keys differ and one comparison of integers ranks two candidates, ties included, so that
 * top-k and top-p are partitions in linear time and nothing is ever sorted. */
#include "engine/sample.h"

#include "base/bytes.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GREEDY_BELOW    1e-5
#define LOWEST_EXPONENT (-50.0f)
#define SEEN_IN_PROMPT  (UINT32_C(1) << 31)

enum { LANES = 4 }; /* logits at a time */

/* ---- opening ---- */

struct sampling sampling_default(void) {
    return (struct sampling){.top_p = 1, .repetition_penalty = 1, .logprobs = -1};
}

static enum status check_range(const char *field, double value, double low, double high) {
    if (value >= low && value <= high) return STATUS_OK; /* false for NaN */
    return fail(STATUS_INPUT, "%s: %g is not between %g and %g", field, value, low, high);
}

static enum status check_sampling(const struct sampling *sampling, int32_t vocab) {
    TRY(check_range("temperature", sampling->temperature, 0, 100));
    TRY(check_range("top_k", (double)sampling->top_k, 0, INT32_MAX));
    TRY(check_range("top_p", sampling->top_p, 0, 1));
    TRY(check_range("min_p", sampling->min_p, 0, 1));
    TRY(check_range("repetition_penalty", sampling->repetition_penalty, REPETITION_PENALTY_LOWEST, 100));
    TRY(check_range("presence_penalty", sampling->presence_penalty, -2, 2));
    TRY(check_range("frequency_penalty", sampling->frequency_penalty, -2, 2));
    TRY(check_range("logprobs", sampling->logprobs, -1, LOGPROBS_LIMIT));
    TRY(check_range("logit_bias: the number of entries", sampling->biases, 0, LOGIT_BIAS_LIMIT));
    for (int i = 0; i < sampling->biases; i++) {
        const struct logit_bias *bias = &sampling->bias[i];
        if (bias->id < 0 || bias->id >= vocab)
            return fail(STATUS_INPUT, "logit_bias: token id %d is outside the vocabulary of %d", bias->id,
                        vocab);
        TRY(check_range("logit_bias", (double)bias->bias, -100, 100));
    }
    return STATUS_OK;
}

static bool has_penalty(const struct sampling *sampling) {
    return sampling->repetition_penalty != 1 || sampling->presence_penalty != 0 ||
           sampling->frequency_penalty != 0;
}

enum status sampler_open(struct sampler *sampler, const struct sampling *sampling, int32_t vocab) {
    *sampler = (struct sampler){.vocab = vocab};
    TRY(check_sampling(sampling, vocab));
    size_t biases = (size_t)sampling->biases;
    struct logit_bias *bias = biases ? malloc(biases * sizeof *bias) : NULL;
    if (bias) memcpy(bias, sampling->bias, biases * sizeof *bias);
    sampler->sampling = *sampling;
    sampler->sampling.bias = bias;
    rng_seed(&sampler->rng, sampling->seed);
    if (!biases || bias) return STATUS_OK;
    sampler_close(sampler);
    return fail(STATUS_MEMORY, "no memory for a sampler of %d tokens", vocab);
}

void sampler_close(struct sampler *sampler) {
    free((void *)sampler->sampling.bias);
    free(sampler->seen);
    *sampler = (struct sampler){0};
}

enum status sample_space_open(struct sample_space *space, int32_t vocab) {
    *space = (struct sample_space){.vocab = vocab};
    space->adjusted = calloc((size_t)vocab, sizeof *space->adjusted);
    space->key = calloc((size_t)vocab + LANES - 1, sizeof *space->key); /* written in fours */
    space->kept = calloc((size_t)vocab, sizeof *space->kept);
    if (space->adjusted && space->key && space->kept) return STATUS_OK;
    sample_space_close(space);
    return fail(STATUS_MEMORY, "no memory for sampling from %d tokens", vocab);
}

void sample_space_close(struct sample_space *space) {
    free(space->adjusted);
    free(space->key);
    free(space->kept);
    *space = (struct sample_space){0};
}

enum status sampler_see_prompt(struct sampler *sampler, const int32_t *id, int count) {
    if (!has_penalty(&sampler->sampling)) return STATUS_OK;
    if (!sampler->seen) sampler->seen = calloc((size_t)sampler->vocab, sizeof *sampler->seen);
    if (!sampler->seen) return fail(STATUS_MEMORY, "no memory for a sampler of %d tokens", sampler->vocab);
    for (int i = 0; i < count; i++)
        if (id[i] >= 0 && id[i] < sampler->vocab) sampler->seen[id[i]] |= SEEN_IN_PROMPT;
    return STATUS_OK;
}

void sampler_see_generated(struct sampler *sampler, int32_t id) {
    if (!sampler->seen || id < 0 || id >= sampler->vocab) return;
    if ((sampler->seen[id] & ~SEEN_IN_PROMPT) < SEEN_IN_PROMPT - 1) sampler->seen[id]++;
}

/* ---- four logits at a time ---- */

typedef float float_lanes __attribute__((vector_size(16)));
typedef int32_t int_lanes __attribute__((vector_size(16)));

/* Logits `at` .. `at` + 3, with +infinity as the largest number; what is behind the last is -infinity. */
static float_lanes lanes_load(const float *logits, int32_t at, int32_t vocab) {
    float tail[LANES] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    const float *from = logits + at;
    if (at + LANES > vocab) from = memcpy(tail, from, (size_t)(vocab - at) * sizeof *from);
    float_lanes lanes;
    memcpy(&lanes, from, sizeof lanes);
    float_lanes largest = (float_lanes){} + FLT_MAX;
    int_lanes beyond = lanes > largest;
    return (float_lanes)((beyond & (int_lanes)largest) | (~beyond & (int_lanes)lanes));
}

/* exp(x) for x <= 0, exactly 1 at 0 and elsewhere within 3e-7 of the value; 0 below the lowest exponent and for NaN.
 * With y = x / ln 2 = whole + rest it is 2^whole times the Taylor polynomial of 2^rest, |rest| <= 1/2. */
static float_lanes lanes_exp(float_lanes x) {
    const float to_whole = 0x1.8p23f; /* behind this sum the low bits are the whole part */
    const int32_t to_whole_bits = 0x4b400000;
    int_lanes counts = x >= LOWEST_EXPONENT;
    float_lanes y = (float_lanes)(counts & (int_lanes)x) * 1.44269504f, shifted = y + to_whole;
    float_lanes rest = y - (shifted - to_whole);
    float_lanes power = rest * 1.54035304e-4f + 1.33335581e-3f;
    power = power * rest + 9.61812911e-3f;
    power = power * rest + 5.55041087e-2f;
    power = power * rest + 2.40226507e-1f;
    power = power * rest + 6.93147181e-1f;
    power = power * rest + 1;
    int_lanes whole = (int_lanes)shifted - to_whole_bits;
    return (float_lanes)(((int_lanes)power + (whole << 23)) & counts);
}

/* The lowest id of the largest logit; -1 when nothing is above -infinity. */
static int32_t likeliest(const float *logits, int32_t vocab) {
    float_lanes best = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    for (int32_t i = 0; i < vocab; i += LANES) {
        float_lanes lanes = lanes_load(logits, i, vocab);
        int_lanes above = lanes > best; /* never for NaN */
        best = (float_lanes)((above & (int_lanes)lanes) | (~above & (int_lanes)best));
    }
    float highest = fmaxf(fmaxf(best[0], best[1]), fmaxf(best[2], best[3]));
    if (highest == -INFINITY) return -1;
    int32_t id = 0;
    while (!(logits[id] >= highest)) id++;
    return id;
}

/* ---- log-probabilities ---- */

static float logit_clean(float logit) {
    if (isnan(logit)) return -INFINITY;
    return logit > FLT_MAX ? FLT_MAX : logit;
}

static float log_sum(const float *logits, int32_t vocab, float highest) {
    double sum = 0;
    for (int32_t i = 0; i < vocab; i += LANES) {
        float_lanes power = lanes_exp(lanes_load(logits, i, vocab) - highest);
        sum += (double)power[0] + (double)power[1] + (double)power[2] + (double)power[3];
    }
    return (float)log(sum);
}

static float logprob_of(float logit, float highest, float sum) {
    float logprob = logit_clean(logit) - highest - sum;
    return logprob < LOGPROB_LOWEST ? LOGPROB_LOWEST : logprob;
}

/* Raw logits at first: they become log-probabilities once all are found. */
static void find_top(struct choice *choice, const float *logits, int32_t vocab, int wanted) {
    int tops = 0;
    for (int32_t i = 0; i < vocab; i++) {
        float logit = logit_clean(logits[i]);
        if (tops == wanted && !(logit > choice->top[tops - 1].logprob)) continue;
        int at = tops < wanted ? tops++ : tops - 1;
        for (; at > 0 && logit > choice->top[at - 1].logprob; at--) choice->top[at] = choice->top[at - 1];
        choice->top[at] = (struct token_logprob){i, logit};
    }
    choice->tops = tops;
}

static void report_logprobs(const struct sampler *sampler, const float *logits, struct choice *choice) {
    int32_t best = likeliest(logits, sampler->vocab), wanted = sampler->sampling.logprobs;
    if (wanted < 0 || best < 0) return;
    float highest = logit_clean(logits[best]), sum = log_sum(logits, sampler->vocab, highest);
    choice->logprob = logprob_of(logits[choice->id], highest, sum);
    if (wanted) find_top(choice, logits, sampler->vocab, (int)min_i64(wanted, sampler->vocab));
    for (int i = 0; i < choice->tops; i++)
        choice->top[i].logprob = logprob_of(choice->top[i].logprob, highest, sum);
}

/* ---- bias and penalties ---- */

static void apply_penalties(const struct sampler *sampler, float *logits) {
    const struct sampling *sampling = &sampler->sampling;
    float repetition = (float)sampling->repetition_penalty;
    for (int32_t i = 0; i < sampler->vocab; i++) {
        uint32_t seen = sampler->seen[i], times = seen & ~SEEN_IN_PROMPT;
        if (!seen) continue;
        logits[i] = logits[i] > 0 ? logits[i] / repetition : logits[i] * repetition;
        if (times)
            logits[i] -= (float)(sampling->presence_penalty + sampling->frequency_penalty * (double)times);
    }
}

/* Words of which all or nothing is allowed are most of a mask. */
static void apply_mask(const struct sampler *sampler, float *logits) {
    for (int32_t begin = 0; begin < sampler->vocab; begin += 32) {
        uint32_t allowed = sampler->allowed[begin / 32];
        int count = (int)min_i64(32, sampler->vocab - begin);
        if (allowed == UINT32_MAX) continue;
        for (int i = 0; i < count; i++)
            if (!(allowed >> i & 1)) logits[begin + i] = -INFINITY;
    }
}

static const float *adjust(const struct sampler *sampler, struct sample_space *space, const float *logits) {
    const struct sampling *sampling = &sampler->sampling;
    if (!sampling->biases && !sampler->seen && !sampler->allowed) return logits;
    memcpy(space->adjusted, logits, (size_t)sampler->vocab * sizeof *logits);
    for (int i = 0; i < sampling->biases; i++)
        space->adjusted[sampling->bias[i].id] += sampling->bias[i].bias;
    if (sampler->seen) apply_penalties(sampler, space->adjusted);
    if (sampler->allowed) apply_mask(sampler, space->adjusted);
    return space->adjusted;
}

/* ---- candidates ---- */

static uint32_t float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t key_make(uint32_t rank, int32_t id) {
    return (uint64_t)rank << 32 | (uint32_t)~id;
}

static int32_t key_id(uint64_t key) {
    return (int32_t) ~(uint32_t)key;
}

static float key_weight(uint64_t key) {
    return bits_float((uint32_t)(key >> 32));
}

/* Unsigned numbers that order like the floats; both zeros are one. */
static uint32_t float_rank(float value) {
    uint32_t bits = float_bits(value + 0.0f);
    return bits >> 31 ? ~bits : bits | UINT32_C(1) << 31;
}

static float rank_float(uint32_t rank) {
    return bits_float(rank >> 31 ? rank & ~(UINT32_C(1) << 31) : ~rank);
}

/* Keys that rank by logit, of all that are above -infinity. */
static int collect_logits(uint64_t *key, const float *logits, int32_t vocab) {
    int count = 0;
    for (int32_t i = 0; i < vocab; i++) {
        float logit = logits[i] > FLT_MAX ? FLT_MAX : logits[i];
        key[count] = key_make(float_rank(logit), i);
        count += logit >= -FLT_MAX; /* not for NaN */
    }
    return count;
}

/* Turns keys that rank by logit into keys that rank by weight, exp((logit - highest) / temperature), which is 1 for the
 * best. Returns how many have one. */
static int weigh(uint64_t *key, int count, float highest, float temperature) {
    int weighed = 0;
    for (int i = 0; i < count; i++) {
        float logit = rank_float((uint32_t)(key[i] >> 32));
        float weight = lanes_exp((float_lanes){} + (logit - highest) / temperature)[0];
        key[weighed] = key_make(float_bits(weight), key_id(key[i]));
        weighed += weight > 0;
    }
    return weighed;
}

/* Keys that rank by weight, of all tokens that have one. */
static int collect_weights(uint64_t *key, const float *logits, int32_t vocab, float highest,
                           float temperature) {
    int count = 0;
    for (int32_t i = 0; i < vocab; i += LANES) {
        float_lanes weight = lanes_exp((lanes_load(logits, i, vocab) - highest) / temperature);
        for (int32_t lane = 0; lane < LANES; lane++) {
            key[count] = key_make(float_bits(weight[lane]), i + lane);
            count += weight[lane] > 0;
        }
    }
    return count;
}

/* Moves the keys above the pivot to the front and returns their number. */
static int partition(uint64_t *key, int count, uint64_t pivot) {
    int above = 0;
    for (int i = 0; i < count; i++) { /* no branches: half of them would be mispredicted */
        uint64_t current = key[i];
        key[i] = key[above];
        key[above] = current;
        above += current > pivot;
    }
    return above;
}

/* A key to partition by: the median of three at places that no order of the logits makes bad ones. */
static uint64_t choose_pivot(const uint64_t *key, int count, uint32_t *state) {
    uint64_t k[3];
    for (int i = 0; i < 3; i++) {
        *state = *state * 1664525 + 1013904223;
        k[i] = key[(uint64_t)*state * (uint64_t)count >> 32];
    }
    uint64_t low = k[0] < k[1] ? k[0] : k[1], high = k[0] < k[1] ? k[1] : k[0];
    return k[2] < low ? low : k[2] > high ? high : k[2];
}

/* Moves the `wanted` largest keys to the front. */
static void select_top(uint64_t *key, int count, int wanted) {
    uint32_t state = (uint32_t)count;
    while (wanted > 0 && wanted < count) {
        uint64_t pivot = choose_pivot(key, count, &state);
        int above = partition(key, count, pivot - 1);             /* the pivot is among them: never none */
        if (above == count) above = partition(key, count, pivot); /* the pivot is the smallest: never all */
        if (above > wanted) {
            count = above;
        } else {
            key += above;
            count -= above;
            wanted -= above;
        }
    }
}

static double sum_weights(const uint64_t *key, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += (double)key_weight(key[i]);
    return sum;
}

/* Moves the likeliest keys that together reach `mass` to the front and returns their number, at least 1. */
static int select_mass(uint64_t *key, int count, double mass) {
    uint32_t state = (uint32_t)count;
    int kept = 0;
    while (count > 1) {
        uint64_t pivot = choose_pivot(key + kept, count, &state);
        int above = partition(key + kept, count, pivot - 1);
        if (above == count) above = partition(key + kept, count, pivot);
        double sum = sum_weights(key + kept, above);
        if (sum >= mass) {
            count = above;
        } else {
            mass -= sum;
            kept += above;
            count -= above;
        }
    }
    return kept + count;
}

/* Weights below (1 - p) / count of the whole are together less than 1 - p: without them the rest still reaches p. Nearly
 * all tokens go in this one pass. */
static int select_nucleus(uint64_t *key, int count, double top_p) {
    double sum = sum_weights(key, count);
    float least = (float)((1 - top_p) * sum / count);
    int above = partition(key, count, (uint64_t)float_bits(least) << 32);
    return select_mass(key, above > 0 ? above : count, top_p * sum);
}

static int select_likely(uint64_t *key, int count, double min_p) {
    int kept = 0;
    for (int i = 0; i < count; i++) {
        key[kept] = key[i];
        kept += (double)key_weight(key[i]) >= min_p;
    }
    return kept;
}

static int32_t draw(const uint64_t *key, int count, double uniform) {
    double left = uniform * sum_weights(key, count);
    for (int i = 0; i < count - 1; i++) {
        left -= (double)key_weight(key[i]);
        if (left < 0) return key_id(key[i]);
    }
    return key_id(key[count - 1]);
}

double sampled_logprob(const float *logits, int32_t vocab, double temperature, const int32_t *kept, int kepts,
                       int32_t id) {
    int32_t count = kept ? kepts : vocab;
    double highest = -INFINITY, sum = 0;
    for (int32_t i = 0; i < count; i++) highest = fmax(highest, (double)logits[kept ? kept[i] : i]);
    for (int32_t i = 0; i < count; i++)
        sum += exp(((double)logits[kept ? kept[i] : i] - highest) / temperature);
    return ((double)logits[id] - highest) / temperature - log(sum);
}

static int compare_ids(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

/* The keys are those that the choice was made from. */
static void trace(const struct sampler *sampler, struct sample_space *space, const float *logits, int count,
                  struct choice *choice) {
    const struct sampling *sampling = &sampler->sampling;
    bool limited = (sampling->top_k > 0 && sampling->top_k < sampler->vocab) || sampling->top_p < 1 ||
                   sampling->min_p > 0;
    if (limited) {
        for (int i = 0; i < count; i++) space->kept[i] = key_id(space->key[i]);
        qsort(space->kept, (size_t)count, sizeof *space->kept, compare_ids);
        choice->kept = space->kept;
        choice->kepts = count;
    }
    choice->traced = sampled_logprob(logits, sampler->vocab, sampling->temperature, choice->kept,
                                     choice->kepts, choice->id);
}

static void sample(struct sampler *sampler, struct sample_space *space, const float *logits, float highest,
                   struct choice *choice) {
    const struct sampling *sampling = &sampler->sampling;
    float temperature = (float)sampling->temperature;
    uint64_t *key = space->key;
    int count;
    if (sampling->top_k > 0 && sampling->top_k < sampler->vocab) {
        count = collect_logits(key, logits, sampler->vocab);
        int wanted = (int)min_i64(sampling->top_k, count);
        select_top(key, count, wanted);
        count = weigh(key, wanted, highest, temperature);
    } else {
        count = collect_weights(key, logits, sampler->vocab, highest, temperature);
    }
    if (sampling->top_p < 1) count = select_nucleus(key, count, sampling->top_p);
    if (sampling->min_p > 0) count = select_likely(key, count, sampling->min_p);
    choice->id = draw(key, count, rng_uniform(&sampler->rng));
    if (sampling->traced) trace(sampler, space, logits, count, choice);
}

enum status sampler_choose(struct sampler *sampler, struct sample_space *space, const float *logits,
                           struct choice *choice) {
    MUST(space->vocab >= sampler->vocab);
    *choice = (struct choice){0};
    const float *adjusted = adjust(sampler, space, logits);
    int32_t best = likeliest(adjusted, sampler->vocab);
    if (best < 0)
        return fail(STATUS_INTERNAL, "the model's logits are not numbers%s",
                    sampler->allowed ? ", or no token may come next" : "");
    if (sampler->sampling.temperature < GREEDY_BELOW)
        choice->id = best;
    else
        sample(sampler, space, adjusted, logit_clean(adjusted[best]), choice);
    report_logprobs(sampler, logits, choice);
    return STATUS_OK;
}
