/* placed.h - weights beside the workers that multiply them, on machines with several memory nodes.
 *
 * Each matrix is cut where the plan cuts its outputs among the workers of nodes, so that every worker reads its own part
 * of every matrix and of every expert from memory of its own node, whatever the routing. The parts of one node lie
 * together in one block: many small ones would each need a mapping of their own. Matrices that attention takes apart by
 * heads, and an embedding that is the head as well, are spread over all nodes. What they were copied from is given back as
 * copying goes on, so that memory never holds two models. Owned by the model's thread. */
#ifndef HADAL_MODEL_PLACED_H
#define HADAL_MODEL_PLACED_H

#include "backend/backend.h"
#include "base/node_memory.h"
#include "model/weights.h"

/* One part of a matrix: rows [row, row + rows) go to `offset` of a node's block. */
struct placed_part {
    int64_t slot;
    int64_t row, rows;
    int64_t offset, bytes;
    const void *source;
    int node; /* of the plan, or NODES_ALL: the whole matrix */
};

struct placed {
    struct node_memory block[NODES_MOST + 1]; /* of each node; behind them the one that is spread */
    int64_t block_bytes[NODES_MOST + 1];
    int nodes; /* 0: nothing is placed */
    struct placed_part *part;
    int64_t parts;
    struct tensor_piece *piece;
};

/* Which part of which matrix goes where: a pure function of weights, description and plan. Takes no memory for them. */
must_use enum status placed_layout(struct placed *placed, const struct weights *weights,
                                   const struct model_desc *desc, const struct node_plan *plan);

/* Copies everything to its node and lets the slots point there. Nothing happens where the backend has no plan of nodes.
 * `progress` may be NULL; false stops. */
must_use enum status placed_arrange(struct placed *placed, struct weights *weights,
                                    const struct model_desc *desc, struct backend *backend,
                                    bool (*progress)(void *, int64_t, int64_t), void *progress_context);
void placed_close(struct placed *placed); /* also of a zeroed one */

#endif
