/* search.h - web search by an engine that the operator named, and pages as text. */
#ifndef HADAL_SERVER_SEARCH_SEARCH_H
#define HADAL_SERVER_SEARCH_SEARCH_H

#include "server/endpoints.h"
#include "server/search/web_get.h"

struct desk;

enum search_kind { SEARCH_SEARXNG, SEARCH_BRAVE, SEARCH_TAVILY };
/* By the names of --search-kind. */
bool search_kind_from_name(const char *name, enum search_kind *kind);

/* Owned by the server; the threads of its desk use it. `url` NULL: nothing is offered. */
struct search {
    const char *url; /* of an engine, up to and without the query */
    enum search_kind kind;
    const char *key_file; /* its first line is the key that the engine wants; NULL: none */
    char secret[512];     /* the header that carries it; "": none */
    struct web_client client;
    struct desk *desk; /* transfers wait here, so that requests to the model do not wait behind them */
};

/* `url` must be an address of http or https. */
must_use enum status search_open(struct search *search, struct event_base *base);
void search_close(struct search *search);

/* The first `count` results with the text of their pages, and one page: [{"title", "url", "summary", "content"}] and {"title",
 * "content"}, as the endpoints say them. On a thread of the search's desk. */
must_use enum status search_find(struct search *search, const char *query, int count, json_t **results);
must_use enum status search_read(struct search *search, const char *url, json_t **page);
/* A question as a query: its words, as many characters as one may have. */
void search_query(const char *question, struct buffer *query);

/* POST /tools/search and /tools/fetch. */
endpoint endpoint_search, endpoint_fetch;

#endif
