/* batch.h - what one pass of the trainer is given: packed rows of several texts, whatever the objective. */
#ifndef HADAL_TRAIN_BATCH_H
#define HADAL_TRAIN_BATCH_H

#include <stdint.h>

struct train_segment { /* rows that attend to each other: one text or a piece of it, positions from 0 on */
    int row_begin, rows;
};

struct train_batch {
    int rows;
    const int32_t *token;  /* [rows] */
    const int32_t *target; /* [rows] the token that follows, or -1 where none is known */
    const float *weight;   /* [rows] of each target in the loss; 0: no part of it. 0 where target is -1 */
    const struct train_segment *segment;
    int segments;
    int sequence_rows; /* rows [i * sequence_rows, ...) are sequence i, over which the experts' load is balanced */
};

/* Sums of weights over a step's batches, which its losses are divided by. */
struct train_weights {
    double token, mtp; /* of the targets of the trunk and of the multi-token-prediction module */
    int64_t rows;
};
void train_batch_weights(const struct train_batch *batch, struct train_weights *sum); /* adds */

#endif
