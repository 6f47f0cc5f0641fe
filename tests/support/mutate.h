/* mutate.h - damage to files, the same for the same seed: flipped bits, cut ends, moved pieces,
 * impossible lengths in binary and in text. */
#ifndef TESTS_SUPPORT_MUTATE_H
#define TESTS_SUPPORT_MUTATE_H

#include <stddef.h>
#include <stdint.h>

struct mutator {
    uint64_t state; /* any seed */
};

uint64_t mutator_next(struct mutator *mutator);
size_t mutator_below(struct mutator *mutator, size_t limit); /* 0 when limit is 0 */

/* Applies one to four edits to data[bytes] in memory of `capacity` bytes; returns the new length, which may be 0.
 * Edits fall more often near the start, where headers are. */
size_t mutate_bytes(struct mutator *mutator, uint8_t *data, size_t bytes, size_t capacity);

/* Writes a mutated copy of the file `from` to `to`. Aborts when that fails. */
void mutate_file(struct mutator *mutator, const char *from, const char *to);

/* Fills the existing directory `to` with links to the files of `from`, one of them replaced by a mutated
 * copy whose name is written to name[256]. What `to` held before goes. `from` must be absolute, flat and not empty. */
void mutate_directory(struct mutator *mutator, const char *from, const char *to, char *name);

#endif
