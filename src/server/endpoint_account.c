/* endpoint_account.c - accounts over HTTP: GET /user/balance, and the actions of `hadal account` as POST /admin/ACTION
 * with the key of an admin, or /account/ACTION, rows of their own, for the owner of a key. A space in an action's name is a
 * slash. Whoever accepts text/csv gets lists as CSV. */
#include "base/clock.h"
#include "server/account/admin.h"
#include "server/account/teller.h"
#include "server/endpoints.h"
#include "text/chat.h"
#include "text/json_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_BYTES = 4 << 20, ACTION_BYTES = 32 };

struct account_task {
    struct teller_task task;
    struct api *api;
    struct http_exchange *exchange; /* NULL: the client is gone */
    const struct admin_action *action;
    json_t *arguments, *answer;
    int64_t account, owner; /* owner 0: an operator's action */
    bool csv;
    struct ledger_balance balance;
};

static void gone(void *context) {
    ((struct account_task *)context)->exchange = NULL;
}

static void free_task(struct account_task *own) {
    json_decref(own->arguments);
    json_decref(own->answer);
    free(own);
}

static struct account_task *make_task(struct api *api, struct http_exchange *exchange, teller_work *work,
                                      void (*done)(struct teller_task *task)) {
    struct account_task *own = calloc(1, sizeof *own);
    if (!own) {
        api_reply_error(exchange, api_refuse, 503, "out of memory for the request");
        return NULL;
    }
    *own = (struct account_task){.task = {.work = work, .done = done},
                                 .api = api,
                                 .exchange = exchange,
                                 .account = api->caller->account};
    http_on_gone(exchange, gone, own);
    return own;
}

/* True: the exchange is there and waits for an answer, which is not a failure. */
static bool may_answer(struct account_task *own) {
    if (!own->exchange) return false;
    http_on_gone(own->exchange, NULL, NULL);
    if (own->task.status == STATUS_OK) return true;
    api_reply_failure(own->exchange, api_refuse, own->task.status, own->task.sentence);
    return false;
}

/* ---- the balance ---- */

static enum status balance_work(struct teller_task *task, struct ledger *ledger, int64_t now) {
    struct account_task *own = (struct account_task *)task;
    return ledger_balance(ledger, own->account, now, &own->balance);
}

static void balance_done(struct teller_task *task) {
    struct account_task *own = (struct account_task *)task;
    const struct ledger_balance *balance = &own->balance;
    char total[MONEY_TEXT_BYTES], granted[MONEY_TEXT_BYTES], topped[MONEY_TEXT_BYTES];
    struct buffer out = {0};
    if (may_answer(own)) {
        buffer_printf(&out,
                      "{\"is_available\":%s,\"balance_infos\":[{\"currency\":\"%s\",\"total_balance\":\"%s\","
                      "\"granted_balance\":\"%s\",\"topped_up_balance\":\"%s\"}]}",
                      balance->granted + balance->topped > 0 ? "true" : "false", balance->currency,
                      money_print(balance->granted + balance->topped, total),
                      money_print(balance->granted, granted), money_print(balance->topped, topped));
        api_reply_json(own->exchange, &out);
    }
    buffer_free(&out);
    free_task(own);
}

/* Keys of a file, and no keys at all, have no balance that could end. */
void endpoint_balance(struct api *api, struct http_exchange *exchange, const char *account) {
    static const char unbounded[] = "{\"is_available\":true,\"balance_infos\":[]}";
    (void)account;
    if (!api->teller) {
        http_reply(exchange, 200, "application/json", unbounded, sizeof unbounded - 1);
        return;
    }
    struct account_task *own = make_task(api, exchange, balance_work, balance_done);
    if (own) teller_push(api->teller, &own->task);
}

/* ---- actions ---- */

static enum status action_work(struct teller_task *task, struct ledger *ledger, int64_t now) {
    struct account_task *own = (struct account_task *)task;
    json_decref(own->answer);
    const struct admin_order order = {own->action, own->arguments, own->owner, now};
    return admin_run(ledger, &order, &own->answer);
}

static void reply_csv(struct account_task *own) {
    struct buffer out = {0};
    const enum status status = admin_print_csv(own->answer, &out);
    http_header_add(own->exchange, "Content-Disposition", "attachment; filename=\"hadal.csv\"");
    if (status == STATUS_OK)
        http_reply(own->exchange, 200, "text/csv; charset=utf-8", out.data ? out.data : "", out.bytes);
    else
        api_reply_failure(own->exchange, api_refuse, status, status_message());
    buffer_free(&out);
}

static void reply_json(struct account_task *own) {
    char *text = json_dumps(own->answer, JSON_COMPACT);
    if (text)
        http_reply(own->exchange, 200, "application/json", text, strlen(text));
    else
        api_reply_error(own->exchange, api_refuse, 500, "the answer does not fit into memory");
    free(text);
}

static void action_done(struct teller_task *task) {
    struct account_task *own = (struct account_task *)task;
    if (may_answer(own)) {
        if (own->csv)
            reply_csv(own);
        else
            reply_json(own);
    }
    free_task(own);
}

/* "/admin/key/add" -> the action "key add", and whose it is to do. */
static const struct admin_action *action_of(const char *path, bool *own) {
    char name[ACTION_BYTES];
    if (!strncmp(path, "/v1/", 4)) path += 3;
    *own = !strncmp(path, "/account/", 9);
    if (!*own && strncmp(path, "/admin/", 7)) return NULL;
    snprintf(name, sizeof name, "%.31s", path + (*own ? 9 : 7));
    char *slash = strchr(name, '/');
    if (slash) *slash = ' ';
    return *own ? admin_own_find(name) : admin_action_find(name);
}

/* A name of prices would be a file of this machine. */
static enum status check_prices(const json_t *arguments) {
    const char *prices = json_string_value(json_object_get(arguments, "prices"));
    if (!prices || json_object_get(arguments, "content") || price_is_preset(prices)) return STATUS_OK;
    return fail(STATUS_INPUT, "prices: must be the name of a preset, or come with content");
}

/* A key that is limited does not make, change or end others. */
static enum status check_own(const struct api *api, const struct admin_action *action) {
    if (api->caller->limited && !strncmp(action->name, "key ", 4) && strcmp(action->name, "key list"))
        return fail(STATUS_FORBIDDEN, "this key has limits: it makes and ends no keys");
    return STATUS_OK;
}

static enum status read_arguments(const struct api *api, const struct http_request *request,
                                  const struct admin_action *action, bool own, json_t **arguments) {
    const bool empty = request->body_bytes == 0;
    const char *body = empty ? "{}" : request->body;
    if (request->body_bytes > BODY_BYTES)
        return fail(STATUS_LIMIT, "the body has more than %d bytes", BODY_BYTES);
    TRY(chat_json_check(body, strlen(body), "request"));
    TRY(json_parse(body, empty ? 2 : request->body_bytes, "request", arguments));
    if (!json_is_object(*arguments)) return fail(STATUS_INPUT, "request: must be a JSON object");
    TRY(check_prices(*arguments));
    return own ? check_own(api, action) : STATUS_OK;
}

static bool is_admin(const struct api *api, struct http_exchange *exchange) {
    if (api->caller && api->caller->admin && !api->caller->limited) return true;
    api_reply_error(exchange, api_refuse, 403, "this is for the key of an admin, without limits");
    return false;
}

static bool accepts_csv(const struct http_request *request) {
    const char *accept = http_header_find(request, "accept");
    return accept && strstr(accept, "text/csv");
}

void endpoint_admin(struct api *api, struct http_exchange *exchange, const char *account) {
    const struct http_request *request = http_request_of(exchange);
    json_t *arguments = NULL;
    bool own = false;
    (void)account;
    const struct admin_action *action = api->teller ? action_of(request->path, &own) : NULL;
    if (!action) {
        api_reply_error(exchange, api_refuse, 404, "there is nothing under this path");
        return;
    }
    if (!own && !is_admin(api, exchange)) return;
    enum status status = read_arguments(api, request, action, own, &arguments);
    struct account_task *task = NULL;
    if (status != STATUS_OK)
        api_reply_failure(exchange, api_refuse, status, status_message());
    else
        task = make_task(api, exchange, action_work, action_done);
    if (!task) {
        json_decref(arguments);
        return;
    }
    task->action = action;
    task->arguments = arguments;
    task->owner = own ? api->caller->account : 0;
    task->csv = accepts_csv(request);
    task->task.reads = action->reads;
    teller_push(api->teller, &task->task);
}

/* ---- load ---- */

/* Counters and the clock, so that whoever asks twice has what happened in between. */
void endpoint_load(struct api *api, struct http_exchange *exchange, const char *account) {
    struct service_counts counts;
    struct buffer out = {0};
    (void)account;
    if (!api->teller) {
        api_reply_error(exchange, api_refuse, 404, "there is nothing under this path");
        return;
    }
    if (!is_admin(api, exchange)) return;
    service_counts(api->service, &counts);
    buffer_printf(&out,
                  "{\"seconds\":%.6f,\"running\":%d,\"waiting\":%d,\"parallel\":%d,\"pages\":%d,"
                  "\"free_pages\":%d,\"cached_pages\":%d,\"context\":%lld,\"requests\":%lld,\"refused\":%lld,"
                  "\"prompt_tokens\":%lld,\"hit_tokens\":%lld,\"generated_tokens\":%lld,\"steps\":%lld,"
                  "\"step_seconds\":%.6f,\"started\":%lld,\"model\":",
                  clock_seconds(), counts.running, counts.waiting, service_engine(api->service)->sequences,
                  counts.pages, counts.free_pages, counts.cached_pages,
                  (long long)service_engine(api->service)->context, (long long)api->counts.requests,
                  (long long)api->counts.refused, (long long)counts.prompt_tokens,
                  (long long)counts.hit_tokens, (long long)counts.generated_tokens, (long long)counts.steps,
                  counts.step_seconds, (long long)api->started);
    json_print_text(&out, api->model.name, strlen(api->model.name));
    buffer_append_char(&out, '}');
    api_reply_json(exchange, &out);
    buffer_free(&out);
}
