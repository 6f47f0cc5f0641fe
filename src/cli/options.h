/* options.h - settings as one table: a row gives flag, commands, kind, default, range and help. The
 * command line, the config file, environment names, --help and the man page are loops over it. */
#ifndef HADAL_CLI_OPTIONS_H
#define HADAL_CLI_OPTIONS_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum option_kind {
    OPTION_FLAG,  /* present or not */
    OPTION_INT,   /* whole number, optional suffix K M G (1024) */
    OPTION_REAL,
    OPTION_TEXT,
    OPTION_CHOICE, /* one of `choices`, separated by '|' */
    OPTION_INTS    /* whole numbers separated by commas */
};

/* Which commands take a row: a bit for each entry of enum command. */
enum command {
    COMMAND_CHAT, COMMAND_GENERATE, COMMAND_LOGITS, COMMAND_TOKENIZE, COMMAND_DETOKENIZE, COMMAND_RENDER,
    COMMAND_INSPECT, COMMAND_SYNTH, COMMAND_CHECK, COMMAND_BENCH, COMMAND_COUNT
};

struct option_row {
    const char *name;     /* "kv-type" -> --kv-type, config key kv-type, environment HADAL_KV_TYPE */
    char letter;          /* 'm' -> -m; 0: none */
    unsigned commands;    /* 1u << COMMAND_... */
    enum option_kind kind;
    const char *fallback; /* NULL: unset */
    double low, high;     /* of INT, REAL and each of INTS; both 0: unchecked */
    const char *choices;
    const char *argument; /* "MODEL" in the help */
    const char *help;
    bool repeats;         /* may be given several times */
};

struct option_table { const struct option_row *row; int rows; };
struct option_table settings_table(void); /* settings.c: every option of every command */

struct option_values; /* opaque; one per run of a command */

/* Reads config file, environment, then arguments (later wins). Positional arguments are kept in order. Unknown names
 * are STATUS_USAGE with the nearest known name. */
must_use enum status options_parse(struct option_values **values, enum command command, int argc, char **argv);
void options_free(struct option_values *values);

/* A name that is not in the table for this command breaks an invariant. */
bool option_given(const struct option_values *values, const char *name); /* by any source but the default */
bool option_flag(const struct option_values *values, const char *name);
int64_t option_int(const struct option_values *values, const char *name);
double option_real(const struct option_values *values, const char *name);
const char *option_text(const struct option_values *values, const char *name); /* NULL: unset */
int option_ints(const struct option_values *values, const char *name, const int64_t **list);
int option_texts(const struct option_values *values, const char *name, const char *const **list); /* repeated rows */
int option_positionals(const struct option_values *values, const char *const **list);

#endif
