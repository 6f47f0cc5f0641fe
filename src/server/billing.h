/* billing.h - what a job has to do with money, where the server has accounts: reserved before it is submitted, counted
 * while it runs, charged when it ends. Without accounts these do nothing. */
#ifndef HADAL_SERVER_BILLING_H
#define HADAL_SERVER_BILLING_H

#include "server/account/ledger.h"

struct api;
struct job;
struct journal_slot;
struct service_event;

/* A job's part of the accounts. */
struct billing {
    int64_t account, key; /* 0: there are no accounts */
    struct journal_slot *slot;
    bool held;
};

/* A call of a tool that a client asks for: reserved before, charged where it succeeds. */
struct billing_call {
    struct api *api;
    int64_t account, key; /* 0: nothing is charged */
    char name[LEDGER_NAME_BYTES], id[64];
    enum price_class class;
};
/* On the network's thread: whose it is. */
void billing_call_open(struct billing_call *call, struct api *api, enum price_class class);
/* On a thread of a desk. STATUS_PAYMENT, STATUS_BUSY. */
must_use enum status billing_call_reserve(struct billing_call *call);
void billing_call_settle(struct billing_call *call, bool succeeded);

/* On a thread of the desk, which waits for the teller: reserves what the answers may cost, and bounds their length by what
 * is there. STATUS_PAYMENT, STATUS_BUSY, STATUS_FORBIDDEN. */
must_use enum status billing_reserve(struct job *job, int64_t prompt_tokens);
/* The service has refused what was reserved for. */
void billing_release(struct job *job);
/* On the engine's thread, with everything that a job's listener hears. */
void billing_count(struct job *job, const struct service_event *event);
/* On the network's thread, at the end: charges, and writes the line of the log once that is on the disk. */
void billing_end(struct job *job, enum status status, const char *sentence);

#endif
