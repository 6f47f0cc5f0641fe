/* commands.h - the subcommands: one row each, one cmd_*.c each. Names are in settings.c. */
#ifndef HADAL_CLI_COMMANDS_H
#define HADAL_CLI_COMMANDS_H

#include "cli/options.h"

/* Runs a command. On failure the sentence is in status_message(); main prints it and maps the exit status. */
typedef enum status command_run(const struct option_values *values);

command_run command_chat, command_generate, command_logits, command_tokenize, command_detokenize,
    command_render, command_inspect, command_quantize, command_eval, command_synth, command_train,
    command_check, command_bench, command_serve, command_plan, command_account, command_pull;

struct command_row {
    command_run *run;
    const char *arguments;   /* "[options] MESSAGES" */
    int positionals;         /* how many arguments without a dash it takes at most */
    const char *summary;     /* one line */
    const char *description; /* paragraphs, separated by an empty line, for --help and the man page */
    const char *examples;    /* pairs of lines: what it does, the command line */
};
const struct command_row *command_rows(void); /* [COMMAND_COUNT], commands.c */

/* What a command is told to do by its first argument, where its actions have options of their own. */
struct action_row {
    enum command command;
    const char *name, *arguments, *summary, *description, *examples; /* as those of a command */
};
const struct action_row *action_rows(int *count);                             /* actions.c */
const struct action_row *action_find(enum command command, const char *name); /* NULL: none of that name */

#endif
