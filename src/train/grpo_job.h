/* grpo_job.h - what the files behind grpo.h share. */
#ifndef HADAL_TRAIN_GRPO_JOB_H
#define HADAL_TRAIN_GRPO_JOB_H

#include "train/grpo.h"

struct grpo_group { /* answers to one prompt */
    int64_t task;
    struct rollout_answer *answer; /* [group] */
    double *reward, *advantage;    /* [group] */
};

struct grpo_grade { /* what a verifier said of an answer */
    double reward;
    int64_t right, tokens;
};

struct grpo_round {                /* prompts that are sampled together, dealt out to ranks by their places */
    struct rollout_prompt *prompt; /* [count] */
    int64_t *task;                 /* [count] */
    struct rollout_answer *answer; /* [count * group] */
    struct grpo_grade *grade;      /* [count * group] */
    int count, group;
};

struct grpo_job {
    const struct grpo_options *options;
    struct model_desc desc;
    json_t *config;
    struct tokenizer *tokenizer;
    struct task_list tasks, valid;
    struct task_order order;
    struct trainer trainer, teacher; /* the first samples, its crew learns */
    struct crew crew;                /* of `hands` */
    int hands;
    struct optimizer optimizer;
    struct rollout *rollout;
    struct learner learner;
    struct run_store store;
    struct run_state state; /* `sequence` is the place in the order of the tasks */
    FILE *samples;
    float *reference;        /* [elements] weights of the reference policy; NULL without kl */
    struct grpo_group *live; /* [prompts] groups of the step that are learnt from */
    int lives;
    struct lesson *lesson; /* [prompts * group] */
    double *logprob;       /* of all lessons: now, then reference */
    int64_t logprob_capacity;
};

/* grpo_plan.c: what follows from options, description and tasks. */
must_use enum status grpo_plan_job(const struct grpo_job *job, struct grpo_plan *plan);
must_use enum status grpo_context(const struct grpo_job *job,
                                  int *context); /* tokens of the longest prompt and answer */
int grpo_at_once(const struct grpo_job *job);    /* answers */
struct trainer_options grpo_lead_options(const struct grpo_job *job);
struct trainer_options grpo_hand_options(const struct grpo_job *job, int context);
struct trainer_options grpo_teacher_options(const struct grpo_job *job);
/* The teacher's, whose vocabulary is the student's. */
must_use enum status grpo_teacher_desc(const struct grpo_job *job, struct model_desc *desc);

/* grpo_sample.c, collective: groups of answers with their rewards in job->live; what there is to say goes to the report. */
must_use enum status grpo_sample(struct grpo_job *job, struct grpo_report *report);
void grpo_drop_groups(struct grpo_job *job);
must_use enum status grpo_validate(struct grpo_job *job, struct grpo_validation *validation);

/* grpo_share.c: prompts [*begin, *end) are the rank's. Collective: all get the answers to all of them. */
void grpo_round_part(const struct grpo_round *round, const struct comm *comm, int rank, int *begin, int *end);
must_use enum status grpo_share_answers(const struct grpo_round *round, struct comm *comm);

/* grpo_learn.c, collective: the updates from job->live. */
must_use enum status grpo_learn(struct grpo_job *job, struct grpo_report *report);

#endif
