/* load.h - the parts of `hadal bench load`: users who ask a server over HTTP, and what they saw.
 *
 * One thread with one event base. A client sends calls over connections that it keeps; an answer is read as it comes; the
 * run lets users ask, and adds a sample for each request; the report makes figures of them. */
#ifndef HADAL_CLI_LOAD_H
#define HADAL_CLI_LOAD_H

#include "base/buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct event_base;

/* ---- load_url.c: where the server is ---- */

struct load_target {
    bool tls, unverified;    /* unverified: any certificate will do */
    char host[256];          /* without brackets */
    char authority[272];     /* as it was written, with the port */
    char path[512];          /* in front of the endpoints', without a slash at its end */
    const char *key;         /* NULL: none is sent */
    const char *authorities; /* PEM file; NULL: the system's */
    struct sockaddr_storage address;
    socklen_t address_bytes;
};
/* Looks the name up, too. */
must_use enum status load_target_from(struct load_target *target, const char *url);

/* ---- load_client.c: requests and their bytes ---- */

enum load_failure {
    LOAD_NONE,
    LOAD_CONNECT,   /* no connection */
    LOAD_TLS,       /* no trust in it */
    LOAD_TIMEOUT,   /* the answer took too long */
    LOAD_CUT,       /* the connection ended within the answer */
    LOAD_HTTP,      /* no HTTP */
    LOAD_REFUSED,   /* a status other than 200 */
    LOAD_MALFORMED, /* events that are no JSON */
    LOAD_ERROR,     /* an error among the events */
    LOAD_UNENDED,   /* a stream without its end */
    LOAD_FAILURES
};
const char *load_failure_name(enum load_failure failure);

struct load_listener {
    void (*body)(void *context, int status, const char *data, size_t bytes);
    /* `status` 0: there was none. The call is gone afterwards. */
    void (*end)(void *context, int status, enum load_failure failure);
    void *context;
};

struct load_client;
must_use enum status load_client_open(struct load_client **client, struct event_base *base,
                                      const struct load_target *target, double timeout);
void load_client_close(struct load_client *client); /* ends all calls without a word; NULL allowed */
/* `body` NULL: GET. Hears of everything later, from the event base. */
void load_client_send(struct load_client *client, const char *path, const char *body, size_t bytes,
                      const struct load_listener *listener);

/* ---- load_answer.c: what an answer says ---- */

struct load_samples {
    double *value;
    size_t count, capacity;
    bool failed; /* out of memory: some are missing */
};
void load_samples_add(struct load_samples *samples, double value);

struct load_answer {
    struct buffer line, text; /* text: what a next turn repeats; of a refusal, its body */
    double first, last;       /* when the first and the last piece of text came; 0: never */
    int64_t pieces;
    int64_t prompt_tokens, output_tokens, cached_tokens; /* as the server counts; -1: it does not say */
    char finish[24];
    bool done; /* [DONE], or a reason to end in an answer that has none */
    enum load_failure failure;
};
void load_answer_begin(struct load_answer *answer);
void load_answer_free(struct load_answer *answer);
/* Bytes of a stream that arrived at `now`; gaps between pieces are added to `gaps`. */
void load_answer_hear(struct load_answer *answer, const char *data, size_t bytes, double now,
                      struct load_samples *gaps);
/* A whole answer, as those that measure the prompt's length are. */
void load_answer_read(struct load_answer *answer, const char *data, size_t bytes);

/* ---- load_prompt.c: what is asked ---- */

struct load_plan {
    struct load_target target;
    const char *model;
    bool chat; /* else completions */
    int users;
    double rate; /* > 0: conversations begin by themselves, that many a second */
    int64_t requests;
    double seconds; /* 0: until all requests are done */
    int64_t prompt_tokens, tokens, turn_tokens;
    int turns;
    double shared_share, think_seconds, timeout;
    double first_limit, between_limit; /* of what counts as good; 0: none */
    uint64_t seed;
    json_t *extra;                        /* further fields of a request; NULL: none */
    double bytes_per_token, extra_tokens; /* of the server's tokenizer and template */
};

struct load_talk {
    uint64_t number;
    int turn;
    json_t *messages;   /* chat */
    struct buffer text; /* completions */
};
void load_talk_begin(struct load_talk *talk, const struct load_plan *plan, uint64_t number);
void load_talk_next(struct load_talk *talk, const struct load_plan *plan, const char *answer, size_t bytes);
void load_talk_free(struct load_talk *talk);
/* Of the next request; the caller frees. NULL: out of memory. */
char *load_talk_body(const struct load_talk *talk, const struct load_plan *plan);
const char *load_plan_path(const struct load_plan *plan);

/* ---- load_run.c ---- */

struct load_sample {
    double sent, first, last, end;
    int64_t prompt_tokens, output_tokens, cached_tokens;
    int turn, status;
    enum load_failure failure;
};

struct load_result {
    struct load_sample *sample;
    size_t samples, capacity;
    struct load_samples gaps;
    double seconds; /* from the first request to the last byte */
    bool interrupted, failed;
    char complaint[256]; /* of the first refusal */
};
/* Asks for the name of the first model, into `name`. */
must_use enum status load_find_model(struct load_plan *plan, char *name, size_t name_bytes);
/* Where the plan has none; and asks how many bytes a token has. */
must_use enum status load_prepare(struct load_plan *plan, char *name, size_t name_bytes);
must_use enum status load_run(const struct load_plan *plan, struct load_result *result);
void load_result_free(struct load_result *result);

/* ---- load_report.c ---- */

must_use enum status load_report(const struct load_plan *plan, const struct load_result *result, bool json);

#endif
