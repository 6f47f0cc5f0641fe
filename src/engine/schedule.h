/* schedule.h - which answers are computed, and what each step computes of them.
 *
 * Waiting answers take a place when there is one and the cache has room for their prompt: higher priorities first, then the
 * account with the fewest running answers, then the oldest. A step runs one row of each answer that is being generated,
 * and as many prompt rows as fit into its time: accounts take turns of PREFILL_QUANTUM tokens, in which the tokens that
 * their answers generate count too. When pages run out, answers of the lowest priority and then the youngest give up
 * theirs; they wait, and go on with the same bits. Owned by the engine's thread. */
#ifndef HADAL_ENGINE_SCHEDULE_H
#define HADAL_ENGINE_SCHEDULE_H

#include "engine/page_store.h"
#include "engine/prefill_pace.h"
#include "engine/replay.h"
#include "engine/request.h"

enum { PREFILL_QUANTUM = 1024, DRAFT_PACES = 12 };

struct account { /* lives while it has requests */
    char *name;
    int requests, running;
    int64_t deficit; /* tokens that it may still compute in this turn */
    struct account *next;
};

struct scheduler {
    struct engine *engine;
    double step_seconds;
    enum speculate speculate;
    void (*leave)(void *context, struct request *request); /* before the last event of each request */
    void (*gone)(void *context);                           /* after it */
    void *leave_context;
    struct request *request; /* all, the oldest first */
    struct account *account; /* in the order of their turns, beginning with the present one */
    struct job **running;    /* [runnings], at most engine->sequences; in the order of admission */
    int runnings;
    struct step_item *item; /* [runnings] of the current step */
    struct prefix_cache cache;
    struct page_store *store; /* NULL: none */
    struct replay *replay;    /* NULL: none */
    int32_t *found;           /* [pages of a context] of the last search */
    struct prefix_key *key;   /* [pages of a context] */
    uint8_t *prompt_role;     /* [context] all TOKEN_PROMPT */
    struct sample_space space;
    float *logits; /* [engine->sequences, vocab], with an MTP module twice as many */
    int32_t *row;  /* likewise */
    struct prefill_pace pace;
    struct draft_pace draft_pace[DRAFT_PACES]; /* by the number of answers in a step */
    struct module_item *module_item;           /* [engine->sequences] */
    double draft_seconds;                      /* that the drafts of the next step took */
    int drafts, right;                         /* of the current step: that it carries, that were right */
    struct service_counts counts;              /* but for those that the service knows */
};

must_use enum status scheduler_open(struct scheduler *scheduler, struct engine *engine, double step_seconds,
                                    enum speculate speculate);
void scheduler_close(struct scheduler *scheduler); /* without requests; also of a zeroed one */

/* The cache goes on to the disk. The caller's, which must outlive the scheduler's requests. */
void scheduler_set_store(struct scheduler *scheduler, struct page_store *store);
/* Writes pages that the disk does not have; false: it takes no more for now. */
bool scheduler_save(struct scheduler *scheduler);
void scheduler_save_all(struct scheduler *scheduler, double seconds); /* at most for so long */
/* All running answers wait for the disk. */
bool scheduler_waits(const struct scheduler *scheduler);

/* Takes the request over. Without memory it ends at once. */
void scheduler_add(struct scheduler *scheduler, struct request *request);
/* Ends what is cancelled or too late, lets others in, and runs a step if there is anything to run. */
void scheduler_advance(struct scheduler *scheduler);
/* Ends everything. */
void scheduler_abort(struct scheduler *scheduler, enum status status, const char *message);
bool scheduler_idle(const struct scheduler *scheduler);
/* The figures that change with every step. */
struct service_counts scheduler_counts(const struct scheduler *scheduler);

/* ---- between schedule.c and schedule_step.c ---- */

/* Ends one answer, and with the last one its request. `status` is that of the request. */
void job_end(struct scheduler *scheduler, struct job *job, enum finish finish);
void request_end(struct scheduler *scheduler, struct request *request, enum status status,
                 const char *message);
/* Gives up place and pages; the answer waits. */
void job_pause(struct scheduler *scheduler, struct job *job);
/* a before b in everything that there is not enough of. */
bool job_precedes(const struct job *a, const struct job *b);
void schedule_step(struct scheduler *scheduler);

/* ---- schedule_cache.c ---- */

/* Opens the job's sequence over the cached pages of its tokens. */
must_use enum status job_open_sequence(struct scheduler *scheduler, struct job *job);
/* The pages that the job would have to take. */
int64_t job_pages_needed(struct scheduler *scheduler, const struct job *job);
/* Gives the cache the pages that have become whole. */
void job_keep_pages(struct scheduler *scheduler, struct job *job);
/* What the prompt's tokens were cached as, they are from now on. */
must_use enum status job_remember_roles(struct job *job);
void job_close_sequence(struct scheduler *scheduler, struct job *job);
/* Drops idle pages until so many are free; false: there are not enough. */
bool free_pages(struct scheduler *scheduler, int64_t pages);

/* ---- schedule_draft.c ---- */

bool scheduler_can_draft(const struct scheduler *scheduler);
/* When the job has its place: is it ready for drafts? */
void job_begin_drafts(struct scheduler *scheduler, struct job *job);
/* The token behind the last one that was compared is `id`; true: as it was drafted, so that its row is computed. */
must_use enum status job_append(struct scheduler *scheduler, struct job *job, int32_t id, bool *drafted);
/* After the results of a step: the module runs along, and drafts where that pays. */
must_use enum status scheduler_draft(struct scheduler *scheduler);
/* What the step took that is over, of so many answers and prompt rows. */
void scheduler_measure_drafts(struct scheduler *scheduler, int answers, int prompt_rows, double seconds);

/* ---- schedule_disk.c ---- */

/* Looks for pages of the wish that the sequence has not got yet; sets `loads`. */
must_use enum status job_plan_loads(struct scheduler *scheduler, struct job *job,
                                    const struct prefix_wish *wish);
void job_stop_loads(struct job *job);
/* Takes what has been read, and asks for more. */
void scheduler_load(struct scheduler *scheduler);

#endif
