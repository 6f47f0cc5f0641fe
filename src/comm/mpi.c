/* mpi.c - the table of comm.h that speaks MPI, the only file that sees it. One thread speaks. Failures come back as such and
 * do not end the process; its caller says what happened, and then ends all ranks. */
#include "comm/mpi.h"

#include <mpi.h>

/* Lengths are ints there. */
#define PIECE_BYTES ((int64_t)1 << 30)

static enum status failed(int code) {
    char text[MPI_MAX_ERROR_STRING];
    int length;
    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) length = 0;
    return fail(STATUS_IO, "MPI: %.*s", length, text);
}

static int piece_of(int64_t bytes, int64_t at) {
    return (int)(bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES);
}

static enum status mpi_send(const struct comm *comm, int to, const void *data, int64_t bytes) {
    (void)comm;
    for (int64_t at = 0; at < bytes; at += PIECE_BYTES) {
        int code = MPI_Send((const char *)data + at, piece_of(bytes, at), MPI_BYTE, to, 0, MPI_COMM_WORLD);
        if (code != MPI_SUCCESS) return failed(code);
    }
    return STATUS_OK;
}

static enum status mpi_receive(const struct comm *comm, int from, void *data, int64_t bytes) {
    (void)comm;
    for (int64_t at = 0; at < bytes; at += PIECE_BYTES) {
        int code = MPI_Recv((char *)data + at, piece_of(bytes, at), MPI_BYTE, from, 0, MPI_COMM_WORLD,
                            MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS) return failed(code);
    }
    return STATUS_OK;
}

static enum status mpi_broadcast(const struct comm *comm, int from, void *data, int64_t bytes) {
    (void)comm;
    for (int64_t at = 0; at < bytes; at += PIECE_BYTES) {
        int code = MPI_Bcast((char *)data + at, piece_of(bytes, at), MPI_BYTE, from, MPI_COMM_WORLD);
        if (code != MPI_SUCCESS) return failed(code);
    }
    return STATUS_OK;
}

static enum status mpi_sum(const struct comm *comm, int64_t *value, int64_t count) {
    (void)comm;
    MUST(count <= PIECE_BYTES);
    int code = MPI_Allreduce(MPI_IN_PLACE, value, (int)count, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
    return code == MPI_SUCCESS ? STATUS_OK : failed(code);
}

static void mpi_close(struct comm *comm) {
    (void)comm;
    MPI_Finalize();
}

static void mpi_abort(const struct comm *comm, int exit_status) {
    (void)comm;
    MPI_Abort(MPI_COMM_WORLD, exit_status);
}

static const struct comm_ops mpi_operations = {
    .name = "mpi",
    .send = mpi_send,
    .receive = mpi_receive,
    .broadcast = mpi_broadcast,
    .sum = mpi_sum,
    .close = mpi_close,
    .abort = mpi_abort,
};

static int count_neighbours(int *count) {
    MPI_Comm machine;
    int code = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    if (code == MPI_SUCCESS) code = MPI_Comm_size(machine, count);
    if (code == MPI_SUCCESS) code = MPI_Comm_free(&machine);
    return code;
}

enum status mpi_open(struct comm *comm) {
    int level = MPI_THREAD_SINGLE;
    *comm = (struct comm){.ops = &mpi_operations};
    int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
    if (code == MPI_SUCCESS) code = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (code == MPI_SUCCESS) code = MPI_Comm_rank(MPI_COMM_WORLD, &comm->rank);
    if (code == MPI_SUCCESS) code = MPI_Comm_size(MPI_COMM_WORLD, &comm->ranks);
    if (code == MPI_SUCCESS) code = count_neighbours(&comm->neighbours);
    if (code != MPI_SUCCESS) {
        *comm = (struct comm){0};
        return failed(code);
    }
    if (level >= MPI_THREAD_FUNNELED) return STATUS_OK;
    return fail(STATUS_UNSUPPORTED,
                "this MPI library allows one thread in a process, and hadal computes with "
                "several beside the one that speaks");
}
