/* node_memory.h - anonymous memory on one memory node, or spread over all nodes of a plan.
 *
 * The system is asked to place the pages as they are first touched, whoever touches them (mbind). Containers often forbid
 * that; then a thread that is kept on the node touches them first, which comes to the same. Both are wishes: a node without
 * room takes from others. One thread owns a block. */
#ifndef HADAL_BASE_NODE_MEMORY_H
#define HADAL_BASE_NODE_MEMORY_H

#include "base/nodes.h"

enum { NODES_ALL = -1 };

struct node_memory {
    uint8_t *data; /* at a multiple of huge pages */
    int64_t bytes;
    bool asked; /* the system took the wish; otherwise the pages were touched where they should be */
    void *mapped;
    int64_t mapped_bytes;
};

/* `node` is an index into the plan, or NODES_ALL. */
must_use enum status node_memory_open(struct node_memory *memory, const struct node_plan *plan, int node,
                                      int64_t bytes);
void node_memory_close(struct node_memory *memory); /* also of a zeroed one */

/* Spreads the whole pages of untouched memory over all nodes, where the system allows it. */
void node_memory_spread(const struct node_plan *plan, void *memory, int64_t bytes);

#endif
