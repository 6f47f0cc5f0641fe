/* array_files.h - flat arrays of the parameters' layout as safetensors files, one tensor for each parameter. An array may be dealt
 * out to ranks: the first of them alone sees the file, which does not tell how many they were. */
#ifndef HADAL_TRAIN_ARRAY_FILES_H
#define HADAL_TRAIN_ARRAY_FILES_H

#include "comm/comm.h"
#include "train/parameters.h"

struct flat_arrays {
    float *array[2];       /* of this rank's part */
    const char *prefix[2]; /* of the tensors' names */
    int count;
    struct comm *comm;     /* NULL: this process has all of each array */
    const int64_t *border; /* [ranks + 1] rank r has elements [border[r], border[r + 1]) */
};

/* Collective: all return what the first rank, which alone needs `path`, fails at. */
must_use enum status array_file_write(const char *path, const struct parameters *list,
                                      const struct flat_arrays *arrays);
must_use enum status array_file_read(const char *path, const struct parameters *list,
                                     const struct flat_arrays *arrays);

#endif
