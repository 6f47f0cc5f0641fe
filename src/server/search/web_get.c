/* web_get.c - transfers on libcurl. The socket of every connection is opened by open_socket(), which sees the address
 * that is really connected to: what a URL looks like, how its host is written and what its name resolved to before do not
 * matter. */
#include "server/search/web_get.h"

#include "base/clock.h"
#include "base/version.h"
#include "server/search/address.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POLL_MILLISECONDS = 100 };

struct transfer {
    struct web_client *client;
    struct web_request *request;
    CURL *easy;
    CURLU *url;
    struct curl_slist *headers; /* of the operator; NULL: none */
    bool refused;               /* an address was not public */
    bool done;
};

static void set_failure(struct web_request *request, enum status status, const char *sentence) {
    request->status = status;
    snprintf(request->sentence, sizeof request->sentence, "%s", sentence);
}

/* ---- what libcurl calls ---- */

static bool may_connect(const struct transfer *transfer, const struct sockaddr *address) {
    char text[80];
    const int port = address_port(address);
    if (transfer->request->trusted) return true;
    address_print(address, text, sizeof text);
    for (int i = 0; i < transfer->client->allows; i++)
        if (!strcmp(transfer->client->allow[i], text)) return true;
    return (port == 80 || port == 443) && address_is_public(address);
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
    struct transfer *transfer = context;
    if (purpose != CURLSOCKTYPE_IPCXN || !may_connect(transfer, &address->addr)) {
        transfer->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t take_body(char *data, size_t size, size_t count, void *context) {
    struct transfer *transfer = context;
    struct buffer *body = &transfer->request->body;
    buffer_append(body, data, size * count);
    return body->failed ? 0 : size * count;
}

/* ---- one transfer ---- */

/* The parser that checks the URL is the one that the transfer uses. */
static bool parse_url(struct transfer *transfer) {
    struct web_request *request = transfer->request;
    char *scheme = NULL;
    bool fits = strlen(request->url) <= WEB_URL_LIMIT && (transfer->url = curl_url()) &&
                !curl_url_set(transfer->url, CURLUPART_URL, request->url, CURLU_DISALLOW_USER) &&
                !curl_url_get(transfer->url, CURLUPART_SCHEME, &scheme, 0) &&
                (!strcmp(scheme, "http") || !strcmp(scheme, "https"));
    curl_free(scheme);
    if (!fits)
        set_failure(request, STATUS_INPUT, "url: must be an address of http or https, of at most 2048 bytes");
    return fits;
}

static bool add_header(struct transfer *transfer, const char *header) {
    struct curl_slist *longer = curl_slist_append(transfer->headers, header);
    if (longer) transfer->headers = longer;
    return longer != NULL;
}

/* What only the operator's own engine is sent. */
static bool set_trusted(struct transfer *transfer) {
    const struct web_request *request = transfer->request;
    CURL *easy = transfer->easy;
    if (request->secret && !add_header(transfer, request->secret)) return false;
    if (request->post && (!add_header(transfer, "Content-Type: application/json") ||
                          curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->post)))
        return false;
    return !transfer->headers || !curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static bool set_options(struct transfer *transfer) {
    CURL *easy = transfer->easy;
    const bool trusted = transfer->request->trusted;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_CURLU, transfer->url);
    code |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    code |= curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    code |= curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
    code |= curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    code |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    code |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    code |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    code |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    code |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, trusted ? 0L : 1L);
    code |= curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)WEB_REDIRECTS);
    code |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)WEB_CONNECT_SECONDS);
    code |= curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)WEB_SECONDS);
    code |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    code |= curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    code |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "hadal/" HADAL_VERSION);
    code |= curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    return code == CURLE_OK && (!trusted || set_trusted(transfer));
}

static void begin(struct transfer *transfer, CURLM *multi) {
    struct web_request *request = transfer->request;
    request->status = STATUS_OK;
    request->body = (struct buffer){.limit = WEB_BODY_LIMIT};
    transfer->done = true;
    if (!parse_url(transfer)) return;
    transfer->easy = multi ? curl_easy_init() : NULL;
    if (!transfer->easy || !set_options(transfer) || curl_multi_add_handle(multi, transfer->easy))
        set_failure(request, STATUS_MEMORY, "out of memory for a transfer");
    else
        transfer->done = false;
}

static void take_type(struct transfer *transfer) {
    const char *type = NULL;
    struct web_request *request = transfer->request;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
    snprintf(request->type, sizeof request->type, "%s", type ? type : "");
    for (char *c = request->type; *c; c++) *c = (char)tolower((unsigned char)*c);
}

static void end(struct transfer *transfer, CURLcode code) {
    struct web_request *request = transfer->request;
    char sentence[160];
    long answer = 0;
    transfer->done = true;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer);
    take_type(transfer);
    snprintf(sentence, sizeof sentence, "the page answers with status %ld", answer);
    if (code == CURLE_OK && answer >= 200 && answer < 300) return;
    if (code == CURLE_OK)
        set_failure(request, STATUS_INPUT, sentence);
    else if (transfer->refused)
        set_failure(request, STATUS_INPUT,
                    "the address is not on the public network, or not at the port of a web server");
    else if (request->body.failed)
        set_failure(request, STATUS_LIMIT, "the page is larger than 4 MiB");
    else
        set_failure(request, STATUS_INPUT, curl_easy_strerror(code));
}

static void finish_done(CURLM *multi) {
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left));) {
        char *context = NULL;
        if (message->msg != CURLMSG_DONE) continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &context);
        end((struct transfer *)(void *)context, message->data.result);
    }
}

static void run(struct web_client *client, CURLM *multi) {
    const double limit = clock_seconds() + WEB_SECONDS + 1;
    int running = 1;
    while (running > 0 && clock_seconds() < limit && !atomic_load(&client->closing)) {
        if (curl_multi_perform(multi, &running) || curl_multi_poll(multi, NULL, 0, POLL_MILLISECONDS, NULL))
            break;
        finish_done(multi);
    }
    finish_done(multi);
}

void web_get(struct web_client *client, struct web_request *request, int requests) {
    struct transfer *transfer = calloc((size_t)requests, sizeof *transfer);
    CURLM *multi = transfer ? curl_multi_init() : NULL;
    for (int i = 0; i < requests; i++) {
        if (!transfer) {
            set_failure(&request[i], STATUS_MEMORY, "out of memory for a transfer");
            continue;
        }
        transfer[i] = (struct transfer){.client = client, .request = &request[i]};
        begin(&transfer[i], multi);
    }
    if (multi) run(client, multi);
    for (int i = 0; transfer && i < requests; i++) {
        if (!transfer[i].done) set_failure(&request[i], STATUS_INPUT, "the page did not come in time");
        if (transfer[i].easy) {
            curl_multi_remove_handle(multi, transfer[i].easy);
            curl_easy_cleanup(transfer[i].easy);
        }
        curl_slist_free_all(transfer[i].headers);
        curl_url_cleanup(transfer[i].url);
    }
    curl_multi_cleanup(multi);
    free(transfer);
}

void web_request_free(struct web_request *request) {
    buffer_free(&request->body);
}
