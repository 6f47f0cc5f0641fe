/* admin.h - everything that an operator does with accounts: one table of actions, which the command line and the HTTP API
 * share. Arguments come as a JSON object of strings and whole numbers, the answer is a JSON object.
 *
 * On the thread that owns the store. An action that changes something is one transaction of the caller's. */
#ifndef HADAL_SERVER_ACCOUNT_ADMIN_H
#define HADAL_SERVER_ACCOUNT_ADMIN_H

#include "server/account/ledger.h"

enum { ADMIN_FIELDS = 12 };

struct admin_call {
    struct ledger *ledger;
    const json_t *arguments;
    int64_t owner; /* the only account that it is about; 0: an operator's call */
    int64_t now;
    json_t *answer; /* an empty object, to be filled */
};

struct admin_action {
    const char *name;                 /* "key add" */
    const char *fields[ADMIN_FIELDS]; /* that it takes; those with "!" at the end are required */
    enum status (*run)(struct admin_call *call);
    const char *help;
    bool reads; /* changes nothing: it may run on a snapshot */
};

/* NULL behind the last. */
const struct admin_action *admin_action_at(int index);
const struct admin_action *admin_action_find(const char *name);
/* What the owner of a key may do for the account of the key: rows of their own, none of which takes an account. */
const struct admin_action *admin_own_at(int index);
const struct admin_action *admin_own_find(const char *name);

struct admin_order {
    const struct admin_action *action;
    const json_t *arguments;
    int64_t owner; /* of a key, whose action it is; 0: an operator */
    int64_t now;
};

/* Checks the names of arguments, runs the action, and gives the answer, which the caller releases. */
must_use enum status admin_run(struct ledger *ledger, const struct admin_order *order, json_t **answer);
/* The rows of an answer's "data" as CSV (RFC 4180). STATUS_USAGE: it has none. */
must_use enum status admin_print_csv(const json_t *answer, struct buffer *out);

/* A setting's value, "" where it has none. */
must_use enum status setting_get(struct ledger *ledger, const char *name, char *value, size_t bytes);

#endif
