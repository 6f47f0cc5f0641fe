/* service_client.h - a requester of the service for tests: submits, collects what its listener hears, waits for the end. */
#ifndef HADAL_TESTS_SUPPORT_SERVICE_CLIENT_H
#define HADAL_TESTS_SUPPORT_SERVICE_CLIENT_H

#include "engine/service.h"

#include <pthread.h>

enum { CLIENT_CHOICES = 4, CLIENT_TOKENS = 1024 };

struct client {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t number;
    int32_t id[CLIENT_CHOICES][CLIENT_TOKENS];
    float logprob[CLIENT_CHOICES][CLIENT_TOKENS];
    int ids[CLIENT_CHOICES];
    struct buffer text[CLIENT_CHOICES];
    enum finish finish[CLIENT_CHOICES];
    int stop[CLIENT_CHOICES];
    int starts, choice_ends, ends, prefilled;
    enum status status;
    char message[256];
    struct service_usage usage;
    struct service *cancel_in; /* the listener cancels after so many tokens of choice 0 */
    int cancel_after;
};

void client_open(struct client *client);
void client_close(struct client *client);

/* Fills in listener and context. */
void client_listen(struct client *client, struct service_request *request);
enum status client_submit(struct client *client, struct service *service, struct service_request request);
/* Until the last event; the program ends after four minutes without it. */
void client_wait(struct client *client);
/* Until there are so many tokens of the first answer, or the end. */
void client_wait_tokens(struct client *client, int tokens);
/* While the request may still run. */
bool client_has_ended(struct client *client);

/* A prompt that `salt` decides, with ids of 4 .. 4 + 499. */
void client_prompt(int32_t *id, int tokens, uint32_t salt);

/* A greedy request that reports log-probabilities of the chosen tokens. */
struct service_request client_request(const int32_t *prompt, int tokens, int64_t max_tokens);

#endif
