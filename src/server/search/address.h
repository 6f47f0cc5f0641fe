/* address.h - which addresses belong to the public network. */
#ifndef HADAL_SERVER_SEARCH_ADDRESS_H
#define HADAL_SERVER_SEARCH_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* False for everything that is private, local, reserved, or carries such an IPv4 address inside an IPv6 one. */
bool address_is_public(const struct sockaddr *address);

/* "127.0.0.1:80" or "[::1]:80"; "" for other families. */
void address_print(const struct sockaddr *address, char *text, size_t bytes);

int address_port(const struct sockaddr *address);

#endif
