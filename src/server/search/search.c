/* search.c - requests of DeepSeek's search and fetch tools, answered with what a SearXNG engine finds.
 *
 * Everything that comes back was written by strangers: it is JSON or HTML until it has been parsed, and text from then on. */
#include "server/search/search.h"

#include "server/search/web_text.h"
#include "text/json_print.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUERY_LIMIT = 128, /* characters */
    KEY_LIMIT = 400,
    ENGINE_RESULTS = 20, /* that engines give at most */
    RESULTS_LIMIT = 50,
    RESULTS_USUAL = 10,
    CONTENTS_LIMIT = 8, /* pages that are read for one search */
    CONTENT_BYTES = 8 << 10,
    TITLE_BYTES = 1 << 10,
    SUMMARY_BYTES = 4 << 10
};

/* ---- opening ---- */

static const struct {
    const char *name, *header; /* header: what carries the key */
} kinds[] = {[SEARCH_SEARXNG] = {"searxng", "Authorization: Bearer "},
             [SEARCH_BRAVE] = {"brave", "X-Subscription-Token: "},
             [SEARCH_TAVILY] = {"tavily", "Authorization: Bearer "}};

bool search_kind_from_name(const char *name, enum search_kind *kind) {
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (!strcmp(kinds[i].name, name)) {
            *kind = (enum search_kind)i;
            return true;
        }
    return false;
}

/* A key in the arguments of a program would be there for everybody to see. */
static enum status read_key(struct search *search) {
    struct buffer text = {0};
    if (!search->key_file) return STATUS_OK;
    enum status status = buffer_read_file(&text, search->key_file, sizeof search->secret);
    buffer_append_char(&text, '\0');
    if (status == STATUS_OK) status = buffer_check(&text, search->key_file);
    const size_t bytes = status == STATUS_OK ? strcspn(text.data, "\r\n") : 0;
    if (status == STATUS_OK && (bytes == 0 || bytes > KEY_LIMIT))
        status = fail(STATUS_INPUT, "%.200s: its first line must be a key of at most %d bytes",
                      search->key_file, KEY_LIMIT);
    if (status == STATUS_OK)
        snprintf(search->secret, sizeof search->secret, "%s%.*s", kinds[search->kind].header, (int)bytes,
                 text.data);
    buffer_free(&text);
    return status;
}

enum status search_open(struct search *search, struct event_base *base) {
    if (!search->url) return STATUS_OK;
    if (strncmp(search->url, "http://", 7) && strncmp(search->url, "https://", 8))
        return fail(STATUS_USAGE, "--search: \"%.200s\" is no address of http or https", search->url);
    TRY(read_key(search));
    if (curl_global_init(CURL_GLOBAL_DEFAULT)) return fail(STATUS_MEMORY, "libcurl cannot be started");
    return desk_open(&search->desk, base);
}

void search_close(struct search *search) {
    atomic_store(&search->client.closing, true);
    desk_close(search->desk);
    search->desk = NULL;
}

/* ---- text ---- */

/* The longest beginning of at most `limit` bytes that ends with a whole character. */
static size_t whole_bytes(const char *text, size_t bytes, size_t limit) {
    if (bytes <= limit) return bytes;
    while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80) limit--;
    return limit;
}

static void write_field(struct buffer *out, const char *name, const char *text, size_t limit) {
    buffer_printf(out, "\"%s\":", name);
    json_print_text(out, text, whole_bytes(text, strlen(text), limit));
}

static size_t characters(const char *text) {
    size_t count = 0;
    for (; *text; text++) count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* ---- one search ---- */

struct finding {
    const char *title, *url, *summary; /* borrowed from the engine's answer */
    double score;
    struct web_request page;
    bool read; /* `page` was asked for */
};

/* SearXNG has no number of results, the others take one. */
static void write_url(const struct search *search, const char *query, int count, struct buffer *url) {
    char *escaped = curl_easy_escape(NULL, query, 0);
    buffer_append_text(url, search->url);
    if (search->kind != SEARCH_TAVILY)
        buffer_printf(url, "%cq=%s", strchr(search->url, '?') ? '&' : '?', escaped ? escaped : "");
    if (search->kind == SEARCH_SEARXNG) buffer_append_text(url, "&format=json");
    if (search->kind == SEARCH_BRAVE) buffer_printf(url, "&count=%d&text_decorations=false", count);
    curl_free(escaped);
}

static void write_post(const struct search *search, const char *query, int count, struct buffer *post) {
    if (search->kind != SEARCH_TAVILY) return;
    buffer_append_text(post, "{\"query\":");
    json_print_text(post, query, strlen(query));
    buffer_printf(post, ",\"max_results\":%d}", count);
}

static enum status ask(struct search *search, struct web_request *request, json_t **answer) {
    web_get(&search->client, request, 1);
    if (request->status != STATUS_OK)
        return fail(STATUS_UNAVAILABLE, "the search engine cannot be asked: %s", request->sentence);
    return json_parse(request->body.data ? request->body.data : "", request->body.bytes,
                      "the search engine's answer", answer);
}

static enum status ask_engine(struct search *search, const char *query, int wanted, json_t **answer) {
    struct buffer url = {0}, post = {0};
    const int count = wanted < ENGINE_RESULTS ? wanted : ENGINE_RESULTS;
    write_url(search, query, count, &url);
    write_post(search, query, count, &post);
    struct web_request request = {.url = url.data,
                                  .trusted = true,
                                  .secret = *search->secret ? search->secret : NULL,
                                  .post = post.bytes ? post.data : NULL};
    enum status status =
        url.failed || post.failed ? fail(STATUS_MEMORY, "out of memory for a search") : STATUS_OK;
    if (status == STATUS_OK) status = ask(search, &request, answer);
    web_request_free(&request);
    buffer_free(&url);
    buffer_free(&post);
    return status;
}

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* Results without an address or with one that is no page are left out. */
static int take_findings(const struct search *search, const json_t *answer, struct finding *finding,
                         int limit) {
    const bool brave = search->kind == SEARCH_BRAVE;
    const json_t *results = json_object_get(brave ? json_object_get(answer, "web") : answer, "results");
    int findings = 0;
    for (size_t i = 0; i < json_array_size(results) && findings < limit; i++) {
        const json_t *result = json_array_get(results, i);
        const char *url = text_of(result, "url");
        if ((strncmp(url, "http://", 7) && strncmp(url, "https://", 8)) || strlen(url) > WEB_URL_LIMIT)
            continue;
        finding[findings++] = (struct finding){.title = text_of(result, "title"),
                                               .url = url,
                                               .summary = text_of(result, brave ? "description" : "content"),
                                               .score = json_number_value(json_object_get(result, "score"))};
    }
    return findings;
}

static void read_pages(struct search *search, struct finding *finding, int findings) {
    struct web_request request[CONTENTS_LIMIT];
    const int pages = findings < CONTENTS_LIMIT ? findings : CONTENTS_LIMIT;
    for (int i = 0; i < pages; i++) request[i] = (struct web_request){.url = finding[i].url};
    if (pages > 0) web_get(&search->client, request, pages);
    for (int i = 0; i < pages; i++) {
        finding[i].page = request[i];
        finding[i].read = true;
    }
}

/* A page that cannot be read leaves its summary. */
static void write_content(const struct finding *finding, struct buffer *out) {
    struct buffer title = {.limit = TITLE_BYTES}, text = {0};
    const struct web_request *page = &finding->page;
    if (finding->read && page->status == STATUS_OK && page->body.data &&
        web_text(page->type, page->body.data, page->body.bytes, &title, &text) == STATUS_OK &&
        text.bytes > 0) {
        buffer_append_char(out, ',');
        write_field(out, "content", text.data, CONTENT_BYTES);
    }
    buffer_free(&title);
    buffer_free(&text);
}

static void write_findings(const struct finding *finding, int findings, struct buffer *out) {
    buffer_append_text(out, "{\"results\":[");
    for (int i = 0; i < findings; i++) {
        const double score = finding[i].score < 0 ? 0 : finding[i].score > 3 ? 3 : finding[i].score;
        buffer_append_text(out, i ? ",{" : "{");
        write_field(out, "title", finding[i].title, TITLE_BYTES);
        buffer_append_char(out, ',');
        write_field(out, "url", finding[i].url, WEB_URL_LIMIT);
        buffer_append_char(out, ',');
        write_field(out, "summary", finding[i].summary, SUMMARY_BYTES);
        write_content(&finding[i], out);
        buffer_printf(out, ",\"rerank_score\":%.4g}", score);
    }
    buffer_append_text(out, "]}");
}

struct search_order {
    const char *query;
    int64_t count;
    bool contents;
};

static enum status read_order(const json_t *root, struct search_order *order) {
    const struct json_reader reader = {root, "request"};
    if (!json_is_object(root)) return fail(STATUS_INPUT, "the request must be a JSON object");
    order->query = json_string_value(json_object_get(root, "query"));
    if (!order->query || !*order->query || characters(order->query) > QUERY_LIMIT)
        return fail(STATUS_INPUT, "query: must be a text of 1 to %d characters", QUERY_LIMIT);
    TRY(json_get_int_or(reader, "count", 1, RESULTS_LIMIT, RESULTS_USUAL, &order->count));
    return json_get_bool_or(reader, "need_content", false, &order->contents);
}

static enum status run_search(struct search *search, const struct search_order *order, struct buffer *out) {
    struct finding finding[RESULTS_LIMIT];
    json_t *answer = NULL;
    TRY(ask_engine(search, order->query, (int)order->count, &answer));
    const int findings = take_findings(search, answer, finding, (int)order->count);
    if (order->contents) read_pages(search, finding, findings);
    write_findings(finding, findings, out);
    for (int i = 0; i < findings; i++)
        if (finding[i].read) web_request_free(&finding[i].page);
    json_decref(answer);
    return STATUS_OK;
}

static enum status search_web(struct api *api, const json_t *root, struct buffer *out) {
    struct search_order order;
    TRY(read_order(root, &order));
    return run_search(api->search, &order, out);
}

/* ---- for requests to the model ---- */

static enum status parse_out(struct buffer *out, enum status status, json_t **root) {
    *root = NULL;
    if (status == STATUS_OK) status = buffer_check(out, "what the web says");
    if (status == STATUS_OK) status = json_parse(out->data, out->bytes, "what the web says", root);
    buffer_free(out);
    return status;
}

enum status search_find(struct search *search, const char *query, int count, json_t **results) {
    const struct search_order order = {query, count, true};
    struct buffer out = {0};
    json_t *root;
    *results = NULL;
    TRY(parse_out(&out, run_search(search, &order, &out), &root));
    *results = json_incref(json_object_get(root, "results"));
    json_decref(root);
    return STATUS_OK;
}

void search_query(const char *question, struct buffer *query) {
    size_t count = 0;
    for (const char *c = question; *c && count <= QUERY_LIMIT; c++) {
        const bool space = strchr(" \t\r\n", *c) != NULL;
        if (space && (query->bytes == 0 || query->data[query->bytes - 1] == ' ')) continue;
        count += ((unsigned char)*c & 0xc0) != 0x80;
        if (count <= QUERY_LIMIT) buffer_append_char(query, space ? ' ' : *c);
    }
    if (query->bytes && query->data[query->bytes - 1] == ' ') query->bytes--;
    buffer_append_char(query, '\0');
}

/* ---- one page ---- */

static enum status text_of_page(const struct web_request *page, struct buffer *out) {
    struct buffer title = {.limit = TITLE_BYTES}, text = {0};
    if (page->status != STATUS_OK) return fail(page->status, "%s", page->sentence);
    enum status status =
        web_text(page->type, page->body.data ? page->body.data : "", page->body.bytes, &title, &text);
    if (status == STATUS_OK) {
        buffer_append_char(out, '{');
        write_field(out, "title", title.data ? title.data : "", TITLE_BYTES);
        buffer_append_char(out, ',');
        write_field(out, "content", text.data ? text.data : "", WEB_TEXT_LIMIT);
        buffer_append_char(out, '}');
    }
    buffer_free(&title);
    buffer_free(&text);
    return status;
}

static enum status read_page(struct search *search, const char *url, struct buffer *out) {
    struct web_request page = {.url = url};
    web_get(&search->client, &page, 1);
    enum status status = text_of_page(&page, out);
    web_request_free(&page);
    return status;
}

static enum status fetch_page(struct api *api, const json_t *root, struct buffer *out) {
    const char *url = json_string_value(json_object_get(root, "url"));
    if (!url) return fail(STATUS_INPUT, "url: must be the address of a page");
    return read_page(api->search, url, out);
}

enum status search_read(struct search *search, const char *url, json_t **page) {
    struct buffer out = {0};
    return parse_out(&out, read_page(search, url, &out), page);
}

/* ---- endpoints ---- */

static void answer(struct api *api, struct http_exchange *exchange, conversion_work *work,
                   enum price_class class) {
    if (api->search && api->search->desk)
        endpoint_convert(api, exchange, api->search->desk, work, class);
    else
        api_reply_error(exchange, api_refuse, 501,
                        "this server searches nothing: it was started without --search");
}

void endpoint_search(struct api *api, struct http_exchange *exchange, const char *account) {
    (void)account;
    answer(api, exchange, search_web, PRICE_SEARCH);
}

void endpoint_fetch(struct api *api, struct http_exchange *exchange, const char *account) {
    (void)account;
    answer(api, exchange, fetch_page, PRICE_FETCH);
}
