/* small_model.h - a checkpoint of random weights for tests that need any model: DeepSeek-V3's architecture, a vocabulary of
 * 1024 with a tokenizer, a context of 512, F32. */
#ifndef HADAL_TESTS_SUPPORT_SMALL_MODEL_H
#define HADAL_TESTS_SUPPORT_SMALL_MODEL_H

#include "engine/engine.h"
#include "support/scratch.h"

/* The config of a published model made small: vocabulary 500, width 256. Members of the object `patch` go over it. */
json_t *small_config(const char *base, const char *patch);

/* Writes it into the scratch directory; its path, or the program ends. */
const char *small_model_write(struct scratch *scratch);

/* The same with a multi-token-prediction module, whose guesses are as good as random weights make them. */
const char *small_model_write_mtp(struct scratch *scratch);

/* Opened with one thread, steps of `max_rows` and so much context. */
struct engine *small_model_open(const char *path, int64_t context, int max_rows);

#endif
