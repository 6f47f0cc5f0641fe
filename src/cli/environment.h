/* environment.h - the only reader of the process environment. Main thread, before others start. */
#ifndef HADAL_CLI_ENVIRONMENT_H
#define HADAL_CLI_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

/* NULL when unset or empty. */
const char *environment_get(const char *name);

/* Entry `index` of the environment, "NAME=value"; NULL behind the last. */
const char *environment_entry(size_t index);

enum user_folder { USER_CONFIG, USER_STATE, USER_CACHE };

/* hadal's file `name` in the user's folder: $XDG_CONFIG_HOME/hadal/NAME, or ~/.config/hadal/NAME; USER_STATE:
 * $XDG_STATE_HOME or ~/.local/state; USER_CACHE: $XDG_CACHE_HOME or ~/.cache. False when there is no home or the path is too long. */
bool user_path(enum user_folder folder, const char *name, char *path, size_t bytes);

#endif
