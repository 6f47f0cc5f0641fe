/* main.c - finds the command, reads its options, runs it, and turns a failure into one line on
 * standard error and an exit status. The only place that does either. */
#include "base/version.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/suggest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A file opened on a closed descriptor 0, 1 or 2 would take what is meant for the standard streams. */
static bool standard_streams_open(void) {
    for (int descriptor = 0; descriptor <= 2; descriptor++)
        if (fcntl(descriptor, F_GETFD) < 0 &&
            open("/dev/null", descriptor ? O_WRONLY : O_RDONLY) != descriptor)
            return false;
    return true;
}

/* What is still buffered may not fit the disk: a job whose output is lost has failed. */
static enum status output_finish(void) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return STATUS_OK;
    return fail(STATUS_IO, "standard output: %s", errno ? strerror(errno) : "could not be written");
}

static int report(enum status status, const char *command) {
    if (status == STATUS_OK) return 0;
    const char *message = status_message();
    fprintf(stderr, "hadal%s%s: %s\n", command ? " " : "", command ? command : "",
            *message ? message : status_text(status));
    return status_exit_code(status);
}

static void help_write(enum command command, const struct action_row *action) {
    if (action)
        help_write_action(stdout, action);
    else
        help_write_command(stdout, command);
}

static enum status command_execute(enum command command, const struct option_values *values) {
    const struct command_row *row = &command_rows()[command];
    const char *const *positional;
    const struct action_row *action =
        option_positionals(values, &positional) > 0 ? action_find(command, positional[0]) : NULL;
    if (option_flag(values, "help")) {
        help_write(command, action);
        return STATUS_OK;
    }
    if (action) TRY(options_check_action(values, action->name));
    if (option_positionals(values, &positional) > row->positionals)
        return fail(STATUS_USAGE, "unexpected argument '%.40s' (hadal %s %s)", positional[row->positionals],
                    command_name(command), row->arguments);
    return row->run(values);
}

static enum status command_start(enum command command, int argc, char **argv) {
    struct option_values *values;
    TRY(options_parse(&values, command, argc, argv));
    enum status status = command_execute(command, values);
    options_free(values);
    return status;
}

/* COMMAND_COUNT, with the sentence recorded, for a name that is none. */
static enum command command_find(const char *name) {
    struct suggestion suggestion = {.wanted = name};
    for (enum command command = 0; command < COMMAND_COUNT; command++) {
        if (!strcmp(name, command_name(command))) return command;
        suggestion_offer(&suggestion, command_name(command));
    }
    enum status status =
        suggestion.nearest
            ? fail(STATUS_USAGE, "unknown command '%.40s'; did you mean %s?", name, suggestion.nearest)
            : fail(STATUS_USAGE, "unknown command '%.40s'; hadal --help lists them", name);
    MUST(status == STATUS_USAGE);
    return COMMAND_COUNT;
}

static enum status help_start(int argc, char **argv) {
    if (argc == 0) {
        help_write_overview(stdout);
        return STATUS_OK;
    }
    enum command command = command_find(argv[0]);
    if (command == COMMAND_COUNT) return STATUS_USAGE;
    help_write(command, argc > 1 ? action_find(command, argv[1]) : NULL);
    return STATUS_OK;
}

/* argv[0] is the first argument. */
static enum status start(int argc, char **argv, const char **running) {
    if (argc == 0 || !strcmp(argv[0], "--help") || !strcmp(argv[0], "-h")) return help_start(0, NULL);
    if (!strcmp(argv[0], "help")) return help_start(argc - 1, argv + 1);
    if (!strcmp(argv[0], "--version")) {
        puts("hadal " HADAL_VERSION);
        return STATUS_OK;
    }
    if (!strcmp(argv[0], "--man")) { /* for the Makefile, which installs what it prints */
        help_write_manual(stdout);
        return STATUS_OK;
    }
    if (argv[0][0] == '-')
        return fail(STATUS_USAGE, "the command comes first: hadal COMMAND %.40s; hadal --help lists them",
                    argv[0]);
    enum command command = command_find(argv[0]);
    if (command == COMMAND_COUNT) return STATUS_USAGE;
    *running = command_name(command);
    return command_start(command, argc - 1, argv + 1);
}

int main(int argc, char **argv) {
    const char *running = NULL;
    if (!standard_streams_open()) return 1;
    enum status status = start(argc > 0 ? argc - 1 : 0, argv + 1, &running);
    if (status == STATUS_OK) status = output_finish();
    return report(status, running);
}
