/* teller.h - the thread that owns the accounts' database: tasks in, results out.
 *
 * What only reads has a thread and a connection of its own (reader.h): an audit of years holds up no charge. The others
 * are done in order, many in one transaction where the database is this server's own; a task that fails is taken back
 * alone. What a task has changed is on the disk before anybody hears of it. Results come to the thread of the event base, or
 * to the thread that waits. */
#ifndef HADAL_SERVER_ACCOUNT_TELLER_H
#define HADAL_SERVER_ACCOUNT_TELLER_H

#include "server/account/identity.h"
#include "server/account/journal.h"
#include "server/account/ledger.h"

struct event_base;
struct teller;
struct teller_task;

enum { TELLER_SENTENCE = 256 };

typedef enum status teller_work(struct teller_task *task, struct ledger *ledger, int64_t now);

/* The head of a task's own struct; it belongs to the teller until `done`. */
struct teller_task {
    struct teller_task *next;
    teller_work *work;                      /* on the teller's thread, inside a transaction */
    void (*done)(struct teller_task *task); /* on the base's thread; frees the task */
    bool insists;                           /* tried again until it succeeds, or is not found */
    bool lazy;                              /* waits for company: nobody waits for it */
    bool reads;                             /* changes nothing: on the reader's thread, beside the others */
    enum status status;
    char sentence[TELLER_SENTENCE];
    struct teller_wait *wait;
};

struct teller_options {
    const char *where, *journal; /* journal: a file */
    const char *prices;          /* NULL: those in force */
    struct event_base *base;
    void (*log)(void *context, const char *line); /* NULL: none */
    void *log_context;
    void (*notice)(void *context, const char *sentence); /* for the operator, once: the first key */
    void *notice_context;
};

/* Opens the database, makes the first account, settles what an earlier server has left, and starts the thread. */
must_use enum status teller_open(struct teller **teller, const struct teller_options *options);
/* Does what is left to do, hands its results out, and ends the thread. NULL allowed. */
void teller_close(struct teller *teller);

void teller_push(struct teller *teller, struct teller_task *task);
/* Waits for the result, which is the task's status with its sentence; not on the base's thread. */
must_use enum status teller_call(struct teller *teller, struct teller_task *task);

struct journal *teller_journal(struct teller *teller);

/* A line of the log for a charge: what an earlier server may have left unsaid. */
void teller_log_charge(struct buffer *line, const struct ledger_use *use, int64_t now);

#endif
