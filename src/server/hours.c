/* hours.c - see hours.h. */
#include "server/hours.h"

#include "base/clock.h"
#include "server/account/calendar.h"
#include "server/account/teller.h"
#include "server/api.h"

#include <stdlib.h>

enum { PERIOD_SECONDS = 60 };

struct hours_task {
    struct teller_task task;
    const char *server; /* lives as long as the journal */
    int64_t up, busy;   /* milliseconds */
};

static enum status write_work(struct teller_task *task, struct ledger *ledger, int64_t now) {
    const struct hours_task *own = (struct hours_task *)task;
    return ledger_add_hours(ledger, own->server, day_of(now), own->up, own->busy);
}

static void written(struct teller_task *task) {
    free(task);
}

static double busy_seconds(const struct api *api) {
    struct service_counts counts;
    service_counts(api->service, &counts);
    return counts.step_seconds;
}

void hours_begin(struct api *api) {
    api->hours = (struct hours){clock_seconds(), 0};
}

/* Without memory for it now, the next time writes both. */
void hours_write(struct api *api, bool now) {
    const double up = clock_seconds() - api->hours.up;
    if (!api->teller || !api->service || (!now && up < PERIOD_SECONDS)) return;
    struct hours_task *own = calloc(1, sizeof *own);
    if (!own) return;
    const double busy = busy_seconds(api);
    *own = (struct hours_task){
        .task = {.work = write_work, .done = written, .insists = true, .lazy = !now},
        .server = journal_server(teller_journal(api->teller)),
        .up = (int64_t)(up * 1000),
        .busy = (int64_t)((busy - api->hours.busy) * 1000),
    };
    api->hours.up += (double)own->up / 1000;
    api->hours.busy += (double)own->busy / 1000;
    teller_push(api->teller, &own->task);
}
