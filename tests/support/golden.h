/* golden.h - comparing logits with a reference. */
#ifndef HADAL_TESTS_SUPPORT_GOLDEN_H
#define HADAL_TESTS_SUPPORT_GOLDEN_H

#include <stdint.h>

struct difference {
    double largest;    /* max |a - b| */
    double divergence; /* mean KL(reference || ours) over the rows, nats */
    int rows, flips;   /* rows whose argmax differs although the reference's top-1 gap exceeds 0.1 */
};

/* Both [rows, vocab]; adds to *sum, whose divergence is the mean over all rows added so far. */
void difference_add(struct difference *sum, const float *reference, const float *ours, int64_t rows,
                    int64_t vocab);

int64_t argmax_of(const float *logits, int64_t vocab);

#endif
