/* shipped_model.h - the small model that comes with the program, for commands that are told of no other. */
#ifndef HADAL_CLI_SHIPPED_MODEL_H
#define HADAL_CLI_SHIPPED_MODEL_H

#include <stdbool.h>
#include <stddef.h>

/* Where it lies: models/reasoner beside the build directory that the program is in, or share/hadal/reasoner beside the bin
 * directory that it was installed into. False: it is not there. */
bool shipped_model_find(char *path, size_t bytes);

#endif
