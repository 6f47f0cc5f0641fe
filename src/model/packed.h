/* packed.h - the matrices of a model rearranged for integer products (kernel/panel.h), in memory or in a cache file.
 *
 * Block-quantised matrices are rearranged once. The result is kept in anonymous memory, or in a file of the
 * cache directory that later starts map. Such a file belongs to one checkpoint as it was when the file was made, and is
 * used when header and table of contents are exactly what would be written now; otherwise it is made anew. The
 * panels themselves are verified by packed_verify() alone: reading them at each start would take as long as making
 * them. Damaged panels give wrong numbers, never an access outside the file.
 *
 * Owned by one thread, that of the model. The file is built one slice of a matrix at a time, under an advisory lock on
 * the cache directory, so that processes that start together build it once. */
#ifndef HADAL_MODEL_PACKED_H
#define HADAL_MODEL_PACKED_H

#include "backend/backend.h"
#include "base/file_map.h"
#include "model/weights.h"

enum pack_mode {
    PACK_AUTOMATIC, /* small models in memory, others in a file where there is room, or not at all */
    PACK_MEMORY,
    PACK_FILE,
    PACK_OFF
};

/* "auto", "memory", "file", "off"; false: none of them. */
bool pack_mode_from_name(const char *name, enum pack_mode *mode);

struct packed_options {
    enum pack_mode mode;
    const char *cache_dir; /* is made when it is absent; NULL or "": no files */
    int64_t available;     /* bytes of memory, for PACK_AUTOMATIC */
    bool (*progress)(void *context, int64_t done, int64_t total); /* bytes; NULL allowed; false: stop */
    void *progress_context;
};

enum packed_place { PACKED_NOWHERE, PACKED_IN_MEMORY, PACKED_IN_FILE };

struct packed_entry {
    int64_t slot;          /* of struct weights, to be multiplied as panels */
    int64_t source;        /* the slot that holds the numbers: another one for a head that is the embedding */
    int64_t offset, bytes; /* among all panels */
    int format;            /* enum panel_format */
};

struct packed {
    enum packed_place place;
    bool built;           /* by this process; otherwise found */
    int64_t bytes;        /* of all panels; 0 for PACKED_NOWHERE */
    int64_t native_bytes; /* of the matrices that panels stand for, which are not read any more */
    char *path;           /* of the cache file, also where it is not used; NULL: none */
    char notice[512];     /* why PACK_AUTOMATIC leaves the weights as they are; "" when it does not */
    /* the rest is private */
    struct packed_options options;
    struct packed_entry *entry;
    int64_t entries;
    struct file_map map;
    void *memory; /* [reserved_bytes] of the system; the panels begin at `panels` */
    uint8_t *panels;
    int64_t reserved_bytes;
};

/* Decides where the panels will be and how many bytes they take; maps the cache file when it is there and good. Takes
 * no memory and writes nothing yet. What `options` points to must live until packed_arrange() has returned. */
must_use enum status packed_prepare(struct packed *packed, const struct weights *weights,
                                    const struct model_desc *desc, const struct checkpoint *checkpoint,
                                    const struct packed_options *options);

/* Leaves the weights as they are, for a reason that becomes the notice. Before packed_arrange(). */
void packed_give_up(struct packed *packed, const char *reason);

/* Makes what is not there yet and lets the slots of `weights` point to their panels. STATUS_CANCELLED when the progress
 * said so. With PACK_AUTOMATIC a cache file that cannot be written is a notice, not a failure. */
must_use enum status packed_arrange(struct packed *packed, struct weights *weights,
                                    const struct checkpoint *checkpoint, struct backend *backend);

/* STATUS_IO when the mapped file has shrunk since. */
must_use enum status packed_check(const struct packed *packed);
/* The slots that point to the panels must not be used any more. A zeroed one is allowed. */
void packed_close(struct packed *packed);

/* What packed_verify() finds. */
struct packed_report {
    char source[4096]; /* the checkpoint that the file was made of */
    int64_t matrices, bytes;
};

/* Reads a whole cache file and compares all checksums: STATUS_FORMAT names what is damaged. */
must_use enum status packed_verify(const char *path, bool (*progress)(void *, int64_t, int64_t),
                                   void *progress_context, struct packed_report *report);

#endif
