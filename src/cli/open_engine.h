/* open_engine.h - from the common options (model, threads, cpu, kv-type, ctx, batch-size, strict, memory-limit, pack,
 * cache-dir) to a running engine. */
#ifndef HADAL_CLI_OPEN_ENGINE_H
#define HADAL_CLI_OPEN_ENGINE_H

#include "cli/options.h"
#include "engine/engine.h"

/* STATUS_USAGE without --model. *path lives as long as `values`. */
must_use enum status model_path_from(const struct option_values *values, const char **path);

/* Fills `options` from the command line; the caller may change them before open_engine(). STATUS_USAGE without --model. */
must_use enum status engine_options_from(const struct option_values *values, struct engine_options *options);

/* The user's cache directory, in `directory`, where the options name none. */
void cache_directory_default(struct engine_options *options, char *directory, size_t bytes);

/* engine_open() with what takes long on the terminal. The cache directory is the user's unless the options name one. A
 * model that runs slower than it could, because its weights could not be arranged, is a line on standard error. */
must_use enum status open_engine(struct engine **engine, const struct engine_options *options);

#endif
