/* option_values.h - what option files share: parsed values, one slot for each row of the table.
 *
 * A value keeps the strongest source that gave it; sources may therefore be read in any order. Private
 * to options.c, option_parse.c and option_sources.c. */
#ifndef HADAL_CLI_OPTION_VALUES_H
#define HADAL_CLI_OPTION_VALUES_H

#include "base/arena.h"
#include "cli/options.h"

enum option_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_ARGUMENT }; /* weakest first */

struct option_value {
    enum option_source source;
    bool set;      /* by the default too */
    int64_t whole; /* INT; FLAG as 0 or 1 */
    double real;
    const char **text; /* TEXT, CHOICE; more than one only for a row that repeats */
    int texts;
    int64_t *list; /* INTS */
    int items;
};

struct option_values {
    enum command command;
    struct option_value *value; /* [rows of the table] */
    const char **positional;    /* [arguments] */
    int positionals;
    const char *shipped_model; /* its path; NULL: it is not there */
    struct arena arena;        /* owns everything here */
};

/* option_parse.c: reads `text` as the row's kind. `origin` opens the sentence of a failure: "--threads",
 * "HADAL_THREADS" or "file:3: threads". */
must_use enum status option_value_parse(const struct option_row *row, const char *text, const char *origin,
                                        struct arena *arena, struct option_value *value);

/* options.c: parses and keeps `text` unless a stronger source has spoken. */
must_use enum status option_value_set(struct option_values *values, const struct option_row *row,
                                      const char *text, enum option_source source, const char *origin);

/* Writes "; did you mean NAME?" into `hint` for the nearest option of `command` (COMMAND_COUNT: of any), or
 * which commands have exactly this one, or "". `prefix` goes in front of the name. */
enum { HINT_BYTES = 200 };
void option_hint(enum command command, const char *name, const char *prefix, char hint[HINT_BYTES]);

/* option_sources.c */
must_use enum status option_values_read_environment(struct option_values *values);
must_use enum status option_values_read_file(struct option_values *values);

#endif
