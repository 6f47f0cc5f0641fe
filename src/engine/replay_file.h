/* replay_file.h - the tokens of answers on the disk, so that a restart knows how a text was sampled.
 *
 * A log of records, each with a mark, its isolation, its tokens and a checksum. What a killed process left unfinished, what
 * is damaged and what another version wrote are no records: reading goes on at the next mark. The log has two files; when
 * the newer one has half of the bytes it takes the place of the older one, so that nothing is ever written again. A thread
 * writes; nobody waits for it but closing. */
#ifndef HADAL_ENGINE_REPLAY_FILE_H
#define HADAL_ENGINE_REPLAY_FILE_H

#include "engine/prefix_cache.h"

struct replay_file;

struct replay_record {
    struct prefix_key root; /* of the isolation */
    const int32_t *id;      /* [ids] */
    int ids;
};
typedef void replay_hear(void *context, const struct replay_record *record);

struct replay_file_options {
    const char *folder; /* which nobody else uses */
    int64_t most_bytes; /* of both files */
    int64_t day_bytes;  /* that may be written in a day */
    replay_hear *hear;  /* of each record that is there, the oldest first */
    void *context;
};

must_use enum status replay_file_open(struct replay_file **file, const struct replay_file_options *options);
/* Finishes what was begun. NULL allowed. */
void replay_file_close(struct replay_file *file);
/* Any thread. Without memory, with too much waiting to be written, or when the day's bytes are used up nothing is written. */
void replay_file_append(struct replay_file *file, const struct replay_record *record);

/* The records in the bytes of a file; returns their number. Pure but for `hear`. */
int replay_records_read(const void *data, size_t bytes, replay_hear *hear, void *context);
/* Appends the bytes of a record. */
void replay_record_write(struct buffer *out, const struct replay_record *record);

#endif
