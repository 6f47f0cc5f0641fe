/* web_get.h - reading from the network what somebody else named: the address of each connection is checked when it is
 * made, so that neither a redirect nor a name that changes its address leads into the operator's own network.
 *
 * Blocking: for threads that may wait. A client may be used by several at once. */
#ifndef HADAL_SERVER_SEARCH_WEB_GET_H
#define HADAL_SERVER_SEARCH_WEB_GET_H

#include "base/buffer.h"

#include <stdatomic.h>

enum {
    WEB_URL_LIMIT = 2048,
    WEB_BODY_LIMIT = 4 << 20, /* bytes, unpacked */
    WEB_REDIRECTS = 5,
    WEB_CONNECT_SECONDS = 5,
    WEB_SECONDS = 15
};

struct web_client {
    const char *const *allow; /* "127.0.0.1:8080": what may be reached although it is not public */
    int allows;
    atomic_bool closing; /* transfers end soon */
};

struct web_request {
    const char *url;
    bool trusted;       /* the operator named it: any address and port, but no redirects */
    const char *secret; /* "Header: value" that goes with it, where it is trusted; NULL: none */
    const char *post;   /* JSON that is sent, where it is trusted; NULL: it is asked for */

    /* set by web_get(); the caller frees with web_request_free() */
    enum status status;
    char sentence[200]; /* of a failure */
    struct buffer body;
    char type[128]; /* content type, in lower case; "" when none was sent */
};

/* All at once, within WEB_SECONDS. */
void web_get(struct web_client *client, struct web_request *request, int requests);
void web_request_free(struct web_request *request);

#endif
