/* capabilities.c - what this server can do and what it costs, for pages that offer it or say why they do not. */
#include "server/endpoints.h"

#include "base/version.h"
#include "server/account/admin.h"
#include "server/account/teller.h"
#include "server/document.h"
#include "server/search/search.h"
#include "text/json_print.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void write_offers(struct api *api, struct buffer *out) {
    const struct engine *engine = service_engine(api->service);
    const bool thinks = api->model.chats && chat_template_thinks(api->model.template, THINKING_ON);
    buffer_printf(out, "{\"version\":\"%s\",\"model\":", HADAL_VERSION);
    json_print_text(out, api->model.name, strlen(api->model.name));
    buffer_printf(
        out,
        ",\"context\":%lld,\"parallel\":%d,\"chat\":%s,\"thinking\":%s,"
        "\"search\":{\"available\":%s},\"documents\":{\"pdf\":%s,\"bytes_limit\":%d},\"accounts\":%s",
        (long long)engine->context, engine->sequences, api->model.chats ? "true" : "false",
        thinks ? "true" : "false", api->search && api->search->desk ? "true" : "false",
        document_converter() ? "true" : "false", DOCUMENT_BYTES_LIMIT, api->teller ? "true" : "false");
}

static void reply(struct api *api, struct http_exchange *exchange, const struct buffer *prices) {
    struct buffer out = {0};
    write_offers(api, &out);
    if (prices) {
        buffer_append_text(&out, ",\"prices\":");
        buffer_append(&out, prices->data, prices->bytes);
    }
    buffer_append_char(&out, '}');
    api_reply_json(exchange, &out);
    buffer_free(&out);
}

/* ---- what it costs at this moment ---- */

/* {"currency", "models": {MODEL: {CLASS: for a million}}, "calls": {CLASS: for a million}}; takes the objects over. */
static enum status write_prices(const char *currency, json_t *models, json_t *calls, struct buffer *out) {
    json_t *prices = json_pack("{s:s, s:o, s:o}", "currency", currency, "models", models, "calls", calls);
    char *text = json_dumps(prices, JSON_COMPACT);
    buffer_append_text(out, text ? text : "null");
    free(text);
    json_decref(prices);
    return buffer_check(out, "prices");
}

static void keep_price(json_t *models, json_t *calls, const char *model, enum price_class class,
                       json_t *price) {
    json_t *kept = calls;
    if (class <= PRICE_REASONING) {
        if (!json_object_get(models, model)) json_object_set_new(models, model, json_object());
        kept = json_object_get(models, model);
    }
    json_object_set_new(kept, price_class_name(class), price);
}

/* Where nothing is charged, a list says what it would cost. Prices are rounded to micro-units. */
static void list_prices(const struct api *api, struct buffer *out) {
    json_t *models = json_object(), *calls = json_object();
    for (int i = -1; i < api->model.aliases; i++)
        for (int class = 0; class < PRICE_CLASSES; class ++) {
            const char *model = i < 0 ? api->model.name : api->model.alias[i];
            struct price price;
            char text[MONEY_TEXT_BYTES];
            if (price_resolve(&api->prices, model, "USD", (enum price_class) class, time(NULL), &price) !=
                STATUS_OK)
                continue;
            const int64_t now = (int64_t)((__int128)price.price * price.multiplier / MICROS);
            keep_price(models, calls, model, (enum price_class) class, json_string(money_print(now, text)));
        }
    if (write_prices("USD", models, calls, out) != STATUS_OK) out->failed = true;
}

/* ---- of the account that asks ---- */

struct price_task {
    struct teller_task task;
    struct api *api;
    struct http_exchange *exchange; /* NULL: the client is gone */
    int64_t account;
    struct buffer models, prices;
};

static const char *text_of(const json_t *row, const char *name) {
    return json_string_value(json_object_get(row, name));
}

static enum status write_rows(const json_t *rows, struct buffer *out) {
    json_t *models = json_object(), *calls = json_object();
    const char *currency = "";
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        currency = text_of(row, "currency");
        for (int class = 0; class < PRICE_CLASSES; class ++)
            if (!strcmp(text_of(row, "class"), price_class_name((enum price_class) class)))
                keep_price(models, calls, text_of(row, "model"), (enum price_class) class,
                           json_incref(json_object_get(row, "now")));
    }
    return write_prices(currency, models, calls, out);
}

/* A list without prices for these models says none. */
static enum status price_work(struct teller_task *task, struct ledger *ledger, int64_t now) {
    struct price_task *own = (struct price_task *)task;
    json_t *arguments = json_pack("{s:s}", "models", own->models.data), *answer = NULL;
    const struct admin_order order = {admin_own_find("prices now"), arguments, own->account, now};
    if (!arguments) return fail(STATUS_MEMORY, "out of memory for prices");
    enum status status = admin_run(ledger, &order, &answer);
    if (status == STATUS_OK) status = write_rows(json_object_get(answer, "data"), &own->prices);
    json_decref(arguments);
    json_decref(answer);
    return status;
}

static void price_done(struct teller_task *task) {
    struct price_task *own = (struct price_task *)task;
    if (own->exchange) http_on_gone(own->exchange, NULL, NULL);
    if (own->exchange) reply(own->api, own->exchange, task->status == STATUS_OK ? &own->prices : NULL);
    buffer_free(&own->models);
    buffer_free(&own->prices);
    free(own);
}

static void gone(void *context) {
    ((struct price_task *)context)->exchange = NULL;
}

void endpoint_capabilities(struct api *api, struct http_exchange *exchange, const char *account) {
    struct price_task *own = api->teller ? calloc(1, sizeof *own) : NULL;
    (void)account;
    if (!own) {
        struct buffer prices = {0};
        if (api->prices.rows > 0) list_prices(api, &prices);
        reply(api, exchange, prices.bytes && !prices.failed ? &prices : NULL);
        buffer_free(&prices);
        return;
    }
    *own = (struct price_task){.task = {.work = price_work, .done = price_done, .reads = true},
                               .api = api,
                               .exchange = exchange,
                               .account = api->caller->account};
    buffer_append_text(&own->models, api->model.name);
    for (int i = 0; i < api->model.aliases; i++) {
        buffer_append_char(&own->models, ',');
        buffer_append_text(&own->models, api->model.alias[i]);
    }
    buffer_append_char(&own->models, '\0');
    if (own->models.failed) {
        buffer_free(&own->models);
        free(own);
        reply(api, exchange, NULL);
        return;
    }
    http_on_gone(exchange, gone, own);
    teller_push(api->teller, &own->task);
}
