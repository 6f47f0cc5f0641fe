/* scratch.h - a directory for the files of one test, removed with its contents. */
#ifndef TESTS_SUPPORT_SCRATCH_H
#define TESTS_SUPPORT_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

struct scratch {
    char directory[64];
    char path[8][256]; /* the last eight that scratch_path() made */
    int next;
};

/* All abort the program on failure: nothing can be tested without them. */
void scratch_open(struct scratch *scratch);
void scratch_close(struct scratch *scratch);
const char *scratch_path(struct scratch *scratch, const char *name); /* valid for the next seven calls */
const char *scratch_write(struct scratch *scratch, const char *name, const void *data,
                          size_t bytes); /* its path */
const char *scratch_text(struct scratch *scratch, const char *name, const char *text);
bool scratch_has(struct scratch *scratch, const char *name);
int scratch_entries(struct scratch *scratch); /* files in the directory */

/* The whole file, NUL-terminated; the caller frees. */
char *file_contents(const char *path, size_t *bytes);

#endif
