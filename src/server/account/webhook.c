/* webhook.c - see webhook.h. */
#include "server/account/webhook.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CALLS_LIMIT = 64, TRIES = 3 };
#define CALL_SECONDS 5L

struct call {
    struct call *next;
    char *url, *json;
};

struct webhook {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct call *first, **end;
    int calls;
    bool closing;
};

static void free_call(struct call *call) {
    free(call->url);
    free(call->json);
    free(call);
}

static size_t drop(char *data, size_t size, size_t count, void *context) {
    (void)data;
    (void)context;
    return size * count;
}

static bool is_closing(struct webhook *webhook) {
    pthread_mutex_lock(&webhook->lock);
    const bool closing = webhook->closing;
    pthread_mutex_unlock(&webhook->lock);
    return closing;
}

static int stop_when_closing(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    return is_closing(context);
}

static bool post(struct webhook *webhook, const struct call *call) {
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURL *curl = curl_easy_init();
    long code = 0;
    if (curl && headers) {
        curl_easy_setopt(curl, CURLOPT_URL, call->url);
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->json);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, CALL_SECONDS);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, stop_when_closing);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, webhook);
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        if (curl_easy_perform(curl) == CURLE_OK) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return code >= 200 && code < 300;
}

/* Between tries, or until the end comes. */
static void pause_for(struct webhook *webhook, int seconds) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&webhook->lock);
    while (!webhook->closing && !pthread_cond_timedwait(&webhook->work, &webhook->lock, &until)) {}
    pthread_mutex_unlock(&webhook->lock);
}

static struct call *next_call(struct webhook *webhook) {
    pthread_mutex_lock(&webhook->lock);
    while (!webhook->first && !webhook->closing) pthread_cond_wait(&webhook->work, &webhook->lock);
    struct call *call = webhook->closing ? NULL : webhook->first;
    if (call) {
        webhook->first = call->next;
        if (!webhook->first) webhook->end = &webhook->first;
        webhook->calls--;
    }
    pthread_mutex_unlock(&webhook->lock);
    return call;
}

static void *run(void *context) {
    struct webhook *webhook = context;
    for (struct call *call; (call = next_call(webhook));) {
        for (int i = 0; i < TRIES && !post(webhook, call) && !is_closing(webhook); i++)
            if (i + 1 < TRIES) pause_for(webhook, 1 << i);
        free_call(call);
    }
    return NULL;
}

enum status webhook_open(struct webhook **webhook) {
    struct webhook *opened = calloc(1, sizeof *opened);
    *webhook = NULL;
    if (!opened) return fail(STATUS_MEMORY, "out of memory for the webhook");
    opened->end = &opened->first;
    pthread_mutex_init(&opened->lock, NULL);
    pthread_cond_init(&opened->work, NULL);
    if (pthread_create(&opened->thread, NULL, run, opened)) {
        free(opened);
        return fail(STATUS_MEMORY, "no thread for the webhook");
    }
    *webhook = opened;
    return STATUS_OK;
}

void webhook_close(struct webhook *webhook) {
    if (!webhook) return;
    pthread_mutex_lock(&webhook->lock);
    webhook->closing = true;
    pthread_cond_broadcast(&webhook->work);
    pthread_mutex_unlock(&webhook->lock);
    pthread_join(webhook->thread, NULL);
    for (struct call *call = webhook->first, *next; call; call = next) {
        next = call->next;
        free_call(call);
    }
    pthread_cond_destroy(&webhook->work);
    pthread_mutex_destroy(&webhook->lock);
    free(webhook);
}

void webhook_send(struct webhook *webhook, const char *url, const char *json) {
    struct call *call = calloc(1, sizeof *call);
    if (!call) return;
    call->url = strdup(url);
    call->json = strdup(json);
    pthread_mutex_lock(&webhook->lock);
    const bool keep = call->url && call->json && webhook->calls < CALLS_LIMIT;
    if (keep) {
        *webhook->end = call;
        webhook->end = &call->next;
        webhook->calls++;
        pthread_cond_broadcast(&webhook->work);
    }
    pthread_mutex_unlock(&webhook->lock);
    if (!keep) free_call(call);
}
