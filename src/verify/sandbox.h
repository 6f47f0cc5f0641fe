/* sandbox.h - running a program that a model wrote, which may do anything that it is let.
 *
 * It gets namespaces of its own (user, processes, network, mounts, names, messages), in which there is no network, no other
 * process and no file that can be written but those of a small directory in memory; no privilege that it could win
 * (no_new_privs); limits of time, memory, processes, files and output; and a filter that refuses system calls with which
 * kernels have been attacked. Home directories, the folder of temporary files and that of run-time files are empty
 * for it, and so is that of terminals; it has none, and nothing of what the caller has open. The rest of the file
 * system can be read. Where the system gives no such namespaces, nothing is run: STATUS_UNSUPPORTED.
 * Any thread; blocks until the program has ended. */
#ifndef HADAL_VERIFY_SANDBOX_H
#define HADAL_VERIFY_SANDBOX_H

#include "base/buffer.h"

#include <stdint.h>

struct sandbox_limits {
    double seconds;       /* of the clock, and of the processor */
    int64_t memory_bytes; /* of addresses */
    int64_t output_bytes; /* of both streams; what is more is cut off */
    int processes;
};
struct sandbox_limits sandbox_usual(void);

struct sandbox_run {
    const char *const *arguments; /* NULL at the end; the first is looked for in /usr/bin and /bin */
    const char *file;             /* a text that the program finds as ./program; NULL: none */
    size_t file_bytes;
    const char *input; /* standard input */
    size_t input_bytes;
    struct sandbox_limits limits;
};

struct sandbox_result {
    struct buffer output; /* standard output, as it came; the caller's */
    int exit_status;      /* -1: it was ended, or ended itself, by a signal */
    bool timed_out, cut;  /* cut: there was more output */
};

/* Fails when there is no sandbox, and only then; what the program does is in the result. */
must_use enum status sandbox_run(const struct sandbox_run *run, struct sandbox_result *result);

#endif
