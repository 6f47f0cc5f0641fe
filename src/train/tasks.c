/* tasks.c - see tasks.h. */
#include "train/tasks.h"

#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define FILE_LIMIT ((size_t)1 << 32)

static enum status take_place(struct task_list *tasks) {
    if (tasks->tasks < tasks->capacity) return STATUS_OK;
    int64_t capacity = tasks->capacity ? 2 * tasks->capacity : 256;
    struct task *task = realloc(tasks->task, (size_t)capacity * sizeof *task);
    if (!task) return fail(STATUS_MEMORY, "no memory for %lld tasks", (long long)capacity);
    tasks->task = task;
    tasks->capacity = capacity;
    return STATUS_OK;
}

static enum status add_task(struct task_list *tasks, json_t *line, const char *origin,
                            const struct task_reader *reader) {
    size_t first = tasks->prompt.count;
    if (!json_is_object(line)) return fail(STATUS_FORMAT, "%s: expected an object", origin);
    TRY(take_place(tasks));
    if (!reader->unrewarded || verifiers_apply(reader->verifiers, line))
        TRY(verifiers_check(reader->verifiers, line, origin));
    TRY(dialogue_prompt(reader->form, reader->tokenizer, line, origin, &tasks->prompt));
    size_t tokens = tasks->prompt.count - first;
    if (!tokens) return fail(STATUS_FORMAT, "%s: the prompt is empty", origin);
    if (tokens > INT32_MAX) return fail(STATUS_LIMIT, "%s: the prompt is too long", origin);
    tasks->task[tasks->tasks++] = (struct task){(int64_t)first, (int)tokens, json_incref(line)};
    if ((int)tokens > tasks->longest) tasks->longest = (int)tokens;
    return STATUS_OK;
}

enum status tasks_add_lines(struct task_list *tasks, const char *text, size_t bytes, const char *origin,
                            const struct task_reader *reader) {
    int64_t number = 0;
    for (size_t at = 0; at < bytes;) {
        const char *end = memchr(text + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - text) - at : bytes - at;
        char place[512];
        json_t *line;
        size_t blank = 0;
        number++;
        while (blank < length &&
               (text[at + blank] == ' ' || text[at + blank] == '\t' || text[at + blank] == '\r'))
            blank++;
        snprintf(place, sizeof place, "%.400s, line %lld", origin, (long long)number);
        if (blank < length) {
            TRY(json_parse(text + at, length, place, &line));
            enum status status = add_task(tasks, line, place, reader);
            json_decref(line);
            TRY(status);
        }
        at += length + 1;
    }
    return STATUS_OK;
}

enum status tasks_add(struct task_list *tasks, const char *path, const struct task_reader *reader) {
    struct buffer content = {0};
    TRY(buffer_read_file(&content, path, FILE_LIMIT));
    enum status status = tasks_add_lines(tasks, content.data, content.bytes, path, reader);
    buffer_free(&content);
    return status;
}

void tasks_close(struct task_list *tasks) {
    for (int64_t i = 0; i < tasks->tasks; i++) json_decref(tasks->task[i].line);
    free(tasks->task);
    token_list_free(&tasks->prompt);
    *tasks = (struct task_list){0};
}

uint64_t tasks_identity(const struct task_list *tasks) {
    uint64_t hash = XXH64(tasks->prompt.id, tasks->prompt.count * sizeof *tasks->prompt.id, 0);
    for (int64_t i = 0; i < tasks->tasks; i++) {
        char *text = json_dumps(tasks->task[i].line, JSON_COMPACT | JSON_SORT_KEYS);
        hash = XXH64(text ? text : "", text ? strlen(text) : 0, hash);
        free(text);
    }
    return hash;
}

const int32_t *task_prompt(const struct task_list *tasks, int64_t task) {
    return tasks->prompt.id + tasks->task[task].first;
}

enum status task_order_open(struct task_order *order, const struct task_list *tasks, uint64_t seed) {
    *order = (struct task_order){.tasks = tasks, .seed = seed, .epoch = -1};
    order->order = malloc((size_t)(tasks->tasks ? tasks->tasks : 1) * sizeof *order->order);
    return order->order ? STATUS_OK : fail(STATUS_MEMORY, "no memory for the order of the tasks");
}

void task_order_close(struct task_order *order) {
    free(order->order);
    *order = (struct task_order){0};
}

int64_t task_order_at(struct task_order *order, int64_t place) {
    int64_t tasks = order->tasks->tasks, epoch = place / tasks;
    if (epoch != order->epoch) order_shuffle(order->order, tasks, order->seed, (uint64_t)epoch);
    order->epoch = epoch;
    return order->order[place % tasks];
}
