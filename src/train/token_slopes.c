/* token_slopes.c - see token_slopes.h. With p the probabilities at the temperature T, d log p(token) / d logit(v) is
 * ((v is the token) - p(v)) / T; d KL / d logit is p (log p - log q - KL). */
#include "train/token_slopes.h"

#include <math.h>
#include <stdbool.h>

double token_slopes(const struct token_choice *choice, int32_t vocab, float *logits) {
    const int32_t *kept = choice->kept;
    int32_t count = kept ? choice->kepts : vocab, at = 0;
    double highest = -INFINITY, sum = 0, weighted = 0, scale = choice->slope / choice->temperature;
    for (int32_t i = 0; i < count; i++) highest = fmax(highest, (double)logits[kept ? kept[i] : i]);
    for (int32_t i = 0; i < count; i++) {
        double above = ((double)logits[kept ? kept[i] : i] - highest) / choice->temperature,
               power = exp(above);
        sum += power;
        weighted += power * above;
    }
    for (int32_t v = 0; v < vocab; v++) {
        bool could = !kept || (at < count && kept[at] == v);
        at += could;
        logits[v] = could && scale != 0
                        ? (float)(-scale * exp((logits[v] - highest) / choice->temperature) / sum)
                        : 0;
    }
    logits[choice->id] += (float)scale;
    return log(sum) - weighted / sum;
}

double divergence_slopes(const float *logits, const float *teacher, int32_t vocab, double share, double *to) {
    double highest = -INFINITY, other = -INFINITY, sum = 0, other_sum = 0, kl = 0;
    for (int32_t v = 0; v < vocab; v++) {
        highest = fmax(highest, (double)logits[v]);
        other = fmax(other, (double)teacher[v]);
    }
    for (int32_t v = 0; v < vocab; v++) {
        sum += exp(logits[v] - highest);
        other_sum += exp(teacher[v] - other);
    }
    double apart = highest + log(sum) - other - log(other_sum);
    for (int32_t v = 0; v < vocab; v++)
        kl += exp(logits[v] - highest) / sum * ((double)logits[v] - teacher[v] - apart);
    for (int32_t v = 0; v < vocab; v++)
        to[v] = share * exp(logits[v] - highest) / sum * ((double)logits[v] - teacher[v] - apart - kl);
    return kl;
}
