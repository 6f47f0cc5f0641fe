/* quantize.h - what of `hadal quantize` has a file of its own. */
#ifndef HADAL_CLI_QUANTIZE_H
#define HADAL_CLI_QUANTIZE_H

#include "cli/options.h"

must_use enum status quantize_fp8(const struct option_values *values); /* --type fp8: a directory */

#endif
