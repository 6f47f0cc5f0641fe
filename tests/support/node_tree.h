/* node_tree.h - made-up folders like /sys/devices/system/node. */
#ifndef HADAL_TESTS_SUPPORT_NODE_TREE_H
#define HADAL_TESTS_SUPPORT_NODE_TREE_H

#include "support/scratch.h"

struct made_node {
    int id;
    const char *processors; /* of cpulist; NULL: there is no such file */
    const char *memory;     /* of meminfo */
    const char *distance;
};

/* The folder, which is valid as a path of the scratch directory is. `online` NULL: there is no such file. */
const char *node_tree_write(struct scratch *scratch, const char *name, const char *online,
                            const struct made_node *node, int nodes);

#endif
