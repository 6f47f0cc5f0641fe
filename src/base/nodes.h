/* nodes.h - which memory lies near which processors, and which workers compute beside which memory.
 *
 * A machine with several memory nodes reads memory of its own node faster than that of another, and all of it at once
 * fastest. The plan gives each node a run of consecutive workers, in proportion to its processors; whoever cuts data by
 * workers then knows which node reads which part. Reading the folder of the system is all that this touches; nothing of
 * a plan changes afterwards, and any thread may read it. */
#ifndef HADAL_BASE_NODES_H
#define HADAL_BASE_NODES_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { NODES_MOST = 64, PROCESSORS_MOST = 8192 };

struct number_set { /* of processors, or of nodes */
    uint64_t word[PROCESSORS_MOST / 64];
};
static inline bool number_set_has(const struct number_set *set, int number) {
    return set->word[number / 64] >> number % 64 & 1;
}
static inline void number_set_add(struct number_set *set, int number) {
    set->word[number / 64] |= UINT64_C(1) << number % 64;
}
/* "0-3,8" as the system writes sets; false for anything else, numbers beyond PROCESSORS_MOST among it. */
bool number_set_parse(struct number_set *set, const char *text);

struct memory_node {
    int id; /* the system's number */
    int processors;
    int worker_begin, worker_end;
    struct number_set set; /* of its processors that may be used */
};

struct node_plan {
    int nodes, threads;
    struct memory_node node[NODES_MOST];
};

struct node_source {
    const char *root;                               /* laid out like /sys/devices/system/node */
    const struct number_set *processors, *memories; /* that may be used, by number; NULL: all */
};

/* The nodes with processors that may be used. Processors of a node without memory of its own count to the nearest that
 * has some. `threads` workers are shared out; nodes that get none are left out. Unknown or impossible content of the folder
 * is a failure that names the file. */
must_use enum status nodes_read(struct node_plan *plan, const struct node_source *source, int threads);

/* What `setting` asks for: "off" or NULL is no plan, "auto" one for this machine, anything else is a folder to read
 * instead of the system's. *plan is NULL where one node has all workers; the caller frees it. */
must_use enum status nodes_plan_for(const char *setting, int threads, struct node_plan **plan);

/* The node whose workers have this one among them. */
int nodes_of_worker(const struct node_plan *plan, int worker);

#endif
