/* http_tls.c - TLS of the listener: one context of certificate and key, and a filter for each connection. */
#include "server/http_connection.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

/* The library's own words for its last failure, in the order in which they lie; the queue is emptied. */
static const char *reason(void) {
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    return text ? text : "unknown reason";
}

enum status http_tls_open(struct ssl_ctx_st **tls, const char *certificate, const char *key) {
    enum status status = STATUS_OK;
    *tls = SSL_CTX_new(TLS_server_method());
    if (!*tls) return fail(STATUS_MEMORY, "TLS: %s", reason());
    ERR_clear_error();
    SSL_CTX_set_mode(*tls, SSL_MODE_RELEASE_BUFFERS); /* of connections that wait */
    if (SSL_CTX_set_min_proto_version(*tls, TLS1_2_VERSION) != 1)
        status = fail(STATUS_INTERNAL, "TLS: %s", reason());
    else if (SSL_CTX_use_certificate_chain_file(*tls, certificate) != 1)
        status = fail(STATUS_INPUT, "%s: no certificate can be read: %s", certificate, reason());
    else if (SSL_CTX_use_PrivateKey_file(*tls, key, SSL_FILETYPE_PEM) != 1)
        status = fail(STATUS_INPUT, "%s: no private key can be read: %s", key, reason());
    else if (SSL_CTX_check_private_key(*tls) != 1)
        status = fail(STATUS_INPUT, "%s is not the key of %s", key, certificate);
    if (status == STATUS_OK) return STATUS_OK;
    http_tls_close(*tls);
    *tls = NULL;
    return status;
}

void http_tls_close(struct ssl_ctx_st *tls) {
    SSL_CTX_free(tls);
}

struct bufferevent *http_tls_accept(struct event_base *base, struct ssl_ctx_st *tls, evutil_socket_t socket) {
    SSL *session = SSL_new(tls);
    if (!session) return NULL;
    struct bufferevent *events = bufferevent_openssl_socket_new(
        base, socket, session, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!events) SSL_free(session);
    /* clients that end without a TLS farewell are as good as those that say it */
    if (events) bufferevent_openssl_set_allow_dirty_shutdown(events, 1);
    return events;
}
