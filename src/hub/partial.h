/* partial.h - a file that comes in parts, in any order, over several runs of the program: its bytes beside the target, and a
 * small mapped table of how much of each part is there. A count is raised behind the bytes that it counts, so that a
 * process that is killed leaves what it says. After a crash of the machine the checksum decides. Owned by one thread. */
#ifndef HADAL_HUB_PARTIAL_H
#define HADAL_HUB_PARTIAL_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define PARTIAL_PART_BYTES (INT64_C(16) << 20)

struct partial {
    char *path, *table_path; /* TARGET.hadal-partial and TARGET.hadal-parts */
    int file;
    int64_t bytes;
    int parts;
    int64_t *done; /* [parts] bytes of each; mapped */
    void *table;
    int64_t table_bytes;
};

/* Goes on with what is there, where it is of a file of this size. */
must_use enum status partial_open(struct partial *partial, const char *target, int64_t bytes);
int64_t partial_begin(const struct partial *partial, int part);
int64_t partial_end(const struct partial *partial, int part);
/* Bytes of the file from `offset` on. */
must_use enum status partial_write(struct partial *partial, int64_t offset, const void *data, int64_t bytes);
int64_t partial_bytes_done(const struct partial *partial);
void partial_forget(struct partial *partial); /* nothing of it is there */
/* Checked against `hash` (hub_file.hash); *same. */
must_use enum status partial_check(const struct partial *partial, const char *hash, bool *same);
/* Becomes `target`, on the disk. */
must_use enum status partial_publish(struct partial *partial, const char *target);
void partial_close(struct partial *partial); /* the bytes stay; zeroed allowed */

#endif
