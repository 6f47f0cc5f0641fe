/* ledger.h - money that only moves: double entry over books, reservations before a request, charges after it.
 *
 * Every change is a transfer of two or more entries that sum up to zero; entries never change. A book's balance is kept
 * beside them, in the same transaction. An account has a book of what it topped up, one for each grant, and one of what is
 * reserved; the house has cash, grants, revenue and expired grants, by currency. What is granted is spent first, the
 * grant that expires first before others, and given back last.
 *
 * A request's id makes all that is done for it happen once: settling it again changes nothing. Every function runs inside
 * a transaction of the caller's, on the thread that owns the store. */
#ifndef HADAL_SERVER_ACCOUNT_LEDGER_H
#define HADAL_SERVER_ACCOUNT_LEDGER_H

#include "server/account/bill.h"
#include "server/account/store.h"

enum { LEDGER_NAME_BYTES = 65, LEDGER_LISTS = 8, LEDGER_MODEL_BYTES = 129, LEDGER_ID_BYTES = 65 };

struct ledger {
    struct store *store;
    struct {
        int64_t id; /* 0: empty */
        struct price_list list;
    } list[LEDGER_LISTS]; /* those that were asked for last */
    int next_list;
};
void ledger_close(struct ledger *ledger); /* forgets lists of prices; the store is its owner's */

/* ---- books ---- */

struct ledger_entry {
    char book[LEDGER_NAME_BYTES];
    int64_t amount;
};
enum { LEDGER_ENTRIES = 64 };
struct ledger_transfer {
    const char *kind; /* "topup" */
    int64_t time, account;
    const char *request, *note;
    struct ledger_entry entry[LEDGER_ENTRIES];
    int entries;
    int64_t id; /* given */
};
/* Entries of nothing are left out. */
void ledger_add(struct ledger_transfer *transfer, const char *book, int64_t amount);
must_use enum status ledger_post(struct ledger *ledger, struct ledger_transfer *transfer);

struct ledger_balance {
    int64_t granted, topped, reserved; /* granted: what has not expired */
    int64_t warn_below;                /* -1: never */
    char currency[CURRENCY_BYTES];
};
must_use enum status ledger_balance(struct ledger *ledger, int64_t account, int64_t now,
                                    struct ledger_balance *balance);

must_use enum status ledger_topup(struct ledger *ledger, int64_t account, int64_t amount, int64_t now,
                                  const char *note);
/* expires 0: never. */
must_use enum status ledger_grant(struct ledger *ledger, int64_t account, int64_t amount, int64_t expires,
                                  int64_t now, const char *note);
/* Takes what was topped up back out: STATUS_INPUT when there is less. */
must_use enum status ledger_withdraw(struct ledger *ledger, int64_t account, int64_t amount, int64_t now,
                                     const char *note);
/* Books grants that have expired as such; how many there were. */
must_use enum status ledger_expire(struct ledger *ledger, int64_t now, int64_t *grants);

/* ---- hours ---- */

/* Milliseconds that a server was there, and computed, on a day of UTC. */
must_use enum status ledger_add_hours(struct ledger *ledger, const char *server, int64_t day, int64_t up,
                                      int64_t busy);

/* ---- prices ---- */

/* Adds a list, which is the one in force from now on; an equal one that is in force already stays. */
must_use enum status ledger_set_prices(struct ledger *ledger, const char *name, int64_t now);
must_use enum status ledger_add_prices(struct ledger *ledger, const char *name, const char *text,
                                       int64_t frozen, int64_t now);
/* id 0: the one in force. STATUS_NOT_FOUND: there is none. */
must_use enum status ledger_prices(struct ledger *ledger, int64_t *id, const struct price_list **list);

/* ---- requests ---- */

struct ledger_hold {
    const char *request, *server, *model;
    int64_t account, key;
    int64_t prompt_tokens,
        most_tokens;      /* most_tokens: that may be generated, all answers together; 0: no model is asked */
    int64_t least_tokens; /* one for each answer, without which there is none; 0: one */
    struct bill_units calls; /* of tools, at most; those without a price cost nothing */
    int64_t now;
    /* given */
    int64_t amount;
    int64_t tokens; /* that the reservation pays for, from least_tokens to most_tokens */
};
enum { LEDGER_HOLD_SECONDS = 86400 };

/* Reserves what the request may cost at most, or what there is. What it refuses with:
 *     STATUS_PAYMENT    the balance, or the key's cap, does not pay for the prompt and the least tokens
 *     STATUS_BUSY       the account has as many requests as it may
 *     STATUS_NOT_FOUND  there is no price */
must_use enum status ledger_reserve(struct ledger *ledger, struct ledger_hold *hold);

struct ledger_use {
    const char *request, *finish;
    struct bill_units units;
    int64_t now;
    /* given */
    int64_t amount, account;
    bool repeated;   /* it was settled before: nothing changed */
    bool low;        /* the balance fell below the account's mark by this */
    int64_t balance; /* what is left */
    char name[LEDGER_NAME_BYTES], model[LEDGER_MODEL_BYTES], currency[CURRENCY_BYTES];
    char group[LEDGER_NAME_BYTES]; /* of the account; "" of what was settled before */
};
/* Charges what was used and gives the rest back. STATUS_NOT_FOUND: nothing is reserved for this request. */
must_use enum status ledger_settle(struct ledger *ledger, struct ledger_use *use);
/* The request is in the log of the server: its reservation may be forgotten. */
must_use enum status ledger_forget(struct ledger *ledger, const char *request);

/* Every reservation of a server that is left, as ledger_use with what is known: of those that are settled but perhaps not in
 * its log, what was charged. */
typedef enum status ledger_left(void *context, const char *request, bool settled);
must_use enum status ledger_find_left(struct ledger *ledger, const char *server, ledger_left *left,
                                      void *context);
/* Of a charge that was made. */
must_use enum status ledger_find_charge(struct ledger *ledger, struct ledger_use *use);

#endif
