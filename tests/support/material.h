/* material.h - reading test vectors: from tests/golden, and from ../shared when it is there. */
#ifndef HADAL_TESTS_SUPPORT_MATERIAL_H
#define HADAL_TESTS_SUPPORT_MATERIAL_H

#include <stddef.h>

/* The whole file, or NULL when it does not exist. The caller frees. Paths are relative to the repository root, from
 * which tests run. */
void *material_read(const char *folder, const char *name, size_t *bytes);

#endif
