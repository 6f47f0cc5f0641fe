/* mpi.h - the table of comm.h that speaks MPI; only in builds that have it (make MPI=1). */
#ifndef HADAL_COMM_MPI_H
#define HADAL_COMM_MPI_H

#include "comm/comm.h"

must_use enum status mpi_open(struct comm *comm);

#endif
