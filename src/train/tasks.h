/* tasks.h - what a policy is asked: prompts as token ids, each with the line that says when an answer is right. Read once;
 * owned by one thread. */
#ifndef HADAL_TRAIN_TASKS_H
#define HADAL_TRAIN_TASKS_H

#include "train/dialogue.h"
#include "verify/verify.h"

struct task {
    int64_t first; /* of the ids */
    int tokens;
    json_t *line;
};

struct task_list {
    struct task *task;
    int64_t tasks, capacity;
    struct token_list prompt; /* of all, one behind the other */
    int longest;              /* tokens of a prompt */
};

struct task_reader {
    const struct dialogue_form *form;
    const struct tokenizer *tokenizer;
    const struct verifiers *verifiers;
    bool unrewarded; /* tasks that nothing verifies are taken too */
};

/* Appends the lines of a .jsonl file, each with "prompt" or "messages" and what its verifiers need. */
must_use enum status tasks_add(struct task_list *tasks, const char *path, const struct task_reader *reader);
must_use enum status tasks_add_lines(struct task_list *tasks, const char *text, size_t bytes,
                                     const char *origin, const struct task_reader *reader);
void tasks_close(struct task_list *tasks); /* zeroed allowed */
uint64_t tasks_identity(const struct task_list *tasks);
const int32_t *task_prompt(const struct task_list *tasks, int64_t task);

/* The task at a place of the run, counted from 0 over all epochs: each epoch has every task once. */
struct task_order {
    const struct task_list *tasks;
    uint64_t seed;
    int64_t epoch, *order;
};
must_use enum status task_order_open(struct task_order *order, const struct task_list *tasks, uint64_t seed);
void task_order_close(struct task_order *order); /* zeroed allowed */
int64_t task_order_at(struct task_order *order, int64_t place);

#endif
