/* reader.h - a thread with a connection of its own for what only reads accounts. Each task sees the database as it is when it
 * begins, however long it takes, and nobody who changes something waits for it. */
#ifndef HADAL_SERVER_ACCOUNT_READER_H
#define HADAL_SERVER_ACCOUNT_READER_H

#include "server/account/teller.h"

struct reader;

/* `finish` is called on the reader's thread with each task that is done. */
typedef void reader_finish(void *context, struct teller_task *task);

must_use enum status reader_open(struct reader **reader, const char *where, reader_finish *finish,
                                 void *context);
/* Ends the task that runs, which fails, and refuses those that wait. NULL allowed. */
void reader_close(struct reader *reader);
void reader_push(struct reader *reader, struct teller_task *task);

#endif
