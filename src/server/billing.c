/* billing.c - see billing.h. */
#include "server/billing.h"

#include "server/account/admin.h"
#include "server/account/teller.h"
#include "server/account/webhook.h"
#include "server/api.h"
#include "text/json_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reserving ---- */

struct hold_task {
    struct teller_task task;
    struct ledger_hold hold;
};

static enum status hold_work(struct teller_task *task, struct ledger *ledger, int64_t now) {
    struct hold_task *own = (struct hold_task *)task;
    own->hold.now = now;
    return ledger_reserve(ledger, &own->hold);
}

/* The name under which the model's prices are looked for: as it was asked for. */
static const char *priced_model(const struct job *job) {
    return job->order.model;
}

enum status billing_reserve(struct job *job, int64_t prompt_tokens) {
    struct order *order = &job->order;
    struct teller *teller = job->api->teller;
    const int64_t length = order->max_tokens >= 0 ? order->max_tokens : job->room;
    if (!teller) return STATUS_OK;
    if (strlen(job->order.model) >= LEDGER_MODEL_BYTES) return fail(STATUS_INPUT, "Model Not Exist");
    struct hold_task own = {.task = {.work = hold_work},
                            .hold = {.request = job->id,
                                     .server = journal_server(teller_journal(teller)),
                                     .model = priced_model(job),
                                     .account = job->billing.account,
                                     .key = job->billing.key,
                                     .prompt_tokens = prompt_tokens,
                                     .most_tokens = length > 0 ? length * order->choices : 1,
                                     .least_tokens = order->choices}};
    TRY(teller_call(teller, &own.task));
    job->billing.held = true;
    job->billing.slot = journal_take(teller_journal(teller), job->id, (int32_t)prompt_tokens);
    if (own.hold.tokens < own.hold.most_tokens) {
        order->max_tokens = own.hold.tokens / order->choices;
    }
    return STATUS_OK;
}

/* ---- counting ---- */

void billing_count(struct job *job, const struct service_event *event) {
    struct journal_slot *slot = job->billing.slot;
    if (!slot) return;
    if (event->kind == SERVICE_STARTED) {
        atomic_store(&slot->hit, event->usage->cache.hit_tokens);
        atomic_store(&slot->started, 1);
    } else if (event->kind == SERVICE_PIECE && event->piece->choice) {
        atomic_fetch_add(&slot->generated, 1);
    }
}

/* ---- charging ---- */

struct settle_task {
    struct teller_task task;
    struct api *api;
    struct ledger_use use;
    struct journal_slot *slot;
    struct buffer line; /* of the log, without its end; empty: none */
    char request[JOB_ID_BYTES], webhook[1024];
};

struct forget_task {
    struct teller_task task;
    char request[JOB_ID_BYTES];
};

static enum status settle_work(struct teller_task *task, struct ledger *ledger, int64_t now) {
    struct settle_task *own = (struct settle_task *)task;
    if (!own->use.now) own->use.now = now;
    TRY(ledger_settle(ledger, &own->use));
    return own->use.low ? setting_get(ledger, "webhook", own->webhook, sizeof own->webhook) : STATUS_OK;
}

static void warn(struct settle_task *own) {
    struct buffer json = {0};
    char balance[MONEY_TEXT_BYTES];
    if (!own->use.low || !*own->webhook) return;
    buffer_append_text(&json, "{\"event\":\"low_balance\",\"account\":");
    json_print_text(&json, own->use.name, strlen(own->use.name));
    buffer_printf(&json, ",\"currency\":\"%.3s\",\"balance\":\"%s\"}", own->use.currency,
                  money_print(own->use.balance, balance));
    if (!json.failed) webhook_send(own->api->webhook, own->webhook, json.data);
    buffer_free(&json);
}

static enum status forget_work(struct teller_task *task, struct ledger *ledger, int64_t now) {
    (void)now;
    return ledger_forget(ledger, ((struct forget_task *)task)->request);
}

static void forgotten(struct teller_task *task) {
    free(task);
}

static void write_line(struct settle_task *own) {
    char amount[MONEY_TEXT_BYTES];
    if (!own->line.bytes || !own->api->log) return;
    if (own->task.status == STATUS_OK)
        buffer_printf(&own->line, ",\"charged\":\"%s\",\"currency\":\"%.3s\"",
                      money_print(own->use.amount, amount), own->use.currency);
    buffer_append_char(&own->line, '}');
    if (!own->line.failed) own->api->log(own->api->log_context, own->line.data);
}

/* It is charged and said: what is kept for a crash is not needed any more. A charge that was not possible stays in the
 * journal, and the next start makes it. */
static void settled(struct teller_task *task) {
    struct settle_task *own = (struct settle_task *)task;
    struct forget_task *forget = calloc(1, sizeof *forget);
    write_line(own);
    if (own->task.status == STATUS_OK) {
        journal_give(own->slot);
        own->api->charges++;
        group_counts_add(&own->api->groups, &own->use);
        warn(own);
        if (forget) {
            forget->task = (struct teller_task){.work = forget_work, .done = forgotten, .lazy = true};
            memcpy(forget->request, own->request, sizeof forget->request);
            teller_push(own->api->teller, &forget->task);
            forget = NULL;
        }
    }
    free(forget);
    buffer_free(&own->line);
    free(own);
}

/* Any thread. Out of memory: the journal has the figures, for the next start. */
static void push_settlement(struct api *api, const char *request, const struct settle_task *filled) {
    struct settle_task *own = malloc(sizeof *own);
    if (!own) {
        struct buffer line = filled->line;
        buffer_free(&line);
        return;
    }
    *own = *filled;
    own->task = (struct teller_task){.work = settle_work, .done = settled, .insists = true};
    own->api = api;
    snprintf(own->request, sizeof own->request, "%s", request);
    own->use.request = own->request;
    teller_push(api->teller, &own->task);
}

static void settle(struct job *job, const struct bill_units *units, const char *finish, struct buffer *line) {
    job->billing.held = false;
    push_settlement(job->api, job->id,
                    &(struct settle_task){.use = {.finish = finish, .units = *units},
                                          .slot = job->billing.slot,
                                          .line = *line});
}

void billing_release(struct job *job) {
    struct buffer none = {0};
    if (job->billing.held) settle(job, &(struct bill_units){{0}}, "refused", &none);
}

/* A failure of the server's own, of which the client got nothing, costs nothing. */
static void count_units(const struct job *job, enum status status, struct bill_units *units) {
    const struct service_usage *usage = &job->usage;
    *units = (struct bill_units){{0}};
    if (!job->started || (status != STATUS_OK && !job->streaming)) return;
    units->units[PRICE_HIT] = usage->cache.hit_tokens;
    units->units[PRICE_MISS] = usage->prompt_tokens - usage->cache.hit_tokens;
    units->units[PRICE_OUTPUT] = usage->generated_tokens - usage->reasoning_tokens;
    units->units[PRICE_REASONING] = usage->reasoning_tokens;
}

void billing_end(struct job *job, enum status status, const char *sentence) {
    struct bill_units units;
    struct buffer line = {0};
    if (!job->billing.held) {
        api_log_job(job->api, job, status, sentence);
        return;
    }
    count_units(job, status, &units);
    api_write_log(job->api, job, status, sentence, &line);
    settle(job, &units, job->answer ? finish_name(job->answer[0].finish) : "", &line);
}

/* ---- calls of tools ---- */

/* Under which prices of tools are looked for: those of "*" are what a list usually has. */
static const char tools_model[] = "tools";

void billing_call_open(struct billing_call *call, struct api *api, enum price_class class) {
    *call = (struct billing_call){.api = api, .class = class};
    if (!api->teller || !api->caller) return;
    call->account = api->caller->account;
    call->key = api->caller->key;
    snprintf(call->name, sizeof call->name, "%s", api->caller->name);
    job_make_id(call->id);
}

enum status billing_call_reserve(struct billing_call *call) {
    if (!call->account) return STATUS_OK;
    struct teller *teller = call->api->teller;
    struct hold_task own = {.task = {.work = hold_work},
                            .hold = {.request = call->id,
                                     .server = journal_server(teller_journal(teller)),
                                     .model = tools_model,
                                     .account = call->account,
                                     .key = call->key}};
    own.hold.calls.units[call->class] = 1;
    return teller_call(teller, &own.task);
}

void billing_call_settle(struct billing_call *call, bool succeeded) {
    struct settle_task filled = {.use = {.finish = succeeded ? "stop" : "failed"}};
    if (!call->account) return;
    filled.use.units.units[call->class] = succeeded;
    api_write_call_log(call->name, call->id, price_class_name(call->class), succeeded, &filled.line);
    push_settlement(call->api, call->id, &filled);
}
