/* mailbox.h - what the engine's thread tells the network's: a queue that wakes an event base.
 *
 * Any thread may push; the thread of the base takes everything at once. Bounded by what requests may generate. */
#ifndef HADAL_SERVER_MAILBOX_H
#define HADAL_SERVER_MAILBOX_H

#include "engine/service.h"

struct event_base;
struct mailbox;

enum { MAIL_SENTENCE = 400 };

/* A copy of an event that owns what it points to. */
struct mail {
    struct mail *next;
    void *context;    /* of the request */
    uint64_t request; /* its number */
    enum service_event_kind kind;
    int choice_index;
    bool has_choice;
    struct choice choice; /* of a piece */
    enum finish finish;
    int stop; /* which stop text; -1: none */
    enum status status;
    struct service_usage usage; /* STARTED, END */
    size_t bytes;
    char text[]; /* [bytes + 1] a piece's, or the sentence of the end, cut to MAIL_SENTENCE */
};

/* `deliver` is called for each mail, in order, on the thread of the base. */
typedef void mail_deliver(void *context, const struct mail *mail);

must_use enum status mailbox_open(struct mailbox **mailbox, struct event_base *base, mail_deliver *deliver,
                                  void *context);
void mailbox_close(struct mailbox *mailbox); /* after everybody who pushes has ended; NULL allowed */

/* Memory for the last event of a request, taken beforehand so that an end is never lost. NULL: none is left. */
struct mail *mail_reserve(void);
/* False: out of memory, and the event is lost. `last` is where SERVICE_END goes, which then belongs to the mailbox. */
bool mailbox_push(struct mailbox *mailbox, void *context, const struct service_event *event,
                  struct mail *last);
/* Delivers what is there now, without waiting for the base. */
void mailbox_deliver(struct mailbox *mailbox);

#endif
