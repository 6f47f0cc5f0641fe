/* tiny_train.h - tiny models of every architecture, a trainer with random parameters for each, and a batch of several texts. */
#ifndef HADAL_TESTS_SUPPORT_TINY_TRAIN_H
#define HADAL_TESTS_SUPPORT_TINY_TRAIN_H

#include "train/trainer.h"

enum tiny_model { TINY_V3, TINY_V3_FULL_RANK, TINY_V2_LITE, TINY_V2, TINY_LLAMA, TINY_QWEN2, TINY_COUNT };
const char *tiny_name(enum tiny_model model);
json_t *tiny_config(enum tiny_model model);
void tiny_desc(enum tiny_model model, struct model_desc *desc);

/* Parameters far from their usual start, so that no derivative is small by accident. */
void tiny_trainer_open(struct trainer *trainer, enum tiny_model model, const struct trainer_options *options);

enum { TINY_ROWS = 24, TINY_VOCAB = 40 };
/* Three segments in two sequences, one of a single row; some rows have no weight, ends have no target. Lives until the
 * program ends. */
struct train_batch tiny_batch(void);
struct loss_scale tiny_scale(void);

#endif
