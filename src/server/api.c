/* api.c - from a request to its endpoint: the table of routes, keys, and errors in the contract's envelope. */
#include "server/api.h"

#include "server/assets.h"
#include "server/document.h"
#include "server/endpoints.h"
#include "server/host_name.h"
#include "server/search/search.h"
#include "server/visit.h"
#include "text/json_print.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- errors ---- */

static const char *error_type(int status) {
    static const struct {
        int status;
        const char *type;
    } rows[] = {{401, "authentication_error"}, {402, "unknown_error"},      {403, "permission_error"},
                {404, "not_found_error"},      {429, "rate_limit_error"},   {500, "server_error"},
                {501, "server_error"},         {503, "service_unavailable"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].status == status) return rows[i].type;
    return "invalid_request_error";
}

/* "code" is the same for all errors, as clients of the original know it. */
void api_refuse(void *context, int status, const char *sentence, struct buffer *body) {
    (void)context;
    buffer_append_text(body, "{\"error\":{\"message\":");
    json_print_text(body, sentence, strlen(sentence));
    buffer_printf(body, ",\"type\":\"%s\",\"param\":null,\"code\":\"invalid_request_error\"}}",
                  error_type(status));
}

void api_reply_error(struct http_exchange *exchange, http_refusal *refuse, int status, const char *sentence) {
    struct buffer body = {0};
    if (status == 429 || status == 503) http_header_add(exchange, "Retry-After", "1");
    refuse(NULL, status, sentence, &body);
    http_reply(exchange, status, "application/json", body.data ? body.data : "", body.bytes);
    buffer_free(&body);
}

/* What a request can be wrong in is the client's error, whichever part of the library found it. */
void api_reply_failure(struct http_exchange *exchange, http_refusal *refuse, enum status status,
                       const char *sentence) {
    const bool clients = status == STATUS_INPUT || status == STATUS_FORMAT || status == STATUS_LIMIT ||
                         status == STATUS_UNSUPPORTED || status == STATUS_USAGE;
    api_reply_error(exchange, refuse, clients ? 400 : status_http(status), sentence);
}

void api_reply_json(struct http_exchange *exchange, const struct buffer *body) {
    if (body->failed)
        api_reply_error(exchange, api_refuse, 500, "the answer does not fit into memory");
    else
        http_reply(exchange, 200, "application/json", body->data, body->bytes);
}

struct route {
    const char *method, *path;
    endpoint *handle;
    http_refusal *refuse;
    enum { WITH_KEY, WITHOUT_KEY, WITHOUT_KEY_HERE } access; /* here: from this machine alone */
};

/* ---- keys ---- */

/* "Bearer KEY", or x-api-key as clients of Anthropic send it. NULL: none. */
static const char *key_of(const struct http_request *request) {
    const char *value = http_header_find(request, "authorization");
    if (value && !strncasecmp(value, "bearer ", 7)) return value + 7 + strspn(value + 7, " ");
    return http_header_find(request, "x-api-key");
}

static bool admit(struct api *api, struct http_exchange *exchange, const struct route *route,
                  const char **account) {
    const char *key = key_of(http_request_of(exchange));
    const struct api_key *row = NULL;
    *account = "";
    if (api->keys.keys == 0) return true;
    if (key) row = api_keys_find(&api->keys, key);
    if (row) {
        *account = row->account;
        return true;
    }
    visit_deny(exchange, route->refuse, key, "is invalid");
    return false;
}

/* ---- routes ---- */

/* Paths without the prefixes that all of them may have. One that ends with a slash stands for all below it. */
static const struct route routes[] = {
    {"POST", "/chat/completions", endpoint_chat, api_refuse, WITH_KEY},
    {"POST", "/completions", endpoint_completion, api_refuse, WITH_KEY},
    {"POST", "/anthropic/v1/messages", endpoint_messages, messages_refuse, WITH_KEY},
    {"POST", "/messages", endpoint_messages, messages_refuse, WITH_KEY},
    {"POST", "/responses", endpoint_responses, api_refuse, WITH_KEY},
    {"GET", "/models", endpoint_models, api_refuse, WITH_KEY},
    {"GET", "/user/balance", endpoint_balance, api_refuse, WITH_KEY},
    {"POST", "/tokenize", endpoint_tokenize, api_refuse, WITH_KEY},
    {"POST", "/detokenize", endpoint_detokenize, api_refuse, WITH_KEY},
    {"GET", "/capabilities", endpoint_capabilities, api_refuse, WITH_KEY},
    {"POST", "/documents/text", endpoint_document, api_refuse, WITH_KEY},
    {"POST", "/admin/load", endpoint_load, api_refuse, WITH_KEY},
    {"POST", "/admin/", endpoint_admin, api_refuse, WITH_KEY},
    {"POST", "/account/", endpoint_admin, api_refuse, WITH_KEY},
    {"POST", "/tools/search", endpoint_search, api_refuse, WITH_KEY},
    {"POST", "/tools/fetch", endpoint_fetch, api_refuse, WITH_KEY},
    {"GET", "/health", endpoint_health, api_refuse, WITHOUT_KEY},
    {"GET", "/metrics", endpoint_metrics, api_refuse, WITHOUT_KEY_HERE},
};

static const char *without_prefix(const char *path) {
    static const char *const prefixes[] = {"/v1/", "/beta/v1/", "/beta/"};
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        const size_t bytes = strlen(prefixes[i]);
        if (!strncmp(path, prefixes[i], bytes)) return path + bytes - 1;
    }
    return path;
}

static bool method_fits(const char *route, const char *method) {
    return !strcmp(route, method) || (!strcmp(route, "GET") && !strcmp(method, "HEAD"));
}

static bool path_fits(const char *route, const char *path) {
    const size_t bytes = strlen(route);
    return route[bytes - 1] == '/' ? !strncmp(route, path, bytes) : !strcmp(route, path);
}

static const struct route *find_route(const struct http_request *request, bool *path_known) {
    const char *path = without_prefix(request->path);
    *path_known = false;
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (!path_fits(routes[i].path, path)) continue;
        *path_known = true;
        if (method_fits(routes[i].method, request->method)) return &routes[i];
    }
    return NULL;
}

/* What the path, which is known, would take; pages are no routes. */
static void add_allowed(struct http_exchange *exchange, bool is_page) {
    const char *path = without_prefix(http_request_of(exchange)->path);
    if (is_page) http_header_add(exchange, "Allow", "GET, HEAD");
    for (size_t i = 0; i < COUNT_OF(routes); i++)
        if (path_fits(routes[i].path, path))
            http_header_add(exchange, "Allow",
                            !strcmp(routes[i].method, "GET") ? "GET, HEAD" : routes[i].method);
}

/* Without keys nothing but the name tells a page of this server from another in the same browser. */
static bool is_asked_by_name(const struct api *api, const struct http_request *request) {
    const char *host = http_header_find(request, "host");
    if (!host || api->keys.keys || api->teller || host_name_is_local(host)) return true;
    for (int i = 0; i < api->hosts; i++)
        if (host_name_is(host, api->host[i])) return true;
    return false;
}

static void refuse_path(struct http_exchange *exchange, bool is_route) {
    bool lasting;
    const bool is_page = !is_route && asset_find(http_request_of(exchange)->path, &lasting);
    if (is_route || is_page) {
        add_allowed(exchange, is_page);
        api_reply_error(exchange, api_refuse, 405, "this path does not take this method");
    } else {
        api_reply_error(exchange, api_refuse, 404, "there is nothing under this path");
    }
}

void api_handle(void *context, struct http_exchange *exchange) {
    struct api *api = context;
    const char *account = "";
    bool path_known;
    if (!is_asked_by_name(api, http_request_of(exchange))) {
        api_reply_error(
            exchange, api_refuse, 403,
            "this server has no keys and knows itself by no such name: ask for localhost, or start "
            "it with --host-name");
        return;
    }
    const struct route *route = find_route(http_request_of(exchange), &path_known);
    if (!route && assets_serve(exchange)) return;
    if (!route) {
        refuse_path(exchange, path_known);
        return;
    }
    const bool open = route->access == WITHOUT_KEY || (route->access == WITHOUT_KEY_HERE && !api->reachable);
    if (!open && api->teller)
        visit_start(api, exchange, key_of(http_request_of(exchange)), route->handle, route->refuse);
    else if (open || admit(api, exchange, route, &account))
        route->handle(api, exchange, account);
}
