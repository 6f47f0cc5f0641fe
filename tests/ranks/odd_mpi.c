/* odd_mpi.c - loaded before an MPI library, which it makes one that allows no threads (ODD_MPI_THREADS=none), or whose nth
 * MPI_Send or MPI_Allreduce of rank 1 fails (ODD_MPI_SEND, ODD_MPI_ALLREDUCE). */
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

static int fails(const char *name, int *calls) {
    const char *text = getenv(name), *rank = getenv("OMPI_COMM_WORLD_RANK");
    ++*calls;
    return text && rank && !strcmp(rank, "1") && *calls == atoi(text);
}

int MPI_Init_thread(int *argc, char ***argv, int wanted, int *allowed) {
    int code = PMPI_Init_thread(argc, argv, wanted, allowed);
    if (getenv("ODD_MPI_THREADS")) *allowed = MPI_THREAD_SINGLE;
    return code;
}

int MPI_Send(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm) {
    static int calls;
    return fails("ODD_MPI_SEND", &calls) ? MPI_ERR_OTHER : PMPI_Send(data, count, type, to, tag, comm);
}

int MPI_Allreduce(const void *from, void *sum, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm) {
    static int calls;
    return fails("ODD_MPI_ALLREDUCE", &calls) ? MPI_ERR_OTHER
                                              : PMPI_Allreduce(from, sum, count, type, op, comm);
}
