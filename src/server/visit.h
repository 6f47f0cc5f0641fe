/* visit.h - a request whose key is looked up in the accounts before it is handled. On the network's thread. */
#ifndef HADAL_SERVER_VISIT_H
#define HADAL_SERVER_VISIT_H

#include "server/endpoints.h"

/* Goes on with `handle`, or refuses. key NULL: none was given. */
void visit_start(struct api *api, struct http_exchange *exchange, const char *key, endpoint *handle,
                 http_refusal *refuse);

/* What both ways of knowing keys say to a wrong one. `why`: "is invalid". */
void visit_deny(struct http_exchange *exchange, http_refusal *refuse, const char *key, const char *why);

#endif
