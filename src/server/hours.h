/* hours.h - how long this server was there and how long it computed, written to the accounts each minute: what a day's cost
 * is reckoned from. On the thread of the network; a crash loses a minute. */
#ifndef HADAL_SERVER_HOURS_H
#define HADAL_SERVER_HOURS_H

#include <stdbool.h>

struct api;

struct hours {
    double up, busy; /* what was written: of clock_seconds(), and of the service's steps */
};

void hours_begin(struct api *api);
/* Writes what has come since, if that is a minute or `now` is true. Without accounts it does nothing. */
void hours_write(struct api *api, bool now);

#endif
