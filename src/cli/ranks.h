/* ranks.h - a command as one of several processes that mpirun started. */
#ifndef HADAL_CLI_RANKS_H
#define HADAL_CLI_RANKS_H

#include "comm/comm.h"

/* Finds the other ranks, or that there are none. Refuses copies of the program that know nothing of each other. */
must_use enum status ranks_open(struct comm *comm);

/* Ends the ranks' work with what this one's came to, and returns what this process is to say: the first speaks for all. */
must_use enum status ranks_close(struct comm *comm, enum status status);

/* Threads of each rank where nobody says how many: the machine's processors are shared. */
int ranks_threads(const struct comm *comm);

#endif
