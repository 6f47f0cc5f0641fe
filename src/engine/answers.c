/* answers.c - a scheduler and a loop; see answers.h. */
#include "engine/answers.h"

#include "engine/schedule.h"

#include <stdlib.h>
#include <string.h>

struct answers {
    struct scheduler scheduler;
};

enum { STEP_SECONDS = 3600 }; /* nobody waits for the first token: prompts take all rows that there are */

static void leave(void *context, struct request *request) {
    (void)context;
    (void)request;
}

static void gone(void *context) {
    (void)context;
}

enum status answers_open(struct answers **answers, struct engine *engine) {
    struct answers *made = calloc(1, sizeof *made);
    *answers = NULL;
    if (!made) return fail(STATUS_MEMORY, "no memory for a batch of answers");
    if (engine->model.max_rows < engine->sequences) {
        free(made);
        return fail(STATUS_INPUT, "steps of %d rows are too small for %d answers at once",
                    engine->model.max_rows, engine->sequences);
    }
    enum status status = scheduler_open(&made->scheduler, engine, STEP_SECONDS, SPECULATE_OFF);
    if (status != STATUS_OK) {
        free(made);
        return status;
    }
    made->scheduler.leave = leave;
    made->scheduler.gone = gone;
    *answers = made;
    return STATUS_OK;
}

void answers_close(struct answers *answers) {
    if (!answers) return;
    scheduler_close(&answers->scheduler);
    free(answers);
}

/* What the listener of a request hears, with the number that the caller knows it by. */
struct relay {
    const struct service_request *request;
    struct first_failure {
        enum status status;
        char message[512];
    } * failure;
};

static void hear(void *context, const struct service_event *event) {
    const struct relay *relay = context;
    if (event->kind == SERVICE_END && event->status != STATUS_OK && relay->failure->status == STATUS_OK) {
        relay->failure->status = event->status;
        strncpy(relay->failure->message, event->message, sizeof relay->failure->message - 1);
    }
    relay->request->listener(relay->request->context, event);
}

static enum status add(struct answers *answers, struct relay *relay, uint64_t number) {
    struct service_request request = *relay->request;
    struct request *made;
    request.listener = hear;
    request.context = relay;
    TRY(request_open(&made, answers->scheduler.engine, &request));
    made->number = number;
    scheduler_add(&answers->scheduler, made);
    return STATUS_OK;
}

static enum status run(struct answers *answers, struct relay *relay, int count,
                       const struct first_failure *failure, bool (*going)(void *context), void *context) {
    for (int i = 0; i < count; i++) TRY(add(answers, &relay[i], (uint64_t)i));
    while (!scheduler_idle(&answers->scheduler)) {
        if (going && !going(context)) return fail(STATUS_CANCELLED, "stopped while answers were made");
        scheduler_advance(&answers->scheduler);
        if (failure->status != STATUS_OK) break;
    }
    return failure->status == STATUS_OK ? STATUS_OK : fail(failure->status, "%s", failure->message);
}

enum status answers_run(struct answers *answers, const struct service_request *request, int count,
                        bool (*going)(void *context), void *context) {
    struct first_failure failure = {0};
    struct relay *relay = calloc((size_t)(count ? count : 1), sizeof *relay);
    if (!relay) return fail(STATUS_MEMORY, "no memory for %d requests", count);
    for (int i = 0; i < count; i++) relay[i] = (struct relay){&request[i], &failure};
    enum status status = run(answers, relay, count, &failure, going, context);
    if (status != STATUS_OK) {
        char message[512] = "";
        strncpy(message, status_message(), sizeof message - 1);
        scheduler_abort(&answers->scheduler, status, message);
        status = fail(status, "%s", message);
    }
    free(relay);
    return status;
}
