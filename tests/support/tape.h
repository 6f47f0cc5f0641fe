/* tape.h - derivatives in double precision by a tape: every operation computes at once and notes how to go back. Slow, plain and
 * apart from the product's own code: what the trainer is checked against. Values are [rows, n] row-major. */
#ifndef HADAL_TESTS_SUPPORT_TAPE_H
#define HADAL_TESTS_SUPPORT_TAPE_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

struct node;
typedef void node_back(struct node *node);

struct node {
    double *value, *gradient; /* of parameters: memory of the caller */
    int rows, n;
    node_back *back;
    struct node *in[3];
    const int32_t *index; /* rows, columns or runs, by operation */
    int first, count, heads, kv_heads, dim;
    double factor;
    bool flag;
    double *kept;
    struct node *before; /* on the tape */
};

struct tape {
    struct arena arena;
    struct node *last;
};

struct node *tape_parameter(struct tape *tape, double *value, double *gradient, int rows, int n);
struct node *tape_linear(struct tape *tape, struct node *x, struct node *w,
                         struct node *bias); /* x w^T + bias */
struct node *tape_add(struct tape *tape, struct node *a, struct node *b);
struct node *tape_norm(struct tape *tape, struct node *x, struct node *w, double epsilon);
struct node *tape_columns(struct tape *tape, struct node *x, int first, int n);
struct node *tape_beside(struct tape *tape, struct node *a, struct node *b); /* [rows, a.n + b.n] */
struct node *tape_rows(struct tape *tape, struct node *x, const int32_t *row, int rows);
/* y [rows, n] zero but y[row[i]] += x[i] * weight[row[i] * used + choice[i]]: `row` holds pairs of row and choice */
struct node *tape_scatter(struct tape *tape, struct node *x, struct node *weight, const int32_t *row,
                          int rows);
struct node *tape_swiglu(struct tape *tape, struct node *gate, struct node *up);
/* Rotates `dim` values from `first` on of each of `heads` equal parts of a row; angles [rows, dim / 2] */
struct node *tape_rope(struct tape *tape, struct node *x, int heads, int first, int dim, const double *angle,
                       double multiplier, bool interleaved);
/* Causal within runs: run_of[row] is where the row's run begins. */
struct node *tape_attention(struct tape *tape, struct node *q, struct node *k, struct node *v, int heads,
                            int kv_heads, double scale, const int32_t *run_of);
/* Affinities: sigmoid, or softmax of each row. */
struct node *tape_affinity(struct tape *tape, struct node *x, bool sigmoid);
/* weights [rows, used] of the chosen affinities */
struct node *tape_choose(struct tape *tape, struct node *score, const int32_t *expert, int used,
                         bool normalise, double scale);
/* Losses: sums over rows of coefficient * -log softmax[target]; of sum_e f[row][e] * score_e / sum(score). */
double tape_cross_entropy(struct tape *tape, struct node *logits, const int32_t *target,
                          const double *coefficient);
double tape_balance(struct tape *tape, struct node *score, const double *f);

void tape_back(struct tape *tape); /* from the losses to the parameters; gradients are added */
void tape_free(struct tape *tape);

#endif
