/* job_search.c - see job_search.h. */
#include "server/job_search.h"

#include "server/api.h"
#include "server/search/search.h"
#include "server/search/search_prompt.h"

#include <stdio.h>
#include <string.h>

enum { RESULTS = 8, LINKS = 4, PAGE_BYTES = 4 << 10 };

/* ---- charged calls ---- */

static enum status begin_call(const struct job *job, enum price_class class, struct billing_call *call) {
    *call = (struct billing_call){.api = job->api, .class = class};
    if (!job->billing.account) return STATUS_OK;
    call->account = job->billing.account;
    call->key = job->billing.key;
    snprintf(call->name, sizeof call->name, "%s", job->account);
    job_make_id(call->id);
    return billing_call_reserve(call);
}

static enum status find(struct job *job, const char *query) {
    struct billing_call call;
    json_t *results = NULL;
    TRY(begin_call(job, PRICE_SEARCH, &call));
    enum status status = search_find(job->api->search, query, RESULTS, &results);
    billing_call_settle(&call, status == STATUS_OK);
    if (status == STATUS_OK) job->searches++;
    if (status == STATUS_OK && json_array_extend(job->sources, results))
        status = fail(STATUS_MEMORY, "out of memory for what was found");
    json_decref(results);
    return status;
}

/* A page that cannot be read is left out: the model says what it has. */
static enum status read_link(struct job *job, const char *url) {
    struct billing_call call;
    json_t *page = NULL;
    TRY(begin_call(job, PRICE_FETCH, &call));
    const bool read = search_read(job->api->search, url, &page) == STATUS_OK;
    billing_call_settle(&call, read);
    if (!read) return STATUS_OK;
    job->fetches++;
    return json_object_set_new(page, "url", json_string(url)) || json_array_append_new(job->sources, page)
               ? fail(STATUS_MEMORY, "out of memory for a page")
               : STATUS_OK;
}

/* ---- the question ---- */

/* Addresses end with a space, or with what sentences put behind them. */
static size_t link_bytes(const char *text) {
    size_t bytes = 0;
    if (strncmp(text, "http://", 7) && strncmp(text, "https://", 8)) return 0;
    while (text[bytes] && (unsigned char)text[bytes] > ' ' && (unsigned char)text[bytes] < 0x7f &&
           !strchr("<>\"'`()[]{}|\\^", text[bytes]))
        bytes++;
    while (bytes && strchr(".,;:!?", text[bytes - 1])) bytes--;
    return bytes;
}

static enum status read_links(struct job *job, const char *question) {
    int links = 0;
    for (const char *c = question; *c && links < LINKS; c++) {
        char url[WEB_URL_LIMIT + 1];
        const size_t bytes = link_bytes(c);
        if (bytes == 0) continue;
        if (bytes <= WEB_URL_LIMIT) {
            snprintf(url, sizeof url, "%.*s", (int)bytes, c);
            TRY(read_link(job, url));
            links++;
        }
        c += bytes - 1; /* also of what is too long: it may hold thousands of beginnings */
    }
    return STATUS_OK;
}

static int last_question(const struct chat *chat) {
    int at = chat->messages - 1;
    while (at >= 0 && chat->message[at].role != ROLE_USER) at--;
    return at;
}

static enum status replace_question(struct job *job, int at, const struct buffer *text) {
    struct chat *chat = &job->order.chat;
    struct message *copy = arena_take(&chat->arena, (size_t)chat->messages * sizeof *copy);
    char *content = arena_copy(&chat->arena, text->data, text->bytes);
    if (!copy || !content) return fail(STATUS_MEMORY, "out of memory for what was found");
    memcpy(copy, chat->message, (size_t)chat->messages * sizeof *copy);
    copy[at].content = content;
    chat->message = copy;
    return STATUS_OK;
}

/* Pages leave half of a context of a token for two bytes. */
static size_t page_bytes(const struct job *job, size_t pages) {
    const size_t most = (size_t)service_engine(job->api->service)->context / (pages ? pages : 1);
    return most < PAGE_BYTES ? most : PAGE_BYTES;
}

static enum status tell_model(struct job *job, int at, const char *question) {
    struct buffer text = {0};
    const size_t pages = json_array_size(job->sources);
    if (pages == 0) return STATUS_OK;
    search_prompt(&text, question, job->sources, page_bytes(job, pages), job->created);
    enum status status = buffer_check(&text, "what was found");
    if (status == STATUS_OK) status = replace_question(job, at, &text);
    buffer_free(&text);
    return status;
}

enum status job_search(struct job *job) {
    const int at = last_question(&job->order.chat);
    const char *question = at < 0 ? NULL : job->order.chat.message[at].content;
    struct buffer query = {0};
    if (!question || !*question) return STATUS_OK;
    job->sources = json_array();
    if (!job->sources) return fail(STATUS_MEMORY, "out of memory for what is found");
    if (job->order.served & SERVED_LINKS) TRY(read_links(job, question));
    search_query(question, &query);
    enum status status = buffer_check(&query, "the query");
    if (status == STATUS_OK && job->order.served & SERVED_SEARCH && *query.data) {
        job->query = json_string(query.data);
        status = find(job, query.data);
    }
    buffer_free(&query);
    return status == STATUS_OK ? tell_model(job, at, question) : status;
}

/* ---- what answers say of it ---- */

static void write_text(struct buffer *out, const char *name, const json_t *source) {
    const char *text = json_string_value(json_object_get(source, name));
    buffer_printf(out, ",\"%s\":", name);
    job_write_text(out, text ? text : "", text ? strlen(text) : 0);
}

void job_write_sources(const struct job *job, struct buffer *out) {
    if (!job->sources) return;
    buffer_append_text(out, ",\"search_results\":[");
    for (size_t i = 0; i < json_array_size(job->sources); i++) {
        const json_t *source = json_array_get(job->sources, i);
        buffer_printf(out, "%s{\"index\":%zu", i ? "," : "", i + 1);
        write_text(out, "title", source);
        write_text(out, "url", source);
        write_text(out, "summary", source);
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ']');
}
