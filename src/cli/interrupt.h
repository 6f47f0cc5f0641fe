/* interrupt.h - Ctrl-C, a hang-up and a polite kill end the job, not the process: an unfinished file of many
 * gigabytes must not stay behind. The second signal of a kind ends the process. */
#ifndef HADAL_CLI_INTERRUPT_H
#define HADAL_CLI_INTERRUPT_H

#include <stdbool.h>

void interrupt_catch(void);
bool interrupt_seen(void);

#endif
