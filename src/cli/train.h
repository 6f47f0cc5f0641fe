/* train.h - the jobs of `hadal train` beside training itself, each in its own file. */
#ifndef HADAL_CLI_TRAIN_H
#define HADAL_CLI_TRAIN_H

#include "cli/options.h"

must_use enum status train_tokenizer(const struct option_values *values); /* texts to a tokenizer */
must_use enum status train_plot(const struct option_values *values);      /* a run's metrics to a picture */

#endif
