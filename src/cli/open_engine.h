/* open_engine.h - from the common options (model, threads, cpu, kv-type, ctx, batch-size, strict, memory-limit) to what
 * an engine is opened with. */
#ifndef HADAL_CLI_OPEN_ENGINE_H
#define HADAL_CLI_OPEN_ENGINE_H

#include "cli/options.h"
#include "engine/engine.h"

/* STATUS_USAGE without --model. *path lives as long as `values`. */
must_use enum status model_path_from(const struct option_values *values, const char **path);

/* Fills `options` from the command line; the caller may change them before engine_open(). STATUS_USAGE without --model. */
must_use enum status engine_options_from(const struct option_values *values, struct engine_options *options);

#endif
