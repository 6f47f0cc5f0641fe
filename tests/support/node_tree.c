/* node_tree.c - see node_tree.h. */
#include "support/node_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void write_file(const char *root, const char *name, const char *text) {
    char path[512];
    if (!text) return;
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file)) abort();
}

const char *node_tree_write(struct scratch *scratch, const char *name, const char *online,
                            const struct made_node *node, int nodes) {
    const char *root = scratch_path(scratch, name);
    char path[512];
    if (mkdir(root, 0700)) abort();
    write_file(root, "online", online);
    for (int i = 0; i < nodes; i++) {
        snprintf(path, sizeof path, "%s/node%d", root, node[i].id);
        if (mkdir(path, 0700)) abort();
        write_file(path, "cpulist", node[i].processors);
        write_file(path, "meminfo", node[i].memory);
        write_file(path, "distance", node[i].distance);
    }
    return root;
}
