/* host_name.h - the name under which a client asks for a server, of its Host header. Pure, any thread.
 *
 * A web page whose name its owner lets point to 127.0.0.1 is, to the browser, a page of the server there, and reads
 * what it answers. Such a page has a public name, which nobody uses who means his own machine. */
#ifndef HADAL_SERVER_HOST_NAME_H
#define HADAL_SERVER_HOST_NAME_H

#include <stdbool.h>

/* True for an address in numbers, "localhost", other names without a dot, and what ends in .localhost, .local, .internal or
 * .home.arpa, none of which can be bought. `host` may have a port behind it. */
bool host_name_is_local(const char *host);
/* The same name, whatever the case and the port. */
bool host_name_is(const char *host, const char *name);

#endif
