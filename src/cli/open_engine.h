/* open_engine.h - from the common options (model, threads, cpu, kv-type, ctx, batch-size, strict, memory-limit) to a
 * running engine. */
#ifndef HADAL_CLI_OPEN_ENGINE_H
#define HADAL_CLI_OPEN_ENGINE_H

#include "cli/options.h"
#include "engine/engine.h"

/* Fills `options` from the command line; the caller may change them before engine_open(). STATUS_USAGE without --model. */
must_use enum status engine_options_from(const struct option_values *values, struct engine_options *options);

/* engine_options_from and engine_open in one. */
must_use enum status open_engine(const struct option_values *values, struct engine **engine);

#endif
