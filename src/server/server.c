/* server.c - the parts put together: event base, listener, service, and the order in which they end. */
#include "server/server.h"

#include "base/clock.h"
#include "base/version.h"
#include "server/account/teller.h"
#include "server/account/webhook.h"
#include "server/api.h"
#include "server/search/search.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TICK_MILLISECONDS = 1000 };

struct server {
    struct event_base *base;
    struct http_server *http;
    struct api api;
    struct search search;
    struct arena arena; /* names, bos */
    struct event *tick, *stop;
    int stop_wake; /* eventfd */
    int stops;
    double drain_seconds, drain_end;
    void (*notice)(void *context, const char *sentence);
    void *notice_context;
};

/* ---- ticks and the end ---- */

static void on_tick(evutil_socket_t none, short what, void *context) {
    struct server *server = context;
    const double now = clock_seconds();
    (void)none;
    (void)what;
    for (struct job *job = server->api.first, *next; job; job = next) {
        next = job->next;
        job_keep_alive(job, now);
    }
    hours_write(&server->api, false);
    if (server->stops == 0) return;
    const bool idle = server->api.jobs == 0 && http_server_connections(server->http) == 0;
    if (idle || now >= server->drain_end) event_base_loopbreak(server->base);
}

static void on_stop(evutil_socket_t wake, short what, void *context) {
    struct server *server = context;
    eventfd_t count = 0;
    (void)what;
    (void)eventfd_read(wake, &count);
    server->stops += (int)count;
    if (server->stops > 1) event_base_loopbreak(server->base);
    server->drain_end = clock_seconds() + server->drain_seconds;
    service_drain(server->api.service);
    http_server_drain(server->http);
    if (server->stops == 1 && server->notice)
        server->notice(server->notice_context,
                       "stopping: running requests may end, new ones are refused; a second signal ends all");
    on_tick(-1, 0, server);
}

void server_stop(struct server *server) {
    (void)eventfd_write(server->stop_wake, 1);
}

static void deliver(void *context, const struct mail *mail) {
    (void)context;
    job_hear(mail->context, mail);
}

/* ---- opening ---- */

/* "deepseek-r1-q4.gguf" -> "deepseek-r1-q4"; of a directory, its last part. */
static enum status name_model(struct server *server, const struct server_options *options) {
    const char *path = options->service.engine.model.path, *end = path + strlen(path);
    if (!options->model_name) {
        while (end > path + 1 && end[-1] == '/') end--;
        const char *begin = end;
        while (begin > path && begin[-1] != '/') begin--;
        if (end - begin > 5 && !strncmp(end - 5, ".gguf", 5)) end -= 5;
        server->api.model.name = arena_copy(&server->arena, begin, (size_t)(end - begin));
    } else {
        server->api.model.name = arena_copy(&server->arena, options->model_name, strlen(options->model_name));
    }
    server->api.model.alias = options->alias;
    server->api.model.aliases = options->aliases;
    return server->api.model.name ? STATUS_OK : fail(STATUS_MEMORY, "out of memory for the model's name");
}

static enum status choose_template(struct server *server, const struct server_options *options) {
    const struct engine *engine = service_engine(server->api.service);
    struct api_model *model = &server->api.model;
    TRY(chat_bos(&engine->model.checkpoint, &server->arena, &model->bos));
    model->chats = true;
    if (options->chat_template) {
        if (chat_template_from_name(options->chat_template, &model->template)) return STATUS_OK;
        return fail(STATUS_USAGE, "\"%.64s\" is no chat template", options->chat_template);
    }
    model->chats = chat_template_choose(&engine->model.checkpoint, &model->template, NULL) == STATUS_OK;
    return STATUS_OK;
}

/* Tells models and versions of this program apart. */
static void make_fingerprint(struct api *api) {
    const struct model_desc *desc = &service_engine(api->service)->model.desc;
    const int64_t numbers[] = {desc->vocab, desc->width, desc->layers, desc->heads, desc->experts};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = HADAL_VERSION; *c; c++) hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    for (const char *c = api->model.name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        hash = (hash ^ (uint64_t)numbers[i]) * UINT64_C(0x100000001b3);
    snprintf(api->fingerprint, sizeof api->fingerprint, "fp_%010llx_hadal",
             (unsigned long long)(hash & UINT64_C(0xffffffffff)));
}

static bool is_loopback(const char *address) {
    return !strncmp(address, "127.", 4) || !strcmp(address, "::1");
}

static enum status open_keys(struct server *server, const struct server_options *options) {
    if (options->keys) return api_keys_open(&server->api.keys, options->keys);
    if (is_loopback(options->address) || options->accounts) return STATUS_OK;
    return fail(STATUS_USAGE,
                "%s can be reached from other machines: give a file of API keys with --api-keys, accounts "
                "with --accounts, or "
                "listen on 127.0.0.1",
                options->address);
}

static enum status open_accounts(struct server *server, const struct server_options *options) {
    const struct teller_options teller = {.where = options->accounts,
                                          .journal = options->journal,
                                          .prices = options->prices,
                                          .base = server->base,
                                          .log = options->log,
                                          .log_context = options->log_context,
                                          .notice = options->notice,
                                          .notice_context = options->log_context};
    if (!options->accounts)
        return options->prices ? price_list_open(&server->api.prices, options->prices) : STATUS_OK;
    if (options->keys) return fail(STATUS_USAGE, "keys are in a file or in accounts: choose one");
    TRY(webhook_open(&server->api.webhook));
    return teller_open(&server->api.teller, &teller);
}

static enum status open_http(struct server *server, const struct server_options *options) {
    struct http_options http = {.address = options->address,
                                .port = options->port,
                                .certificate = options->certificate,
                                .key = options->key,
                                .limits = http_limits_default(),
                                .handle = api_handle,
                                .refuse = api_refuse,
                                .refusal_type = "application/json",
                                .context = &server->api};
    if (options->body_bytes > 0) http.limits.body_bytes = (size_t)options->body_bytes;
    if (options->unsent_bytes > 0) http.limits.all_unsent_bytes = (size_t)options->unsent_bytes;
    if (options->connections > 0) http.limits.connections = options->connections;
    if (!options->certificate != !options->key)
        return fail(STATUS_USAGE, "TLS needs both a certificate and its key");
    server->api.reachable = !is_loopback(options->address);
    server->api.host = options->host;
    server->api.hosts = options->hosts;
    TRY(http_server_open(&server->http, server->base, &http));
    server->api.http = server->http;
    return STATUS_OK;
}

static enum status open_events(struct server *server) {
    const struct timeval period = {TICK_MILLISECONDS / 1000, TICK_MILLISECONDS % 1000 * 1000};
    server->base = event_base_new();
    if (!server->base) return fail(STATUS_MEMORY, "no event base for the server");
    server->api.base = server->base;
    server->stop_wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (server->stop_wake < 0) return fail(STATUS_IO, "no eventfd for the server: %s", strerror(errno));
    server->stop = event_new(server->base, server->stop_wake, EV_READ | EV_PERSIST, on_stop, server);
    server->tick = event_new(server->base, -1, EV_PERSIST, on_tick, server);
    if (!server->stop || !server->tick || event_add(server->stop, NULL) || event_add(server->tick, &period))
        return fail(STATUS_MEMORY, "out of memory for events of the server");
    TRY(mailbox_open(&server->api.mailbox, server->base, deliver, server));
    return desk_open(&server->api.desk, server->base);
}

/* What can be refused at once comes before the model, which may take long. */
static enum status open_parts(struct server *server, const struct server_options *options) {
    struct api *api = &server->api;
    /* before other threads draw random numbers and hash */
    if (sodium_init() < 0) return fail(STATUS_INTERNAL, "the library of hashes does not start");
    api->dialect = dialect_find(options->dialect ? options->dialect : "deepseek");
    if (!api->dialect) return fail(STATUS_USAGE, "\"%.64s\" is no dialect of the API", options->dialect);
    api->thinking_budget = options->thinking_budget;
    api->answer_tokens = options->answer_tokens;
    api->queue_seconds = options->queue_seconds;
    api->request_seconds = options->request_seconds;
    api->explain_cache = options->explain_cache;
    api->log = options->log;
    api->log_context = options->log_context;
    api->started = time(NULL);
    server->search.url = options->search;
    server->search.key_file = options->search_key;
    if (options->search_kind && !search_kind_from_name(options->search_kind, &server->search.kind))
        return fail(STATUS_USAGE, "\"%.64s\" is no kind of search engine", options->search_kind);
    server->search.client.allow = options->allow;
    server->search.client.allows = options->allows;
    api->search = &server->search;
    TRY(open_keys(server, options));
    TRY(open_events(server));
    TRY(open_accounts(server, options));
    TRY(search_open(&server->search, server->base));
    TRY(open_http(server, options));
    TRY(name_model(server, options));
    TRY(service_open(&api->service, &options->service));
    TRY(choose_template(server, options));
    make_fingerprint(api);
    hours_begin(api);
    return STATUS_OK;
}

enum status server_open(struct server **server, const struct server_options *options) {
    struct server *opened = calloc(1, sizeof *opened);
    *server = NULL;
    if (!opened) return fail(STATUS_MEMORY, "no memory for the server");
    opened->stop_wake = -1;
    pthread_mutex_init(&opened->api.trie_lock, NULL);
    opened->drain_seconds = options->drain_seconds;
    opened->notice = options->notice;
    opened->notice_context = options->log_context;
    enum status status = open_parts(opened, options);
    if (status == STATUS_OK)
        *server = opened;
    else
        server_close(opened);
    return status;
}

int server_port(const struct server *server) {
    return http_server_port(server->http);
}

const struct engine *server_engine(const struct server *server) {
    return service_engine(server->api.service);
}

enum status server_run(struct server *server) {
    return event_base_dispatch(server->base) < 0
               ? fail(STATUS_IO, "the event loop fails: %s", strerror(errno))
               : STATUS_OK;
}

/* Without clients jobs ask the desk and the engine for nothing any more; these end, so that no mail comes, and what it said last ends
 * the jobs. */
void server_close(struct server *server) {
    if (!server) return;
    http_server_close(server->http);
    search_close(&server->search);
    desk_close(server->api.desk);
    hours_write(&server->api, true);
    service_close(server->api.service);
    server->api.service = NULL; /* what it said last asks for nothing any more */
    if (server->api.mailbox) mailbox_deliver(server->api.mailbox);
    mailbox_close(server->api.mailbox);
    teller_close(server->api.teller);
    webhook_close(server->api.webhook);
    price_list_close(&server->api.prices);
    if (server->tick) event_free(server->tick);
    if (server->stop) event_free(server->stop);
    if (server->stop_wake >= 0) close(server->stop_wake);
    if (server->base) event_base_free(server->base);
    mask_shared_close(server->api.masks);
    token_trie_close(server->api.trie);
    pthread_mutex_destroy(&server->api.trie_lock);
    api_keys_close(&server->api.keys);
    arena_free(&server->arena);
    free(server);
}
