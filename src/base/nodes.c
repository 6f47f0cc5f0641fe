/* nodes.c - reads the system's folder of memory nodes and shares workers out. A folder that somebody named may hold
 * anything: every number is checked before it is an index. */
#include "base/nodes.h"

#include "base/small_file.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, TEXT_BYTES = 32768, NO_NODE = -1 };
static const char system_root[] = "/sys/devices/system/node";

/* ---- sets ---- */

/* Digits at *at, which is moved behind them; -1 when there are none or too many. */
static int parse_number(const char **at) {
    int number = 0, digits = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        if (++digits > 6) return -1;
        number = number * 10 + (**at - '0');
    }
    return digits && number < PROCESSORS_MOST ? number : -1;
}

bool number_set_parse(struct number_set *set, const char *text) {
    memset(set, 0, sizeof *set);
    const char *at = text + strspn(text, " \t\n");
    if (!*at) return true;
    for (;; at++) {
        int first = parse_number(&at), last = first;
        if (*at == '-') {
            at++;
            last = parse_number(&at);
        }
        if (first < 0 || last < first) return false;
        for (int number = first; number <= last; number++) number_set_add(set, number);
        if (*at != ',') break;
    }
    return !at[strspn(at, " \t\n")];
}

/* ---- the folder ---- */

struct reader {
    struct node_plan *plan;
    const struct node_source *source;
    struct number_set online, listed; /* of the processors that nodes have claimed */
    bool has_memory[NODES_MOST];
    char path[PATH_BYTES];
    char text[TEXT_BYTES];
};

static enum status read_file(struct reader *reader, const char *name, bool *found) {
    int length = snprintf(reader->path, sizeof reader->path, "%s/%s", reader->source->root, name);
    if (length < 0 || (size_t)length >= sizeof reader->path)
        return fail(STATUS_LIMIT, "%.200s: the path is too long", reader->source->root);
    long bytes = small_file_read(reader->path, reader->text, sizeof reader->text);
    *found = bytes >= 0;
    if (bytes == TEXT_BYTES - 1 || (bytes >= 0 && strlen(reader->text) != (size_t)bytes))
        return fail(STATUS_FORMAT, "%s: no short text", reader->path);
    return STATUS_OK;
}

static enum status read_set(struct reader *reader, const char *name, struct number_set *set) {
    bool found;
    TRY(read_file(reader, name, &found));
    if (!found)
        return fail(STATUS_NOT_FOUND, "%s: cannot be read: %s", reader->path, strerror(errno)); /* NOLINT */
    if (!number_set_parse(set, reader->text))
        return fail(STATUS_FORMAT, "%s: \"%.40s\" is no list of numbers below %d", reader->path, reader->text,
                    PROCESSORS_MOST);
    return STATUS_OK;
}

static bool may_use(const struct number_set *allowed, int number) {
    return !allowed || number_set_has(allowed, number);
}

/* "Node 0 MemTotal:  1234 kB". A file that says nothing speaks of memory: only a plain zero means that there is none. */
static enum status read_memory(struct reader *reader, int node) {
    char name[64];
    bool found;
    long long kilobytes;
    snprintf(name, sizeof name, "node%d/meminfo", reader->plan->node[node].id);
    TRY(read_file(reader, name, &found));
    const char *total = found ? strstr(reader->text, "MemTotal:") : NULL;
    bool none = total && sscanf(total, "MemTotal: %lld", &kilobytes) == 1 && kilobytes <= 0;
    reader->has_memory[node] = !none && may_use(reader->source->memories, reader->plan->node[node].id);
    return STATUS_OK;
}

static enum status read_node(struct reader *reader, int id) {
    struct node_plan *plan = reader->plan;
    struct memory_node *node = &plan->node[plan->nodes];
    struct number_set listed;
    char name[64];
    snprintf(name, sizeof name, "node%d/cpulist", id);
    TRY(read_set(reader, name, &listed));
    *node = (struct memory_node){.id = id};
    for (int processor = 0; processor < PROCESSORS_MOST; processor++) {
        if (!number_set_has(&listed, processor)) continue;
        if (number_set_has(&reader->listed, processor))
            return fail(STATUS_FORMAT, "%s: processor %d belongs to another node already", reader->path,
                        processor);
        number_set_add(&reader->listed, processor);
        if (!may_use(reader->source->processors, processor)) continue;
        number_set_add(&node->set, processor);
        node->processors++;
    }
    TRY(read_memory(reader, plan->nodes));
    plan->nodes++;
    return STATUS_OK;
}

static enum status read_nodes(struct reader *reader) {
    TRY(read_set(reader, "online", &reader->online));
    for (int id = 0; id < PROCESSORS_MOST; id++) {
        if (!number_set_has(&reader->online, id)) continue;
        if (reader->plan->nodes == NODES_MOST)
            return fail(STATUS_LIMIT, "%s/online: more than %d nodes", reader->source->root, NODES_MOST);
        TRY(read_node(reader, id));
    }
    return STATUS_OK;
}

/* ---- nodes without memory ---- */

/* The node with memory that is nearest by the folder's table, whose entries go over the nodes that are online. Where there
 * is no such table, the first. */
static enum status nearest_with_memory(struct reader *reader, int node, int *nearest) {
    char name[64];
    bool found;
    long least = 0;
    snprintf(name, sizeof name, "node%d/distance", reader->plan->node[node].id);
    TRY(read_file(reader, name, &found));
    char *at = found ? reader->text : NULL;
    *nearest = NO_NODE;
    for (int i = 0; i < reader->plan->nodes; i++) {
        char *end = at;
        long distance = at ? strtol(at, &end, 10) : 0;
        bool known = end != at;
        at = known ? end : NULL;
        if (!reader->has_memory[i] || (*nearest != NO_NODE && (!known || distance >= least))) continue;
        *nearest = i;
        least = known ? distance : LONG_MAX;
    }
    return STATUS_OK;
}

static void join_nodes(struct memory_node *node, const struct memory_node *with) {
    for (size_t i = 0; i < COUNT_OF(node->set.word); i++) node->set.word[i] |= with->set.word[i];
    node->processors += with->processors;
}

static enum status give_memory_to_all(struct reader *reader) {
    struct node_plan *plan = reader->plan;
    for (int i = 0; i < plan->nodes; i++) {
        int nearest;
        if (reader->has_memory[i] || !plan->node[i].processors) continue;
        TRY(nearest_with_memory(reader, i, &nearest));
        if (nearest == NO_NODE) continue;
        join_nodes(&plan->node[nearest], &plan->node[i]);
        plan->node[i].processors = 0;
    }
    return STATUS_OK;
}

/* ---- workers ---- */

static void share_workers(struct node_plan *plan, int threads) {
    int64_t processors = 0, before = 0;
    int kept = 0;
    plan->threads = threads;
    for (int i = 0; i < plan->nodes; i++) processors += plan->node[i].processors;
    for (int i = 0; i < plan->nodes; i++) {
        struct memory_node *node = &plan->node[i];
        if (!node->processors) continue;
        node->worker_begin = (int)(threads * before / processors);
        before += node->processors;
        node->worker_end = (int)(threads * before / processors);
        if (node->worker_begin < node->worker_end) plan->node[kept++] = *node;
    }
    plan->nodes = kept;
}

enum status nodes_read(struct node_plan *plan, const struct node_source *source, int threads) {
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader) return fail(STATUS_MEMORY, "no memory to read %s", source->root);
    reader->plan = plan;
    reader->source = source;
    plan->nodes = 0;
    enum status status = read_nodes(reader);
    if (status == STATUS_OK) status = give_memory_to_all(reader);
    free(reader);
    TRY(status);
    share_workers(plan, threads);
    return STATUS_OK;
}

int nodes_of_worker(const struct node_plan *plan, int worker) {
    int node = 0;
    while (node + 1 < plan->nodes && worker >= plan->node[node].worker_end) node++;
    return node;
}

/* ---- this machine ---- */

static bool processors_allowed(struct number_set *allowed) {
    memset(allowed, 0, sizeof *allowed);
    cpu_set_t *set = CPU_ALLOC(PROCESSORS_MOST);
    size_t bytes = CPU_ALLOC_SIZE(PROCESSORS_MOST);
    bool known = set && sched_getaffinity(0, bytes, set) == 0;
    for (int i = 0; known && i < PROCESSORS_MOST; i++)
        if (CPU_ISSET_S((size_t)i, bytes, set)) number_set_add(allowed, i);
    if (set) CPU_FREE(set);
    return known;
}

static bool memories_allowed(struct number_set *allowed) {
    char text[TEXT_BYTES / 2], *list;
    if (small_file_read("/proc/self/status", text, sizeof text) < 0 ||
        !(list = strstr(text, "Mems_allowed_list:")))
        return false;
    list += sizeof "Mems_allowed_list:" - 1;
    list[strcspn(list, "\n")] = 0;
    return number_set_parse(allowed, list);
}

enum status nodes_plan_for(const char *setting, int threads, struct node_plan **plan) {
    struct number_set processors, memories;
    *plan = NULL;
    if (!setting || !strcmp(setting, "off")) return STATUS_OK;
    bool automatic = !strcmp(setting, "auto");
    struct node_source source = {.root = automatic ? system_root : setting};
    if (processors_allowed(&processors)) source.processors = &processors;
    if (automatic && memories_allowed(&memories)) source.memories = &memories;
    struct node_plan *made = calloc(1, sizeof *made);
    if (!made) return fail(STATUS_MEMORY, "no memory for a plan of memory nodes");
    enum status status = nodes_read(made, &source, threads);
    if (status == STATUS_OK && made->nodes > 1) {
        *plan = made;
        return STATUS_OK;
    }
    free(made);
    return automatic && status != STATUS_MEMORY ? STATUS_OK
                                                : status; /* a system that tells nothing has one node */
}
