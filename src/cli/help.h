/* help.h - everything that describes the program to its user, made from the tables. */
#ifndef HADAL_CLI_HELP_H
#define HADAL_CLI_HELP_H

#include "cli/commands.h"

#include <stdio.h>

void help_write_overview(FILE *stream);
void help_write_command(FILE *stream, enum command command);
void help_write_action(FILE *stream, const struct action_row *action);
void help_write_manual(FILE *stream); /* roff, section 1 */

#endif
