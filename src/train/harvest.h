/* harvest.h - right answers of a teacher as lines to tune a student with: rejection sampling. Several answers to each task are
 * sampled; those that the verifiers call right and that differ from each other are written, with their reasoning apart.
 *
 * Several ranks share the tasks, each with an engine of its own; the first writes what all have found, in the order of the tasks
 * and with the bytes of one process. Owned by the engine's thread. */
#ifndef HADAL_TRAIN_HARVEST_H
#define HADAL_TRAIN_HARVEST_H

#include "base/buffer.h"
#include "base/file_write.h"
#include "comm/comm.h"
#include "train/rollout.h"
#include "train/tasks.h"

struct harvest_report {
    int64_t tasks, all_tasks, solved; /* done, of all; with at least one right answer */
    int64_t answers, right, kept;
};

/* What a teacher, of whatever kind, said to a task. */
struct harvest_answer {
    const char *text; /* reasoning before </think>, where there is some; terminated */
    size_t bytes;
    bool cut; /* it did not come to its end */
};

/* A file of lines that is being written. Nothing is there under its name before it is closed well. */
struct harvest_lines {
    const struct dialogue_form *form;
    struct verifiers *verifiers;
    int most; /* lines for each task; 0: any number */
    struct file_writer file;
    struct buffer text; /* lines that are not in the file yet */
    struct harvest_report report;
};
must_use enum status harvest_open(struct harvest_lines *lines, const char *output);
/* Judges the answers to a task and takes those that are right, whole and different from each other. */
must_use enum status harvest_take(struct harvest_lines *lines, const json_t *task,
                                  const struct harvest_answer *answer, int answers);
/* What was taken since the last time goes to the file. */
must_use enum status harvest_write(struct harvest_lines *lines);
must_use enum status harvest_finish(struct harvest_lines *lines);
void harvest_close(struct harvest_lines *lines); /* always; an unfinished file goes */

struct harvest_options {
    struct engine *engine; /* the teacher's, with its tokenizer */
    struct comm *comm;
    const struct dialogue_form *form;
    struct verifiers *verifiers;
    const char *const *data;
    int datas;
    const char *output; /* *.jsonl */
    struct sampling sampling;
    uint64_t seed;
    int group, longest,
        most; /* answers to each task, tokens of each, and lines for each task; most 0: any number */
    bool (*progress)(
        void *context,
        const struct harvest_report *report); /* false: stop, what is there stays; NULL allowed */
    void *context;
};
/* Collective. STATUS_CANCELLED when a rank was stopped: then there is no file. All get the same report. */
must_use enum status harvest_run(const struct harvest_options *options, struct harvest_report *report);

#endif
