/* machine.h - what this machine offers to a model: read from the system on demand, any thread. */
#ifndef HADAL_CLI_MACHINE_H
#define HADAL_CLI_MACHINE_H

#include "kernel/kernel.h"

#include <stdbool.h>

struct machine {
    char processor[80]; /* "" when the system does not say */
    enum cpu_level level;
    int processors;           /* that this process may use */
    int64_t memory_available; /* bytes; INT64_MAX: unknown */
    char huge_pages[16]; /* transparent ones: "always", "madvise", "never"; "" when the system does not say */
};

void machine_read(struct machine *machine);

#endif
