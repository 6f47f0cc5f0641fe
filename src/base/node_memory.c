/* node_memory.c - mappings, mbind without libnuma (one call is all that is needed of it), and first touches. */
#include "base/node_memory.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/thread_pool.h"

#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whole pages only; false when the system refuses. One node is preferred, not demanded: full memory is no failure. */
static bool ask(const struct node_plan *plan, int node, uint8_t *begin, int64_t bytes) {
    struct number_set mask = {0};
    if (node != NODES_ALL) number_set_add(&mask, plan->node[node].id);
    for (int i = 0; node == NODES_ALL && i < plan->nodes; i++) number_set_add(&mask, plan->node[i].id);
    unsigned long words[COUNT_OF(mask.word)];
    _Static_assert(sizeof words == sizeof mask.word, "the system's masks are of long words");
    memcpy(words, mask.word, sizeof words);
    return !syscall(SYS_mbind, begin, (unsigned long)bytes,
                    node == NODES_ALL ? MPOL_INTERLEAVE : MPOL_PREFERRED, words,
                    (unsigned long)PROCESSORS_MOST, 0UL);
}

/* ---- touching ---- */

struct toucher {
    const struct node_plan *plan;
    int node;
    uint8_t *data;
    int64_t bytes, step, first; /* pieces of a huge page: every step-th, from the first on */
};

static void *touch(void *argument) {
    const struct toucher *toucher = argument;
    thread_keep_on(&toucher->plan->node[toucher->node].set);
    int64_t page = sysconf(_SC_PAGESIZE);
    for (int64_t piece = toucher->first; piece * HUGE_PAGE_BYTES < toucher->bytes; piece += toucher->step) {
        int64_t begin = piece * HUGE_PAGE_BYTES, end = min_i64(begin + HUGE_PAGE_BYTES, toucher->bytes);
        for (int64_t at = begin; at < end; at += page) *(volatile uint8_t *)(toucher->data + at) = 0;
    }
    return NULL;
}

/* One node after the other: speed matters little here, and memory that is not touched is placed later. */
static void touch_from(const struct node_plan *plan, int node, struct node_memory *memory) {
    bool all = node == NODES_ALL;
    for (int i = all ? 0 : node; i < (all ? plan->nodes : node + 1); i++) {
        struct toucher toucher = {plan, i, memory->data, memory->bytes, all ? plan->nodes : 1, all ? i : 0};
        pthread_t thread;
        if (pthread_create(&thread, NULL, touch, &toucher) == 0) pthread_join(thread, NULL);
    }
}

/* ---- blocks ---- */

enum status node_memory_open(struct node_memory *memory, const struct node_plan *plan, int node,
                             int64_t bytes) {
    char text[32];
    *memory = (struct node_memory){.bytes = bytes};
    if (!add_fits(bytes, 2 * (int64_t)HUGE_PAGE_BYTES, &memory->mapped_bytes))
        return fail(STATUS_LIMIT, "%lld bytes on a memory node are out of range", (long long)bytes);
    void *mapped = mmap(NULL, (size_t)memory->mapped_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
        *memory = (struct node_memory){0};
        return fail(STATUS_MEMORY, "no memory for %s on a memory node", bytes_text(bytes, text));
    }
    memory->mapped = mapped;
    memory->data = (uint8_t *)(uintptr_t)round_up((int64_t)(uintptr_t)mapped, HUGE_PAGE_BYTES);
    int64_t whole = round_up(bytes, HUGE_PAGE_BYTES);
    madvise(memory->data, (size_t)whole, MADV_HUGEPAGE);
    memory->asked = ask(plan, node, memory->data, whole);
    if (!memory->asked) touch_from(plan, node, memory);
    return STATUS_OK;
}

void node_memory_close(struct node_memory *memory) {
    if (memory->mapped) munmap(memory->mapped, (size_t)memory->mapped_bytes);
    *memory = (struct node_memory){0};
}

void node_memory_spread(const struct node_plan *plan, void *memory, int64_t bytes) {
    int64_t page = sysconf(_SC_PAGESIZE), begin = round_up((int64_t)(uintptr_t)memory, page),
            end = ((int64_t)(uintptr_t)memory + bytes) / page * page;
    if (end > begin) ask(plan, NODES_ALL, (uint8_t *)(uintptr_t)begin, end - begin);
}
