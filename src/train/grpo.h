/* grpo.h - a run of reinforcement learning from begin to end: prompts, groups of answers, rewards, steps, checkpoints, metrics.
 *
 * A step takes prompts in the order of the tasks, samples a group of answers to each with the present weights (rollout.h),
 * lets the verifiers reward them, fetches more prompts in place of groups whose rewards are all equal, and learns from the
 * rest (learner.h). Everything follows from the seed and the step, so that a run which was killed goes on to the same bits.
 *
 *   RUN/samples.jsonl    some answers of some steps, as text
 *
 * The rest of the directory is as in run_store.h. Owned by one thread.
 *
 * Several ranks share the prompts of a step, tell each other their answers and rewards, and share the batches of what is learnt:
 * they come to the same bits as one would, which decide everything, on all of them. The first alone touches the run's directory,
 * which any number of ranks may go on with. */
#ifndef HADAL_TRAIN_GRPO_H
#define HADAL_TRAIN_GRPO_H

#include "train/learner.h"
#include "train/pretrain.h"
#include "train/tasks.h"

struct grpo_options {
    struct pretrain_options
        base; /* model, data (tasks), run, optimizer, schedule, seed; its listener is not used */
    struct verifiers *verifiers;
    struct policy_options policy;
    struct sampling sampling; /* how answers are sampled */
    int prompts, group;       /* of a step; answers to each */
    int longest;              /* tokens of an answer */
    int at_once;              /* answers, of each rank; 0: as many as the batch has, at most 256 */
    int micro_rows;           /* tokens that go through the model together, at least */
    int refill;               /* times that groups without a difference are replaced */
    int least_groups;         /* a step with fewer that differ is left out */
    int updates,
        epochs;   /* steps of the optimizer for the answers of a step, and how often each answer is met */
    int overlong; /* tokens before `longest` from which on answers lose up to 1 of their reward */
    bool mask_truncated;     /* answers without an end are not learnt from */
    bool keep_routing;       /* the experts of a token stay those that it was sampled with */
    int64_t reference_every; /* steps after which the reference becomes the present policy; 0: never */
    int64_t samples_every;   /* steps; 0: none are written */
    double mtp, balance, bias_rate;
    const char *
        teacher; /* a model directory: answers are drawn to its distribution, and rewards may be missing. NULL: none */
    double teacher_weight;
    const struct grpo_listener *listener;
};

struct grpo_report { /* after a step; means over all answers that were sampled, unless said otherwise */
    int64_t step, steps, tokens;     /* tokens learnt from */
    double reward, reward_deviation; /* the second within groups, on average */
    double right, truncated;         /* shares of the answers */
    int groups, live;                /* sampled, and among them those whose rewards differ */
    double length;
    int shortest, longest;
    double entropy, kl, clipped_low, clipped_high; /* means over the tokens learnt from */
    double teacher;                                /* KL(policy || teacher), the same */
    double
        first_deviation; /* largest |ratio - 1| before the first update: 0 when sampler and trainer agree */
    double deviation;    /* the same over all updates */
    int64_t left_out;    /* answers that were too far off the policy */
    double loss, rate, norm;
    double rollout_seconds, learn_seconds, tokens_per_second;
    const char *words; /* what is wrong, if anything; NULL */
    bool skipped;      /* no update was made */
};

struct grpo_validation {
    int64_t step;
    double right, reward, length; /* of the likeliest answers */
};

struct grpo_listener { /* of each rank */
    void *context;
    void (*began)(void *context, const struct grpo_report *report, int64_t tasks);
    bool (*going)(void *context); /* between steps of the engine; false: stop without the step */
    bool (*step)(void *context, const struct grpo_report *report); /* false: save and stop */
    void (*validated)(void *context, const struct grpo_validation *validation);
};

/* What a run will take, without beginning it; tasks are read for it. Operations are those of answers that are all as long as they
 * may be, without any that are sampled again. */
struct grpo_plan {
    struct parameter_counts parameters;
    int64_t adapters; /* numbers that are learnt instead; 0: all of the parameters are */
    int64_t tasks;
    int longest_prompt, at_once;
    int hands; /* of each rank's crew that learns */
    int64_t policy,
        moments; /* bytes of one rank: weights, gradients and activations; at most the optimizer's */
    int64_t reference, teacher,
        cache; /* bytes: another policy's weights; the teacher; pages of the answers at once */
    int64_t memory, available;
    int64_t sampled, learnt; /* tokens of the whole run; with their prompts */
    double sampling_flops, learning_flops;
};
must_use enum status grpo_plan(const struct grpo_options *options, struct grpo_plan *plan);

/* STATUS_CANCELLED when the listener stopped it, after everything was saved. */
must_use enum status grpo_run(const struct grpo_options *options);

#endif
