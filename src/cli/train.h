/* train.h - what the files of `hadal train` share. */
#ifndef HADAL_CLI_TRAIN_H
#define HADAL_CLI_TRAIN_H

#include "cli/options.h"
#include "engine/sample.h"
#include "train/adapter_files.h"
#include "train/dialogue.h"
#include "train/harvest.h"
#include "train/pretrain.h"

enum training { TRAINING_PRETRAIN, TRAINING_SFT, TRAINING_GRPO, TRAINING_DISTILL };

/* What options refer to and must live as long as the run. */
struct train_sources {
    struct adapter_config adapter; /* of --adapter */
    struct checkpoint checkpoint;  /* whose template the form has */
    struct arena arena;
    struct dialogue_form form;
};
void train_sources_close(struct train_sources *source); /* zeroed allowed */

/* Options that every kind of training takes. They live as long as `values`, `source` and `config`. */
must_use enum status train_options_read(const struct option_values *values, enum training kind,
                                        struct pretrain_options *options, struct train_sources *source,
                                        json_t **config);

/* A line of --dry-run: how long so many operations may take, and what else there is to say about it. */
void train_print_time(const struct pretrain_options *options, double flops, const char *words);

/* train_grpo.c */
must_use enum status train_grpo(const struct option_values *values, bool distill,
                                const struct pretrain_options *base);
must_use enum status train_selftest(const struct option_values *values);

void train_sampling_read(const struct option_values *values, struct sampling *sampling);

/* train_sample.c */
must_use enum status train_sample(const struct option_values *values, struct comm *comm);

/* train_sample_server.c */
bool train_sample_is_url(const char *teacher);
must_use enum status train_sample_server(const struct option_values *values, const char *url,
                                         const struct harvest_options *options,
                                         struct harvest_report *report);

/* train_merge.c */
must_use enum status train_merge(const struct option_values *values);

/* train_tokenizer.c */
must_use enum status train_tokenizer(const struct option_values *values);

/* train_plot.c */
must_use enum status train_plot(const struct option_values *values); /* a run's metrics to a picture */

#endif
