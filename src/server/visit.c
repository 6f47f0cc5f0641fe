/* visit.c - see visit.h. */
#include "server/visit.h"

#include "server/account/teller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct visit {
    struct teller_task task;
    struct api *api;
    struct http_exchange *exchange; /* NULL: the client is gone */
    endpoint *handle;
    http_refusal *refuse;
    struct identity identity;
    char hash[KEY_HASH_TEXT_BYTES], address[64], tail[16];
};

/* Of a key only its last characters are said, and of a short one nothing. */
void visit_deny(struct http_exchange *exchange, http_refusal *refuse, const char *key, const char *why) {
    char sentence[160];
    const size_t bytes = key ? strlen(key) : 0;
    if (key)
        snprintf(sentence, sizeof sentence, "Authentication Fails, Your api key: ****%s %.100s",
                 bytes > 8 ? key + bytes - 4 : "", why);
    else
        snprintf(sentence, sizeof sentence, "Authentication Fails, no api key was given");
    api_reply_error(exchange, refuse, 401, sentence);
}

static enum status look_up(struct teller_task *task, struct ledger *ledger, int64_t now) {
    struct visit *visit = (struct visit *)task;
    return identity_find(ledger, visit->hash, visit->address, now, &visit->identity);
}

static void looked_up(struct teller_task *task) {
    struct visit *visit = (struct visit *)task;
    struct http_exchange *exchange = visit->exchange;
    if (exchange) {
        http_on_gone(exchange, NULL, NULL);
        if (task->status == STATUS_OK) {
            visit->api->caller = &visit->identity;
            visit->handle(visit->api, exchange, visit->identity.name);
            visit->api->caller = NULL;
        } else if (task->status == STATUS_DENIED) {
            visit_deny(exchange, visit->refuse, visit->tail, task->sentence);
        } else {
            api_reply_error(exchange, visit->refuse, 503, "the accounts are not available now");
        }
    }
    free(visit);
}

static void gone(void *context) {
    ((struct visit *)context)->exchange = NULL;
}

void visit_start(struct api *api, struct http_exchange *exchange, const char *key, endpoint *handle,
                 http_refusal *refuse) {
    struct visit *visit = key ? calloc(1, sizeof *visit) : NULL;
    if (!key) {
        visit_deny(exchange, refuse, NULL, "");
        return;
    }
    if (!visit) {
        api_reply_error(exchange, refuse, 503, "out of memory for the request");
        return;
    }
    *visit = (struct visit){.task = {.work = look_up, .done = looked_up},
                            .api = api,
                            .exchange = exchange,
                            .handle = handle,
                            .refuse = refuse};
    const size_t bytes = strlen(key), kept = bytes < sizeof visit->tail - 1 ? bytes : sizeof visit->tail - 1;
    snprintf(visit->address, sizeof visit->address, "%s", http_request_of(exchange)->client);
    snprintf(visit->tail, sizeof visit->tail, "%s", key + bytes - kept);
    secret_hash(key, visit->hash);
    http_on_gone(exchange, gone, visit);
    teller_push(api->teller, &visit->task);
}
