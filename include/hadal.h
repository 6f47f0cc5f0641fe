/* hadal.h - DeepSeek language models on the processor: open a checkpoint, tokenize, generate, chat.
 *
 * A model is a checkpoint made runnable; a session is one list of tokens with its cache, or one conversation.
 *
 * Errors     A function that can fail returns enum hadal_status. hadal_error() then holds one sentence that names the
 *            file, field or limit. The library never prints and never ends the program. An argument that makes no
 *            sense (NULL where something must be) is HADAL_USAGE.
 * Text       UTF-8, with its length in bytes, or HADAL_TERMINATED where a NUL ends it. Bytes that are not UTF-8 count
 *            as U+FFFD.
 * Buffers    A function that fills a buffer of the caller reports in its last argument how much there is. A NULL buffer
 *            asks for nothing else. One that is too small is HADAL_LIMIT and stays as it is. Text that is written
 *            ends with a NUL, for which the buffer needs one byte more than is reported.
 * Ownership  What a function takes is copied; what it gives out as a pointer belongs to the model and lives as long.
 * Threads    One thread at a time may use a model and its sessions, whichever thread that is. hadal_tokenize(),
 *            hadal_detokenize(), hadal_render(), hadal_render_ids() and hadal_model_info() read only and may be called
 *            from any thread while another uses the model. Different models are independent.
 * Signals    While a model is open, SIGBUS has a handler: a file of the checkpoint that shrinks is an error of the next
 *            call, not the end of the program. Any other SIGBUS goes to the handler that was there before. */
#ifndef HADAL_H
#define HADAL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HADAL_API __attribute__((visibility("default")))
#else
#define HADAL_API
#endif

/* The version of this header. Programs run with any later library of the same major version. */
#define HADAL_VERSION_MAJOR 0
#define HADAL_VERSION_MINOR 1
#define HADAL_VERSION_PATCH 0

/* The version of the library that runs: "0.1.0". */
HADAL_API const char *hadal_version(void);

/* Numbers never change their meaning. */
enum hadal_status {
    HADAL_OK = 0,
    HADAL_USAGE = 1,       /* a call that makes no sense: a NULL argument, a model in use */
    HADAL_INPUT = 2,       /* a value out of its range, messages that are not well formed */
    HADAL_NOT_FOUND = 3,   /* nothing is there under this name */
    HADAL_IO = 4,          /* the system could not read or write */
    HADAL_FORMAT = 5,      /* a file of the checkpoint is damaged */
    HADAL_UNSUPPORTED = 6, /* well formed, but nothing that this library knows */
    HADAL_LIMIT = 7,       /* more than a context, a buffer or another limit allows */
    HADAL_MEMORY = 8,      /* needs more memory than there is; the sentence has the numbers */
    HADAL_CANCELLED = 9,   /* stopped before there was a result */
    HADAL_INTERNAL = 10    /* a fault of the library */
};

/* The sentence of this thread's last failure, "" before the first. Valid until the thread's next call. */
HADAL_API const char *hadal_error(void);
/* A few words for a status, such as "limit exceeded". */
HADAL_API const char *hadal_status_text(enum hadal_status status);

/* As a length: up to the terminating NUL. */
#define HADAL_TERMINATED ((size_t)-1)

/* ---- models ---- */

struct hadal_model;

struct hadal_model_options {
    const char *path;          /* a Hugging Face directory or a .gguf file; required */
    const char *cpu;           /* highest level of instructions: "auto", "scalar", "avx2", "avx512", "amx" */
    const char *kv_type;       /* number format of the cache: "auto", "f32", "f16", "bf16", "q8_0", "fp8" */
    const char *chat_template; /* by name, such as "deepseek-r1"; NULL: the checkpoint's own */
    int64_t context;      /* tokens that each session has room for; 0: the model's own, as memory allows */
    int64_t memory_limit; /* bytes; a model that needs more is refused. 0: what the machine has available */
    int sessions;         /* open at once; the caches of all are taken when the model opens */
    int threads;          /* that compute; 0: one for each processor */
    int batch_size;       /* prompt tokens that are computed in one step */
    int strict;           /* 1: prompt and generated tokens are computed in one form and have the same bits */
    int ids_only; /* 1: no tokenizer is needed, and functions that take or give text are HADAL_UNSUPPORTED */
    const char *pack; /* where block-quantised weights are kept rearranged: "auto", "memory", "file", "off" */
    const char *cache_dir; /* for files of them, which later starts map; NULL: none are written */
    const char
        *numa; /* machines with several memory nodes: "auto", "off"; NULL: off. With auto the weights are
                            * copied to the nodes, and the thread that computes stays on one until the model is closed */
    int64_t reserved[5]; /* 0 */
};

/* Everything automatic, one session, 512 tokens a step. `path` is still to be set. */
HADAL_API void hadal_model_options_default(struct hadal_model_options *options);

/* Maps the files, checks every tensor and takes all memory that the model will use. On failure *model is NULL. */
HADAL_API enum hadal_status hadal_model_open(struct hadal_model **model,
                                             const struct hadal_model_options *options);

/* Gives the model up: it is released once all of its sessions are closed too, in any order. NULL is allowed. */
HADAL_API void hadal_model_close(struct hadal_model *model);

struct hadal_model_info {
    const char *architecture;   /* as config.json calls it: "deepseek_v3" */
    const char *chat_template;  /* "deepseek-v3"; NULL: there is none, and no chat */
    const char *backend;        /* what computes: "cpu avx512, 2 threads" */
    int64_t parameters;         /* of the model without multi-token prediction modules */
    int64_t active_parameters;  /* that are read for one token */
    int64_t weight_bytes;       /* of the checkpoint's files */
    int64_t kv_bytes_per_token; /* of the cache */
    int64_t context;            /* tokens that one session has room for */
    int64_t trained_context;    /* tokens that the checkpoint itself allows */
    int32_t vocabulary;         /* ids are 0 .. vocabulary - 1; also the length of a row of logits */
    int32_t layers;
    int32_t bos;        /* the token that begins every text; -1: none */
    int32_t thinks;     /* 1: the model can reason before it answers */
    const char *notice; /* why the model runs slower than it could; NULL: it does not */
    int64_t reserved[7];
};
HADAL_API enum hadal_status hadal_model_info(const struct hadal_model *model, struct hadal_model_info *info);

/* ---- text and tokens ---- */

/* Control tokens, such as "<think>". HADAL_PLAIN: text becomes ids as if there were none, which is for everything that a
 * user wrote; when ids become text, those are left out that the tokenizer marks as special. HADAL_SPECIAL: they are
 * recognised, and they appear. */
enum hadal_special { HADAL_PLAIN = 0, HADAL_SPECIAL = 1 };

/* The ids of a text. Nothing is put in front of it. */
HADAL_API enum hadal_status hadal_tokenize(const struct hadal_model *model, const char *text, size_t bytes,
                                           enum hadal_special special, int32_t *ids, size_t capacity,
                                           size_t *count);

/* The text of ids. HADAL_INPUT for an id outside the vocabulary. */
HADAL_API enum hadal_status hadal_detokenize(const struct hadal_model *model, const int32_t *ids,
                                             size_t count, enum hadal_special special, char *text,
                                             size_t capacity, size_t *bytes);

/* Whether the model reasons before it answers, where it can. */
enum hadal_thinking { HADAL_THINKING_DEFAULT = 0, HADAL_THINKING_ON = 1, HADAL_THINKING_OFF = 2 };

/* The prompt that a conversation becomes, up to where the answer begins. `messages` is JSON as the chat API takes it:
 * an array of {"role": "system"|"user"|"assistant"|"tool", "content": "..."}, or an object with "messages" and "tools". */
HADAL_API enum hadal_status hadal_render(const struct hadal_model *model, const char *messages, size_t bytes,
                                         enum hadal_thinking thinking, char *text, size_t capacity,
                                         size_t *text_bytes);
/* The same as ids. What stands in a message is text and never becomes a control token. */
HADAL_API enum hadal_status hadal_render_ids(const struct hadal_model *model, const char *messages,
                                             size_t bytes, enum hadal_thinking thinking, int32_t *ids,
                                             size_t capacity, size_t *count);

/* ---- sessions ---- */

struct hadal_session;

/* HADAL_LIMIT when all sessions of the model's options are open. On failure *session is NULL. */
HADAL_API enum hadal_status hadal_session_open(struct hadal_session **session, struct hadal_model *model);
/* NULL is allowed. From inside a callback the session closes when the call that runs it returns. */
HADAL_API void hadal_session_close(struct hadal_session *session);

/* Adds tokens to the prompt. In front of the first text of an empty session goes the token that begins every text,
 * where the model's tokenizer asks for it; nothing is added to ids. HADAL_LIMIT beyond the context: nothing is added. */
HADAL_API enum hadal_status hadal_session_append_text(struct hadal_session *session, const char *text,
                                                      size_t bytes, enum hadal_special special);
HADAL_API enum hadal_status hadal_session_append_ids(struct hadal_session *session, const int32_t *ids,
                                                     size_t count);

/* How many tokens the session holds, prompt and generated; 0 for NULL. */
HADAL_API int64_t hadal_session_tokens(const struct hadal_session *session);
/* Which they are. */
HADAL_API enum hadal_status hadal_session_ids(const struct hadal_session *session, int32_t *ids,
                                              size_t capacity, size_t *count);

/* Forgets all but the first `tokens` tokens, which stay cached. HADAL_INPUT when there are fewer. */
HADAL_API enum hadal_status hadal_session_truncate(struct hadal_session *session, int64_t tokens);
/* Forgets all tokens and messages. */
HADAL_API enum hadal_status hadal_session_reset(struct hadal_session *session);

/* What the model predicts behind the last token: logits [vocabulary]. Computes what is not cached yet. HADAL_USAGE for
 * an empty session. `capacity` and *count are in floats. */
HADAL_API enum hadal_status hadal_session_logits(struct hadal_session *session, float *logits,
                                                 size_t capacity, size_t *count);

/* Adds a message to the session's conversation. `role` is "system", "user", "assistant" or "tool". */
HADAL_API enum hadal_status hadal_session_add_message(struct hadal_session *session, const char *role,
                                                      const char *text, size_t bytes);
/* Replaces the conversation by messages in JSON, as for hadal_render(). */
HADAL_API enum hadal_status hadal_session_set_messages(struct hadal_session *session, const char *messages,
                                                       size_t bytes);
/* The conversation as JSON: an object with "messages", and "tools" where there are any. */
HADAL_API enum hadal_status hadal_session_messages(const struct hadal_session *session, char *text,
                                                   size_t capacity, size_t *bytes);

/* ---- generating ---- */

enum hadal_kind { HADAL_ANSWER = 0, HADAL_REASONING = 1 };

/* What has come since the last piece. Either part may be empty: some tokens are no text, and a character may need
 * several. Valid during the callback. */
struct hadal_piece {
    const char *text; /* whole characters, NUL-terminated */
    size_t bytes;
    const int32_t *ids;
    size_t count;
    enum hadal_kind kind; /* hadal_session_generate() has answers only */
};

struct hadal_logit_bias {
    int32_t id;
    float bias; /* -100 .. 100, added to the token's logit */
};

/* How to choose tokens, and when to stop. Of the model's sessions the callbacks may call hadal_session_tokens(),
 * hadal_session_ids() and hadal_session_close(); anything else is HADAL_USAGE. */
struct hadal_generation {
    double temperature; /* 0 .. 100; 0 takes the likeliest token every time */
    double top_p;       /* 0 .. 1: of the likeliest tokens that together reach this probability; 1: all */
    double min_p;       /* 0 .. 1: of tokens at least so many times as likely as the likeliest; 0: all */
    int64_t top_k;      /* of so many likeliest tokens; 0: all */
    double repetition_penalty;                  /* 0.01 .. 100, for tokens of prompt and answer; 1: none */
    double presence_penalty, frequency_penalty; /* -2 .. 2, for generated tokens; 0: none */
    int64_t seed;            /* the same seed and library give the same text; below 0: another each time */
    int64_t max_tokens;      /* below 0: until the context is full; 0 only reads the prompt */
    const char *const *stop; /* [stops] texts that end the answer; they are not part of it */
    int stops;
    enum hadal_thinking thinking;        /* hadal_session_answer() only */
    const struct hadal_logit_bias *bias; /* [biases] */
    int biases;
    /* Called for each piece; returning other than 0 stops. NULL: only the session knows what was generated. */
    int (*on_piece)(void *context, const struct hadal_piece *piece);
    /* Called while a prompt is read; returning other than 0 stops. NULL: not needed. */
    int (*on_prompt)(void *context, int64_t done, int64_t tokens);
    void *context; /* for both */
    int64_t reserved[8];
};

/* Sampling as the checkpoint recommends it, another seed each time, no limit, no callbacks. */
HADAL_API enum hadal_status hadal_generation_default(const struct hadal_model *model,
                                                     struct hadal_generation *generation);

enum hadal_finish {
    HADAL_FINISH_END = 0,     /* the model ended its answer, or a stop text came */
    HADAL_FINISH_LENGTH = 1,  /* max_tokens, or the context is full */
    HADAL_FINISH_STOPPED = 2, /* a callback said so */
    HADAL_FINISH_FAILED = 3   /* the function returned a failure */
};

struct hadal_usage {
    enum hadal_finish finish;
    int64_t prompt_tokens;    /* in the session when generation began */
    int64_t cached_tokens;    /* of these that needed no computing */
    int64_t generated_tokens; /* the one that ends the answer included */
    double prompt_seconds;    /* until the first token was chosen */
    double generate_seconds;  /* from then on */
    int64_t reserved[8];
};

/* Continues the session's tokens, of which there must be at least one. The generated tokens join the session.
 * `generation` NULL: the default. `usage` may be NULL; it is filled in on failure too. */
HADAL_API enum hadal_status hadal_session_generate(struct hadal_session *session,
                                                   const struct hadal_generation *generation,
                                                   struct hadal_usage *usage);

/* Answers the conversation: the session's tokens become the prompt of its messages, keeping what is cached of it, and
 * the answer, as far as it came, joins the messages. Otherwise as hadal_session_generate(). */
HADAL_API enum hadal_status hadal_session_answer(struct hadal_session *session,
                                                 const struct hadal_generation *generation,
                                                 struct hadal_usage *usage);

#ifdef __cplusplus
}
#endif

#endif
