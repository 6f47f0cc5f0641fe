/* policy.c - the formulas of policy.h. */
#include "train/policy.h"

#include <math.h>

#define LOG_RATIO_MOST                                                                                       \
    20 /* beyond it a ratio says nothing but that it is far off, and its square overflows nothing */

bool policy_advantages(enum policy_advantage kind, const double *reward, int count, double *advantage) {
    double mean = 0, squares = 0;
    bool alive = false;
    for (int i = 0; i < count; i++) {
        mean += reward[i] / count;
        alive |= reward[i] != reward[0];
    }
    for (int i = 0; i < count; i++) squares += (reward[i] - mean) * (reward[i] - mean) / count;
    double unit = kind == ADVANTAGE_STD ? sqrt(squares) + 1e-6 : 1;
    for (int i = 0; i < count; i++) advantage[i] = alive ? (reward[i] - mean) / unit : 0;
    return alive;
}

double policy_share(const struct policy_options *options, int tokens, int64_t all_answers,
                    int64_t all_tokens) {
    if (!all_answers || !all_tokens || !tokens) return 0;
    switch (options->normaliser) {
    case NORMALISE_CONSTANT: return 1 / ((double)all_answers * options->longest);
    case NORMALISE_TOKENS: return 1 / (double)all_tokens;
    case NORMALISE_SEQUENCES: return 1 / ((double)all_answers * tokens);
    }
    return 0;
}

static double clamp(double x, double most) {
    return fmin(fmax(x, -most), most);
}

static double mean_log_ratio(const struct policy_answer *answer) {
    double sum = 0;
    for (int t = 0; t < answer->tokens; t++) sum += answer->now[t] - answer->old[t];
    return answer->tokens ? sum / answer->tokens : 0;
}

/* The surrogate loss at a ratio; *slope is its derivative by the logarithm of the ratio. */
static double surrogate(const struct policy_options *options, double ratio, double advantage, double *slope,
                        struct policy_sums *sums) {
    double free = ratio * advantage;
    double bounded = fmin(fmax(ratio, 1 - options->clip_low), 1 + options->clip_high) * advantage;
    double value = fmin(free, bounded);
    *slope = -free;
    if (bounded < free) {
        *slope = 0;
        if (ratio > 1)
            sums->clipped_high++;
        else
            sums->clipped_low++;
    }
    if (options->dual_clip > 0 && advantage < 0 && value < options->dual_clip * advantage) {
        value = options->dual_clip * advantage;
        if (*slope != 0) sums->clipped_high++;
        *slope = 0;
    }
    return -value;
}

/* e^(ref - now) - (ref - now) - 1, at least 0 and KL(now || reference) on average over tokens of `now`. */
static double divergence(const struct policy_options *options, const struct policy_answer *answer, int t,
                         double *slope, struct policy_sums *sums) {
    double apart = clamp(answer->reference[t] - answer->now[t], LOG_RATIO_MOST);
    double plain = expm1(apart) - apart;
    sums->kl += plain;
    if (!options->kl_unbiased) {
        *slope = -expm1(apart);
        return plain;
    }
    double ratio = exp(clamp(answer->now[t] - answer->old[t], LOG_RATIO_MOST));
    *slope = -ratio * apart; /* ratio * plain, and the derivative of the ratio too */
    return ratio * plain;
}

void policy_slopes(const struct policy_options *options, const struct policy_answer *answer, double share,
                   double *slope, struct policy_sums *sums) {
    double whole = mean_log_ratio(answer);
    bool left_out = options->off_policy > 0 && answer->advantage < 0 && -whole > options->off_policy;
    sums->answers++;
    sums->tokens += answer->tokens;
    sums->left_out += left_out;
    for (int t = 0; t < answer->tokens; t++) {
        double own = clamp(answer->now[t] - answer->old[t], LOG_RATIO_MOST), by_ratio = 0, by_kl = 0;
        sums->deviation = fmax(sums->deviation, fabs(expm1(own)));
        slope[t] = 0;
        if (left_out) continue;
        double ratio = exp(options->ratio == RATIO_SEQUENCE ? clamp(whole, LOG_RATIO_MOST) : own);
        double loss = surrogate(options, ratio, answer->advantage, &by_ratio, sums);
        if (answer->reference) loss += options->kl * divergence(options, answer, t, &by_kl, sums);
        slope[t] = share * (by_ratio + options->kl * by_kl);
        sums->loss += share * loss;
    }
}

double policy_overlong(int tokens, int longest, int cache) {
    int over = tokens - (longest - cache);
    if (cache < 1 || over <= 0) return 0;
    return fmin(1, (double)over / cache);
}
