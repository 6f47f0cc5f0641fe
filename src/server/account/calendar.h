/* calendar.h - days and hours of the Gregorian calendar, for windows of prices. Days count from 1970-01-01, seconds from
 * its midnight in UTC, leap seconds aside. Pure functions, any thread. */
#ifndef HADAL_SERVER_ACCOUNT_CALENDAR_H
#define HADAL_SERVER_ACCOUNT_CALENDAR_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { DAY_SECONDS = 86400, INSTANT_TEXT_BYTES = 32, DATE_TEXT_BYTES = 16 };

int64_t day_of(int64_t seconds); /* rounds down, also before 1970 */
int weekday_of(int64_t day);     /* 0: Monday */

/* "2026-02-28"; false when there is no such day. `bytes` of text, no more. */
bool day_parse(const char *text, size_t bytes, int64_t *day);
const char *day_print(int64_t day, char text[DATE_TEXT_BYTES]);
/* The first day of the month after that of `text`, "2025-02". */
bool month_end_parse(const char *text, int64_t *day);

/* "2026-02-28", "2026-02-28T16:30Z", "2026-02-28T16:30:00+08:00". `what` opens the sentence. */
must_use enum status instant_parse(const char *text, const char *what, int64_t *seconds);
const char *instant_print(int64_t seconds, char text[INSTANT_TEXT_BYTES]); /* in UTC */

/* "16:30" -> 990; "24:00" is the end of a day. */
bool minute_parse(const char *text, int *minute);
/* "UTC", "Asia/Shanghai" and its like, whose offset never changes, or "+08:00". */
bool zone_parse(const char *text, int *offset_seconds);

#endif
