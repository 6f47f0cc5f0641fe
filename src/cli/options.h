/* options.h - settings as one table: a row gives flag, commands, kind, default, range and help. The
 * command line, the config file, environment names, --help and the man page are loops over it. */
#ifndef HADAL_CLI_OPTIONS_H
#define HADAL_CLI_OPTIONS_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum option_kind {
    OPTION_FLAG,   /* present or not */
    OPTION_INT,    /* whole number, optional suffix K M G (1024) */
    OPTION_REAL,   /* finite decimal number */
    OPTION_TEXT,   /* anything, also "" */
    OPTION_CHOICE, /* one of `choices`, separated by '|'; any case is accepted, the table's spelling is kept */
    OPTION_INTS    /* whole numbers separated by commas */
};

/* Which commands take a row: a bit for each entry of enum command. */
enum command {
    COMMAND_CHAT,
    COMMAND_GENERATE,
    COMMAND_LOGITS,
    COMMAND_TOKENIZE,
    COMMAND_DETOKENIZE,
    COMMAND_RENDER,
    COMMAND_INSPECT,
    COMMAND_QUANTIZE,
    COMMAND_EVAL,
    COMMAND_SYNTH,
    COMMAND_TRAIN,
    COMMAND_CHECK,
    COMMAND_BENCH,
    COMMAND_SERVE,
    COMMAND_PLAN,
    COMMAND_ACCOUNT,
    COMMAND_PULL,
    COMMAND_COUNT
};
const char *command_name(enum command command); /* "chat" */

/* Headings of --help, in this order. */
enum option_group { GROUP_OWN, GROUP_SAMPLING, GROUP_MODEL, GROUP_COMMON, GROUP_COUNT };

struct option_row {
    const char *name;  /* "kv-type" -> --kv-type, config key kv-type, environment HADAL_KV_TYPE */
    char letter;       /* 'm' -> -m; 0: none. Letters are per command: -p is a text here, a count there */
    unsigned commands; /* 1u << COMMAND_... */
    const char
        *actions; /* of a command that has actions (commands.h): those that take it, "sft|grpo"; NULL: all */
    enum option_kind kind;
    enum option_group group;
    const char *fallback; /* NULL: unset */
    double low, high;     /* of INT, REAL and each of INTS; both 0: unchecked */
    const char *choices;
    const char *argument; /* "MODEL" in the help */
    const char *help;
    bool repeats;     /* may be given several times; on one command line or in one config file they add up */
    bool names_model; /* ORG/NAME of a model that was pulled becomes its path */
    bool argument_only; /* means nothing in a config file or the environment */
};

struct option_table {
    const struct option_row *row;
    int rows;
};
struct option_table settings_table(void); /* settings.c: every option of every command */

/* The row that `command` (COMMAND_COUNT: any) knows under `name`, the long name or the letter. NULL: none. */
const struct option_row *option_row_find(enum command command, const char *name);

struct option_values; /* opaque; one per run of a command */

/* Reads config file, environment and arguments; an argument beats the environment, which beats the file. `argv` starts
 * behind the command's name. Positional arguments are kept in order, "--" ends the options, "-" is positional. Unknown
 * names are STATUS_USAGE with the nearest known name. With --help among the arguments nothing else is read. On failure
 * *values is NULL. */
must_use enum status options_parse(struct option_values **values, enum command command, int argc,
                                   char **argv);
void options_free(struct option_values *values); /* NULL allowed */

/* Is the row one of this action's, or is there none to speak of (NULL)? */
bool option_row_fits(const struct option_row *row, const char *action);
/* STATUS_USAGE when an argument gave an option that `action` of the command does not take. */
must_use enum status options_check_action(const struct option_values *values, const char *action);

/* `name` is the long name or the letter ("n"). A name that is not in the table for this command, or asking a row for
 * what its kind is not, breaks an invariant. Numbers that were not given and have no default are 0. Everything
 * returned lives as long as the values. */
bool option_given(const struct option_values *values, const char *name); /* by any source but the default */
bool option_flag(const struct option_values *values, const char *name);
int64_t option_int(const struct option_values *values, const char *name);
double option_real(const struct option_values *values, const char *name);
const char *option_text(const struct option_values *values, const char *name); /* TEXT, CHOICE; NULL: unset */
int option_ints(const struct option_values *values, const char *name, const int64_t **list);
int option_texts(const struct option_values *values, const char *name,
                 const char *const **list); /* repeated rows */
/* The model that comes with the program, for who names none; NULL: it is not there. */
const char *option_shipped_model(const struct option_values *values);
int option_positionals(const struct option_values *values, const char *const **list);

#endif
