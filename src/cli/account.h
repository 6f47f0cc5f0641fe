/* account.h - what the parts of `hadal account` and the server's start share. */
#ifndef HADAL_CLI_ACCOUNT_H
#define HADAL_CLI_ACCOUNT_H

#include "base/json.h"
#include "cli/options.h"

/* Where --accounts says that accounts are; unset: a file in the user's state directory. Its folders are made. */
must_use enum status accounts_where(const struct option_values *values, char *where, size_t bytes);

/* Where a server that was given --accounts keeps its journal. */
must_use enum status accounts_journal(const struct option_values *values, char *path, size_t bytes);

/* An answer of an action: lines for people, or the rows of "data" as CSV. */
must_use enum status account_print_text(const json_t *answer);
must_use enum status account_print_csv(const json_t *answer);

#endif
