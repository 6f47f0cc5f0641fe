/* service_client.c - the listener, and waiting for it. */
#include "support/service_client.h"

#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void client_open(struct client *client) {
    pthread_condattr_t monotonic;
    memset(client, 0, sizeof *client);
    pthread_mutex_init(&client->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&client->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void client_close(struct client *client) {
    for (int i = 0; i < CLIENT_CHOICES; i++) buffer_free(&client->text[i]);
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->lock);
}

static void take_piece(struct client *client, const struct service_event *event) {
    int choice = event->choice;
    const struct piece *piece = event->piece;
    buffer_append(&client->text[choice], piece->text, piece->bytes);
    if (!piece->choice || client->ids[choice] == CLIENT_TOKENS) return;
    client->logprob[choice][client->ids[choice]] = piece->choice->logprob;
    client->id[choice][client->ids[choice]++] = piece->choice->id;
}

static void hear(void *context, const struct service_event *event) {
    struct client *client = context;
    pthread_mutex_lock(&client->lock);
    if (!client->number) client->number = event->request; /* once: tests read it while the request runs */
    if (event->kind == SERVICE_STARTED) client->starts++;
    if (event->kind == SERVICE_PREFILL) client->prefilled = event->prefilled;
    if (event->kind == SERVICE_PIECE) take_piece(client, event);
    if (event->kind == SERVICE_CHOICE_END) {
        client->finish[event->choice] = event->finish;
        client->stop[event->choice] = event->stop;
        client->choice_ends++;
    }
    if (event->kind == SERVICE_END) {
        client->ends++;
        client->status = event->status;
        client->usage = *event->usage;
        snprintf(client->message, sizeof client->message, "%s", event->message);
    }
    if (client->cancel_in && client->ids[0] >= client->cancel_after)
        service_cancel(client->cancel_in, event->request);
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

void client_listen(struct client *client, struct service_request *request) {
    request->listener = hear;
    request->context = client;
}

enum status client_submit(struct client *client, struct service *service, struct service_request request) {
    uint64_t number;
    client_listen(client, &request);
    return service_submit(service, &request, &number);
}

static void wait_for(struct client *client, int tokens) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 240; /* sanitizers on a busy machine */
    pthread_mutex_lock(&client->lock);
    while (!client->ends && client->ids[0] < tokens)
        if (pthread_cond_timedwait(&client->changed, &client->lock, &until)) {
            fprintf(stderr, "request %llu has not ended after four minutes\n",
                    (unsigned long long)client->number);
            abort();
        }
    pthread_mutex_unlock(&client->lock);
}

void client_wait(struct client *client) {
    wait_for(client, CLIENT_TOKENS + 1);
}
void client_wait_tokens(struct client *client, int tokens) {
    wait_for(client, tokens);
}

bool client_has_ended(struct client *client) {
    pthread_mutex_lock(&client->lock);
    const bool ended = client->ends > 0;
    pthread_mutex_unlock(&client->lock);
    return ended;
}

void client_prompt(int32_t *id, int tokens, uint32_t salt) {
    struct rng rng;
    rng_seed(&rng, salt);
    for (int i = 0; i < tokens; i++) id[i] = (int32_t)(4 + rng_next(&rng) % 500);
}

struct service_request client_request(const int32_t *prompt, int tokens, int64_t max_tokens) {
    struct service_request request = {.prompt = prompt, .prompt_tokens = tokens};
    request.reply.sampling = sampling_default();
    request.reply.sampling.logprobs = 0;
    request.reply.max_tokens = max_tokens;
    request.reply.ignore_end = true;
    return request;
}
