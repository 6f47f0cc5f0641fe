/* task_list.h - tasks of the teller in a row, and what becomes of one. Under the lock of whoever owns the list; private to
 * teller.c and reader.c. */
#ifndef HADAL_SERVER_ACCOUNT_TASK_LIST_H
#define HADAL_SERVER_ACCOUNT_TASK_LIST_H

#include "server/account/teller.h"

#include <stdio.h>

struct task_list {
    struct teller_task *first, **end;
};

static inline void task_append(struct task_list *list, struct teller_task *task) {
    task->next = NULL;
    if (!list->end) list->end = &list->first;
    *list->end = task;
    list->end = &task->next;
}

static inline struct teller_task *task_take_all(struct task_list *list) {
    struct teller_task *first = list->first;
    list->first = NULL;
    list->end = &list->first;
    return first;
}

/* At most so many of them. */
static inline int task_take(struct task_list *list, struct teller_task *task[], int limit) {
    int tasks = 0;
    while (list->first && tasks < limit) {
        task[tasks++] = list->first;
        list->first = list->first->next;
    }
    if (!list->first) list->end = &list->first;
    return tasks;
}

static inline void task_keep_status(struct teller_task *task, enum status status) {
    task->status = status;
    snprintf(task->sentence, sizeof task->sentence, "%s", status == STATUS_OK ? "" : status_message());
}

#endif
