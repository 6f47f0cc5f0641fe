/* journal.h - what running requests have used so far, in memory that outlives the process: a mapped file with a slot for
 * each request. After a crash the next server reads it and settles what is still reserved.
 *
 * The engine's thread counts in a slot while the slot is taken; slots are taken and given back by any thread. Writing is a
 * store into memory: the system keeps it when the process is killed, and writes it to the disk in its own time. */
#ifndef HADAL_SERVER_ACCOUNT_JOURNAL_H
#define HADAL_SERVER_ACCOUNT_JOURNAL_H

#include "base/status.h"

#include <stdatomic.h>
#include <stdint.h>

enum { JOURNAL_SLOTS = 8192, JOURNAL_REQUEST_BYTES = 40 };

struct journal_slot {
    char request[JOURNAL_REQUEST_BYTES];
    _Atomic int32_t taken, started, prompt, hit, generated, spare;
};

struct journal;

/* Makes the file where there is none. STATUS_UNAVAILABLE while another server has it. */
must_use enum status journal_open(struct journal **journal, const char *path);
void journal_close(struct journal *journal); /* NULL allowed */

/* The server's own name, the same for as long as the file is there. */
const char *journal_server(const struct journal *journal);

/* NULL: all are taken. */
struct journal_slot *journal_take(struct journal *journal, const char *request, int32_t prompt_tokens);
void journal_give(struct journal_slot *slot); /* NULL allowed */

/* Of a request that an earlier server has left. NULL: it had not begun. */
const struct journal_slot *journal_find(const struct journal *journal, const char *request);
/* Forgets what earlier servers have left. */
void journal_clear(struct journal *journal);

#endif
