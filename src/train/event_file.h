/* event_file.h - the metrics of a run as TensorBoard reads them: an event file beside metrics.jsonl with one scalar for each
 * number of each line. It is made anew from metrics.jsonl when a run goes on, so that the two always agree. Owned by one
 * thread. */
#ifndef HADAL_TRAIN_EVENT_FILE_H
#define HADAL_TRAIN_EVENT_FILE_H

#include "base/json.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct event_file {
    FILE *file;
    char *path;
};

#define EVENT_FILE_NAME "events.out.tfevents.hadal"

/* Begins a new file of that name in the directory. */
must_use enum status event_file_open(struct event_file *events, const char *directory);
void event_file_close(struct event_file *events); /* zeroed allowed */
/* Every number of the line but "step", which it belongs to, and "unix_seconds", which dates it. */
must_use enum status event_file_write(struct event_file *events, const json_t *line);

/* CRC-32C (Castagnoli) of the bytes. */
uint32_t crc32c(const void *data, size_t bytes);

#endif
