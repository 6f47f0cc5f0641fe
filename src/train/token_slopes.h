/* token_slopes.h - from a row of logits to the derivative of a loss by them. Pure functions; any thread. */
#ifndef HADAL_TRAIN_TOKEN_SLOPES_H
#define HADAL_TRAIN_TOKEN_SLOPES_H

#include <stdint.h>

struct token_choice { /* how a token was sampled, and what its log-probability counts */
    int32_t id;
    const int32_t *kept; /* [kepts] ascending, what it could be chosen from; NULL: anything */
    int32_t kepts;
    double temperature, slope;
};

/* Logits [vocab] become slope * d log p(token) / d logits. Returns the entropy of what was chosen from. */
double token_slopes(const struct token_choice *choice, int32_t vocab, float *logits);

/* share * d KL(p || q) / d logits goes to `to` [vocab], p of the logits and q of the teacher's. Returns KL. */
double divergence_slopes(const float *logits, const float *teacher, int32_t vocab, double share, double *to);

#endif
