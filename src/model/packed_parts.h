/* packed_parts.h - what the files behind packed.h share. */
#ifndef HADAL_MODEL_PACKED_PARTS_H
#define HADAL_MODEL_PACKED_PARTS_H

#include "model/packed.h"

/* Of every matrix in memory and file: a page, so that one matrix can be read or given back alone. */
enum { PACKED_ALIGNMENT = 4096 };

/* ---- packed_layout.c ---- */

/* Lists the matrices to rearrange in the order in which a step reads them, and where their panels go. */
must_use enum status packed_layout(struct packed *packed, const struct weights *weights,
                                   const struct model_desc *desc);

/* ---- packed_identity.c ---- */

struct packed_identity {
    uint64_t half[2];
};
/* Of the checkpoint's files as they are now: resolved paths, sizes, times of change, and the list of tensors. */
must_use enum status packed_identity(const struct checkpoint *checkpoint, struct packed_identity *identity);
/* DIR/NAME-HASH.hadal, one for each resolved path of a checkpoint. The caller frees. */
must_use enum status packed_path(const struct checkpoint *checkpoint, const char *directory, char **path);

/* ---- packed_file.c: the bytes of a cache file ---- */

struct packed_header {
    char magic[8];
    uint32_t byte_order, version, panel_version, zero;
    uint64_t identity[2];
    int64_t entries, payload_offset, file_bytes;
    uint64_t table_hash;
    char source[4016]; /* NUL-terminated, for people */
    uint64_t hash;     /* of all before */
};
struct packed_record { /* one matrix; the table of them follows the header */
    int64_t slot, offset, bytes;
    uint64_t hash; /* of its panels */
    uint32_t format, zero;
};
_Static_assert(sizeof(struct packed_header) == PACKED_ALIGNMENT, "the header is a page");
_Static_assert(sizeof(struct packed_record) == 40, "records have no gaps");

int64_t packed_payload_offset(int64_t entries);
/* Fills in all that follows from the rest, the hashes too. `record` has slot to format set, and the panels' hash. */
void packed_header_seal(struct packed_header *header, const struct packed *packed,
                        const struct packed_identity *identity, const char *source,
                        const struct packed_record *record);
/* NULL when the mapped file holds exactly the panels of `packed` for this identity, otherwise what is wrong. */
const char *packed_file_problem(const struct file_map *map, const struct packed *packed,
                                const struct packed_identity *identity);

/* ---- packed_build.c ---- */

/* Rearranges all matrices into packed->panels. */
must_use enum status packed_build_memory(struct packed *packed, const struct weights *weights,
                                         const struct checkpoint *checkpoint, struct backend *backend);
/* Makes the cache file and publishes it, unless another process just did. */
must_use enum status packed_build_file(struct packed *packed, const struct weights *weights,
                                       const struct checkpoint *checkpoint, struct backend *backend);
/* Maps packed->path when it is good: *found. A file that is absent or not good is no failure. */
must_use enum status packed_file_find(struct packed *packed, const struct checkpoint *checkpoint,
                                      bool *found);

#endif
