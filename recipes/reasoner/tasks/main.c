/* main.c - tasks: the exercises of the reasoner's school as lines of JSON.
 *
 *   tasks [--seed N] [--count N] [--split train|held-out] [--format text|messages|prompts] [--mix KIND=WEIGHT,...] [--turns N]
 *   tasks --list
 *
 * A seed and a count name a data set. The two splits have no problem in common, whatever the seeds: a problem belongs to
 * the one that a hash of its key says. With --turns a conversation has one to N exchanges, of its own each. */
#include "task.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct maker makers[] = {
    {"addition", 14, make_addition},
    {"subtraction", 14, make_subtraction},
    {"product", 10, make_product_small},
    {"product-3x2", 10, make_product_3x2},
    {"product-3x3", 12, make_product_3x3},
    {"division", 12, make_division},
    {"chain", 8, make_chain},
    {"comparison", 5, make_comparison},
    {"sorting", 5, make_sorting},
    {"parity", 4, make_parity},
    {"ranking", 2, make_ranking},
    {"story", 10, make_story},
    {"talk", 4, make_talk},
};
const size_t maker_count = sizeof makers / sizeof *makers;
enum { MAKERS = sizeof makers / sizeof *makers };

enum { HELD_OUT_SHARE = 16 }; /* one problem of so many is held out */
enum { TURNS_MOST = 16 };

struct plan {
    unsigned long long seed, count;
    bool held_out;
    const char *format;
    int turns; /* of a conversation, at most */
    int weight[MAKERS], weights;
};

static void stop(const char *what, const char *which) {
    fprintf(stderr, "tasks: %s%s\n", what, which);
    exit(2);
}

static bool is_held_out(const struct task *task) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < task->key.used; i++)
        hash = (hash ^ (unsigned char)task->key.data[i]) * UINT64_C(0x100000001b3);
    return (hash >> 32) % HELD_OUT_SHARE == 0;
}

static const struct maker *draw_maker(const struct plan *plan, struct rng *rng) {
    int at = draw(rng, 0, plan->weights - 1);
    for (size_t i = 0;; i++)
        if ((at -= plan->weight[i]) < 0) return &makers[i];
}

/* An exchange, with the thinking of the reply as the trainer takes it. */
static void add_exchange(json_t *messages, const struct task *task) {
    json_array_append_new(messages, json_pack("{s:s,s:s}", "role", "user", "content", task->question.data));
    json_array_append_new(messages, json_pack("{s:s,s:s,s:s}", "role", "assistant", "reasoning_content",
                                              task->thought.data, "content", task->reply.data));
}

static json_t *as_text(const struct task *task) {
    char text[3 * TEXT_BYTES];
    snprintf(text, sizeof text, "%s\n%s%s\n", task->question.data, task->thought.data, task->reply.data);
    return json_pack("{s:s}", "text", text);
}

static json_t *as_prompt(const struct task *task, const char *kind) {
    bool numeric = task->answer.used > 0;
    return json_pack("{s:s,s:s,s:s,s:s}", "prompt", task->question.data, "answer",
                     numeric ? task->answer.data : task->reply.data, "verifier",
                     numeric ? "numeric" : "exact", "group", kind);
}

static void print_line(json_t *line) {
    if (!line || json_dumpf(line, stdout, JSON_COMPACT)) stop("cannot write a task", "");
    putchar('\n');
    json_decref(line);
}

/* Of the split that is wanted. */
static const struct maker *draw_task(const struct plan *plan, struct rng *rng, struct task *task) {
    for (;;) {
        const struct maker *maker = draw_maker(plan, rng);
        maker->make(task, rng);
        if (is_held_out(task) == plan->held_out) return maker;
    }
}

/* Three conversations of five have one exchange. */
static int draw_turns(const struct plan *plan, struct rng *rng) {
    return plan->turns == 1 || draw(rng, 1, 5) <= 3 ? 1 : draw(rng, 2, plan->turns);
}

static void print_conversation(const struct plan *plan, struct rng *rng, struct task *task) {
    json_t *messages = json_array();
    if (!messages) stop("no memory", "");
    for (int turns = draw_turns(plan, rng); turns > 0; turns--) {
        draw_task(plan, rng, task);
        add_exchange(messages, task);
    }
    print_line(json_pack("{s:o}", "messages", messages));
}

static void print_task(const struct plan *plan, struct rng *rng, struct task *task) {
    const struct maker *maker = draw_task(plan, rng, task);
    print_line(!strcmp(plan->format, "text") ? as_text(task) : as_prompt(task, maker->kind));
}

static void set_mix(struct plan *plan, char *mix) {
    memset(plan->weight, 0, sizeof plan->weight);
    for (char *item = strtok(mix, ","); item; item = strtok(NULL, ",")) {
        char *equals = strchr(item, '=');
        if (equals) *equals = '\0';
        size_t i = 0;
        while (i < maker_count && strcmp(makers[i].kind, item)) i++;
        if (i == maker_count) stop("no kind of task is called ", item);
        plan->weight[i] = equals ? atoi(equals + 1) : 1;
        if (plan->weight[i] < 1 || plan->weight[i] > 1000) stop("a weight is 1 to 1000: ", item);
    }
}

static struct plan read_options(int count, char **word) {
    struct plan plan = {.seed = 1, .count = 10, .format = "messages", .turns = 1};
    for (size_t i = 0; i < maker_count; i++) plan.weight[i] = makers[i].weight;
    for (int i = 1; i < count; i += 2) {
        if (i + 1 == count) stop("a value is missing behind ", word[i]);
        if (!strcmp(word[i], "--seed"))
            plan.seed = strtoull(word[i + 1], NULL, 10);
        else if (!strcmp(word[i], "--count"))
            plan.count = strtoull(word[i + 1], NULL, 10);
        else if (!strcmp(word[i], "--split"))
            plan.held_out = !strcmp(word[i + 1], "held-out");
        else if (!strcmp(word[i], "--format"))
            plan.format = word[i + 1];
        else if (!strcmp(word[i], "--mix"))
            set_mix(&plan, word[i + 1]);
        else if (!strcmp(word[i], "--turns"))
            plan.turns = atoi(word[i + 1]);
        else
            stop("unknown option ", word[i]);
    }
    if (strcmp(plan.format, "text") && strcmp(plan.format, "messages") && strcmp(plan.format, "prompts"))
        stop("--format is text, messages or prompts, not ", plan.format);
    if (plan.turns < 1 || plan.turns > TURNS_MOST) stop("--turns is 1 to 16", "");
    for (size_t i = 0; i < maker_count; i++) plan.weights += plan.weight[i];
    return plan;
}

int main(int count, char **word) {
    if (count == 2 && !strcmp(word[1], "--list")) {
        for (size_t i = 0; i < maker_count; i++) puts(makers[i].kind);
        return fflush(stdout) ? 1 : 0;
    }
    struct plan plan = read_options(count, word);
    struct rng rng;
    struct task *task = malloc(sizeof *task);
    if (!task) stop("no memory", "");
    rng_seed(&rng, plan.seed);
    for (unsigned long long done = 0; done < plan.count; done++) {
        if (!strcmp(plan.format, "messages"))
            print_conversation(&plan, &rng, task);
        else
            print_task(&plan, &rng, task);
    }
    free(task);
    return fflush(stdout) ? 1 : 0;
}
