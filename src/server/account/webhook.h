/* webhook.h - calls an operator's address with JSON, on a thread of its own: nobody waits for somebody else's server. */
#ifndef HADAL_SERVER_ACCOUNT_WEBHOOK_H
#define HADAL_SERVER_ACCOUNT_WEBHOOK_H

#include "base/status.h"

struct webhook;

must_use enum status webhook_open(struct webhook **webhook);
/* Ends within seconds; what was not sent by then is lost. NULL allowed. */
void webhook_close(struct webhook *webhook);
/* From any thread. One call, tried three times; more than a few that wait are dropped. */
void webhook_send(struct webhook *webhook, const char *url, const char *json);

#endif
