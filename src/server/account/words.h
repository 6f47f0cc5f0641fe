/* words.h - the small lists that rows hold as text: names of models, addresses. Pure functions, any thread. */
#ifndef HADAL_SERVER_ACCOUNT_WORDS_H
#define HADAL_SERVER_ACCOUNT_WORDS_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether `word` is one of "a,b,c". */
bool words_have(const char *list, const char *word);

/* "10.0.0.0/8,2001:db8::/32,192.0.2.7": whether an address is in one of them. */
bool words_have_address(const char *list, const char *address);
/* Names the first that is neither an address nor a network. */
must_use enum status words_check_addresses(const char *list);

/* The first day of the month that a day is in, both counted from 1970. */
int64_t words_month_begin(int64_t day);

#endif
