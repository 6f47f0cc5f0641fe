/* calendar.c - see calendar.h. Years begin in March, so that the leap day is the last of its year. */
#include "server/account/calendar.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { ERA_DAYS = 146097, ERA_YEARS = 400, DAYS_TO_1970 = 719468 /* from 0000-03-01 */ };

static int64_t floor_divide(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

int64_t day_of(int64_t seconds) {
    return floor_divide(seconds, DAY_SECONDS);
}

int weekday_of(int64_t day) {
    const int64_t from_monday = day + 3; /* 1970-01-01 was a Thursday */
    return (int)(from_monday - floor_divide(from_monday, 7) * 7);
}

static int64_t day_from_date(int64_t year, int month, int of_month) {
    if (month <= 2) year--;
    const int64_t era = floor_divide(year, ERA_YEARS), of_era = year - era * ERA_YEARS;
    const int of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + of_month - 1;
    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970;
}

static void date_from_day(int64_t day, int64_t *year, int *month, int *of_month) {
    day += DAYS_TO_1970;
    const int64_t era = floor_divide(day, ERA_DAYS), of_era = day - era * ERA_DAYS;
    const int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int of_year = (int)(of_era - (365 * years + years / 4 - years / 100)),
              third = (5 * of_year + 2) / 153;
    *of_month = of_year - (153 * third + 2) / 5 + 1;
    *month = third < 10 ? third + 3 : third - 9;
    *year = years + era * ERA_YEARS + (*month <= 2);
}

/* Exactly `digits` digits; -1: they are not there. */
static int number_at(const char *text, size_t digits) {
    int value = 0;
    for (size_t i = 0; i < digits; i++) {
        if (!isdigit((unsigned char)text[i])) return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

bool day_parse(const char *text, size_t bytes, int64_t *day) {
    if (bytes != 10 || text[4] != '-' || text[7] != '-') return false;
    const int year = number_at(text, 4), month = number_at(text + 5, 2), of_month = number_at(text + 8, 2);
    int64_t year_back;
    int month_back, of_month_back;
    if (year < 0 || month < 1 || month > 12 || of_month < 1) return false;
    *day = day_from_date(year, month, of_month);
    date_from_day(*day, &year_back, &month_back, &of_month_back);
    return year == year_back && month == month_back && of_month == of_month_back;
}

const char *day_print(int64_t day, char text[DATE_TEXT_BYTES]) {
    int64_t year;
    int month, of_month;
    date_from_day(day, &year, &month, &of_month);
    snprintf(text, DATE_TEXT_BYTES, "%04d-%02d-%02d", (int)(year % 10000), month % 100, of_month % 100);
    return text;
}

bool month_end_parse(const char *text, int64_t *day) {
    if (strlen(text) != 7 || text[4] != '-') return false;
    const int year = number_at(text, 4), month = number_at(text + 5, 2);
    if (year < 0 || month < 1 || month > 12) return false;
    *day = month == 12 ? day_from_date(year + 1, 1, 1) : day_from_date(year, month + 1, 1);
    return true;
}

bool minute_parse(const char *text, int *minute) {
    if (strlen(text) != 5 || text[2] != ':') return false;
    const int hours = number_at(text, 2), minutes = number_at(text + 3, 2);
    *minute = hours * 60 + minutes;
    return hours >= 0 && minutes >= 0 && minutes < 60 && *minute <= 24 * 60;
}

bool zone_parse(const char *text, int *offset_seconds) {
    static const struct {
        const char *name;
        int hours;
    } zones[] = {
        {"UTC", 0},        {"Z", 0},          {"GMT", 0},       {"Asia/Shanghai", 8}, {"Asia/Singapore", 8},
        {"Asia/Tokyo", 9}, {"Asia/Seoul", 9}, {"Asia/Dubai", 4}};
    int minute;
    for (size_t i = 0; i < COUNT_OF(zones); i++)
        if (!strcmp(text, zones[i].name)) {
            *offset_seconds = zones[i].hours * 3600;
            return true;
        }
    if ((*text != '+' && *text != '-') || !minute_parse(text + 1, &minute) || minute > 14 * 60) return false;
    *offset_seconds = (*text == '-' ? -60 : 60) * minute;
    return true;
}

enum status instant_parse(const char *text, const char *what, int64_t *seconds) {
    int minute = 0, second = 0, offset = 0;
    int64_t day;
    const char *at = text + 10;
    bool right = strlen(text) >= 10 && strlen(text) < INSTANT_TEXT_BYTES && day_parse(text, 10, &day);
    if (right && *at) {
        char time[6] = "";
        right = *at == 'T' || *at == ' ';
        if (right) snprintf(time, sizeof time, "%.5s", at + 1);
        right = right && minute_parse(time, &minute);
        if (right) at += 6;
        if (right && *at == ':') {
            second = at[1] && at[2] ? number_at(at + 1, 2) : -1;
            right = second >= 0 && second < 60;
            if (right) at += 3;
        }
        right = right && zone_parse(at, &offset);
    }
    if (!right)
        return fail(STATUS_INPUT, "%s: '%.40s' is no time such as 2026-02-28 or 2026-02-28T16:30:00Z", what,
                    text);
    *seconds = day * DAY_SECONDS + minute * 60 + second - offset;
    return STATUS_OK;
}

const char *instant_print(int64_t seconds, char text[INSTANT_TEXT_BYTES]) {
    char date[DATE_TEXT_BYTES];
    const int64_t day = day_of(seconds);
    const unsigned rest = (unsigned)(seconds - day * DAY_SECONDS) % DAY_SECONDS;
    snprintf(text, INSTANT_TEXT_BYTES, "%.10sT%02u:%02u:%02uZ", day_print(day, date), rest / 3600,
             rest / 60 % 60, rest % 60);
    return text;
}
