/* answer_options.h - from the command line to what a generation and a chat template are asked for. */
#ifndef HADAL_CLI_ANSWER_OPTIONS_H
#define HADAL_CLI_ANSWER_OPTIONS_H

#include "base/arena.h"
#include "cli/options.h"
#include "engine/generate.h"

/* Sampling, length and stop strings: what was not given comes from the checkpoint, a seed from the system. `arena` owns
 * the list of biases; the rest lives as long as `values`. */
must_use enum status generation_options_from(const struct option_values *values, const struct engine *engine,
                                             struct arena *arena, struct generation_options *options);

/* --template, else the checkpoint's own or its family's; --thinking; the checkpoint's bos token. `checkpoint` may be NULL
 * with --template. `arena` owns the text. STATUS_UNSUPPORTED, saying what to do, when the checkpoint's template is
 * unknown. */
must_use enum status render_options_from(const struct option_values *values,
                                         const struct checkpoint *checkpoint, struct arena *arena,
                                         struct render_options *options);

/* --speculate. */
enum speculate speculate_from(const struct option_values *values);

/* ", 3 of 7 drafts accepted (43 %), 1.21 times as fast with drafts", as far as there is something to tell. */
enum { DRAFTS_TEXT_BYTES = 128 };
const char *drafts_text(const struct generation_timings *timings, char text[DRAFTS_TEXT_BYTES]);

#endif
