/* rank_run.c - see rank_run.h. */
#include "support/rank_run.h"

#include "kernel/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listening {
    struct rank_run *run;
    int rank;
};

static void hear_beginning(void *context, const struct pretrain_report *report, int64_t tokens) {
    (void)context, (void)report, (void)tokens;
}

static bool hear_step(void *context, const struct pretrain_report *report) {
    const struct listening *listening = context;
    listening->run->skipped[listening->rank] += report->skipped;
    return listening->rank != listening->run->stopper || report->step != listening->run->stop_at;
}

static void hear_validation(void *context, int64_t step, double loss) {
    const struct listening *listening = context;
    (void)step;
    listening->run->valid[listening->rank] = loss;
}

static void hear_saved(void *context, int64_t step) {
    const struct listening *listening = context;
    (void)step;
    MUST(listening->rank == 0);
}

void rank_run_train(void *context, struct comm *comm) {
    struct rank_run *run = context;
    int rank = comm->rank;
    struct listening listening = {run, rank};
    struct pretrain_listener listener = {&listening,      NULL,      hear_beginning, hear_step,
                                         hear_validation, hear_saved};
    const char *usual = run->data, *data = rank == run->odd_rank ? run->odd_data : usual;
    struct pretrain_options options = {
        .config = run->config,
        .origin = "config.json",
        .tokenizer = "models/reasoner",
        .data = &data,
        .datas = 1,
        .valid = &usual,
        .valids = 1,
        .comm = comm,
        .run = run->path,
        .resume = true,
        .trainer = {.threads = 1, .cpu_level_cap = CPU_LEVEL_COUNT - 1},
        .sequence_rows = 16,
        .batch_sequences = 5,
        .micro_sequences = run->micro,
        .packing = PACK_CUT,
        .steps = run->steps,
        .valid_every = 4,
        .keep = 2,
        .seed = 3,
        .deviation = 0.1,
        .schedule = {.kind = SCHEDULE_CONSTANT, .peak = run->rate, .steps = run->steps},
        .mtp = {0.3, 0.1, 0.5},
        .bias = {1e-2, 0, 1},
        .balance = 1e-3,
        .spike = run->spike,
        .optimizer = optimizer_defaults(run->kind),
        .listener = &listener};
    run->skipped[rank] = 0;
    if (run->began) run->began(rank);
    run->status[rank] = pretrain_run(&options);
    snprintf(run->sentence[rank], sizeof run->sentence[rank], "%s", status_message());
}

void rank_run_open(struct rank_run *run, enum optimizer_kind kind, bool wide) {
    char text[3000] = "";
    *run = (struct rank_run){
        .config = tiny_config(TINY_V3), .steps = 6, .stopper = -1, .micro = 1, .odd_rank = -1, .kind = kind};
    scratch_open(&run->scratch);
    for (int i = 0, at = 0; i < (wide ? 60 : 8); i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "the number %d and seven times it is %d.\n", i,
                       7 * i);
    snprintf(run->data, sizeof run->data, "%s", scratch_text(&run->scratch, "data.txt", text));
    json_object_set_new(run->config, "vocab_size", json_integer(512));
    if (wide) json_object_set_new(run->config, "intermediate_size", json_integer(20000));
    rank_run_name(run, "run");
}

void rank_run_name(struct rank_run *run, const char *name) {
    snprintf(run->path, sizeof run->path, "%s/%s", run->scratch.directory, name);
}

void rank_run_remove(struct rank_run *run, const char *name) {
    char command[400];
    snprintf(command, sizeof command, "rm -rf %s/%s", run->scratch.directory, name);
    MUST(system(command) == 0);
}

void rank_run_close(struct rank_run *run) {
    json_decref(run->config);
    scratch_close(&run->scratch);
}

bool rank_run_same(struct rank_run *run, const char *a, const char *b) {
    static const char *const files[] = {"model.safetensors", "trainer/optimizer.safetensors",
                                        "trainer/state.json"};
    bool same = true;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char path[2][400], *content[2];
        size_t bytes[2];
        for (int side = 0; side < 2; side++) {
            snprintf(path[side], sizeof path[side], "%s/%s/latest/%s", run->scratch.directory, side ? b : a,
                     files[i]);
            content[side] = file_contents(path[side], &bytes[side]);
        }
        bool equal = bytes[0] == bytes[1] && !memcmp(content[0], content[1], bytes[0]);
        if (!equal) fprintf(stderr, "%s and %s differ\n", path[0], path[1]);
        same = same && equal;
        free(content[0]);
        free(content[1]);
    }
    return same;
}
