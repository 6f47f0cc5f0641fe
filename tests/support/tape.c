/* tape.c - the operations of tape.h and their derivatives. */
#include "support/tape.h"

#include "base/status.h"

#include <math.h>
#include <string.h>

static void *take(struct tape *tape, size_t bytes) {
    void *memory = arena_take(&tape->arena, bytes ? bytes : 1);
    MUST(memory);
    return memory;
}

static struct node *node_of(struct tape *tape, node_back *back, int rows, int n) {
    struct node *node = take(tape, sizeof *node);
    *node = (struct node){.rows = rows, .n = n, .back = back, .before = tape->last};
    node->value = take(tape, (size_t)rows * (size_t)n * sizeof(double));
    node->gradient = take(tape, (size_t)rows * (size_t)n * sizeof(double));
    tape->last = node;
    return node;
}

struct node *tape_parameter(struct tape *tape, double *value, double *gradient, int rows, int n) {
    struct node *node = take(tape, sizeof *node);
    *node = (struct node){.rows = rows, .n = n, .value = value, .gradient = gradient};
    return node;
}

/* ---- linear ---- */

static void linear_back(struct node *y) {
    struct node *x = y->in[0], *w = y->in[1], *bias = y->in[2];
    for (int r = 0; r < y->rows; r++)
        for (int o = 0; o < y->n; o++) {
            double d = y->gradient[r * y->n + o];
            for (int i = 0; i < x->n; i++) {
                x->gradient[r * x->n + i] += d * w->value[o * x->n + i];
                w->gradient[o * x->n + i] += d * x->value[r * x->n + i];
            }
            if (bias) bias->gradient[o] += d;
        }
}

struct node *tape_linear(struct tape *tape, struct node *x, struct node *w, struct node *bias) {
    MUST(x->n == w->n);
    struct node *y = node_of(tape, linear_back, x->rows, w->rows);
    y->in[0] = x, y->in[1] = w, y->in[2] = bias;
    for (int r = 0; r < y->rows; r++)
        for (int o = 0; o < y->n; o++) {
            double sum = bias ? bias->value[o] : 0;
            for (int i = 0; i < x->n; i++) sum += x->value[r * x->n + i] * w->value[o * x->n + i];
            y->value[r * y->n + o] = sum;
        }
    return y;
}

static void add_back(struct node *y) {
    for (int i = 0; i < y->rows * y->n; i++) {
        y->in[0]->gradient[i] += y->gradient[i];
        y->in[1]->gradient[i] += y->gradient[i];
    }
}

struct node *tape_add(struct tape *tape, struct node *a, struct node *b) {
    struct node *y = node_of(tape, add_back, a->rows, a->n);
    y->in[0] = a, y->in[1] = b;
    for (int i = 0; i < y->rows * y->n; i++) y->value[i] = a->value[i] + b->value[i];
    return y;
}

/* ---- norm ---- */

static double norm_factor(const struct node *x, int row, double epsilon) {
    double sum = 0;
    for (int i = 0; i < x->n; i++) sum += x->value[row * x->n + i] * x->value[row * x->n + i];
    return 1 / sqrt(sum / x->n + epsilon);
}

static void norm_back(struct node *y) {
    struct node *x = y->in[0], *w = y->in[1];
    for (int r = 0; r < y->rows; r++) {
        double f = norm_factor(x, r, y->factor), along = 0;
        for (int i = 0; i < y->n; i++) {
            double d = y->gradient[r * y->n + i], v = x->value[r * y->n + i];
            w->gradient[i] += d * v * f;
            along += d * w->value[i] * v;
        }
        for (int i = 0; i < y->n; i++)
            x->gradient[r * y->n + i] += f * y->gradient[r * y->n + i] * w->value[i] -
                                         f * f * f * x->value[r * y->n + i] * along / y->n;
    }
}

struct node *tape_norm(struct tape *tape, struct node *x, struct node *w, double epsilon) {
    struct node *y = node_of(tape, norm_back, x->rows, x->n);
    y->in[0] = x, y->in[1] = w, y->factor = epsilon;
    for (int r = 0; r < y->rows; r++) {
        double f = norm_factor(x, r, epsilon);
        for (int i = 0; i < y->n; i++) y->value[r * y->n + i] = x->value[r * y->n + i] * f * w->value[i];
    }
    return y;
}

/* ---- moving values ---- */

static void columns_back(struct node *y) {
    struct node *x = y->in[0];
    for (int r = 0; r < y->rows; r++)
        for (int i = 0; i < y->n; i++) x->gradient[r * x->n + y->first + i] += y->gradient[r * y->n + i];
}

struct node *tape_columns(struct tape *tape, struct node *x, int first, int n) {
    struct node *y = node_of(tape, columns_back, x->rows, n);
    y->in[0] = x, y->first = first;
    for (int r = 0; r < y->rows; r++)
        for (int i = 0; i < n; i++) y->value[r * n + i] = x->value[r * x->n + first + i];
    return y;
}

static void beside_back(struct node *y) {
    struct node *a = y->in[0], *b = y->in[1];
    for (int r = 0; r < y->rows; r++)
        for (int i = 0; i < y->n; i++)
            if (i < a->n)
                a->gradient[r * a->n + i] += y->gradient[r * y->n + i];
            else
                b->gradient[r * b->n + i - a->n] += y->gradient[r * y->n + i];
}

struct node *tape_beside(struct tape *tape, struct node *a, struct node *b) {
    struct node *y = node_of(tape, beside_back, a->rows, a->n + b->n);
    y->in[0] = a, y->in[1] = b;
    for (int r = 0; r < y->rows; r++)
        for (int i = 0; i < y->n; i++)
            y->value[r * y->n + i] = i < a->n ? a->value[r * a->n + i] : b->value[r * b->n + i - a->n];
    return y;
}

static void rows_back(struct node *y) {
    struct node *x = y->in[0];
    for (int r = 0; r < y->rows; r++)
        for (int i = 0; i < y->n; i++) x->gradient[y->index[r] * x->n + i] += y->gradient[r * y->n + i];
}

struct node *tape_rows(struct tape *tape, struct node *x, const int32_t *row, int rows) {
    struct node *y = node_of(tape, rows_back, rows, x->n);
    y->in[0] = x, y->index = row;
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < y->n; i++) y->value[r * y->n + i] = x->value[row[r] * x->n + i];
    return y;
}

static void scatter_back(struct node *y) {
    struct node *x = y->in[0], *weight = y->in[1];
    for (int p = 0; p < x->rows; p++) {
        int row = y->index[2 * p], at = row * weight->n + y->index[2 * p + 1];
        for (int i = 0; i < y->n; i++) {
            double d = y->gradient[row * y->n + i];
            x->gradient[p * y->n + i] += d * weight->value[at];
            weight->gradient[at] += d * x->value[p * y->n + i];
        }
    }
}

struct node *tape_scatter(struct tape *tape, struct node *x, struct node *weight, const int32_t *row,
                          int rows) {
    struct node *y = node_of(tape, scatter_back, rows, x->n);
    y->in[0] = x, y->in[1] = weight, y->index = row;
    for (int p = 0; p < x->rows; p++)
        for (int i = 0; i < y->n; i++)
            y->value[row[2 * p] * y->n + i] +=
                x->value[p * y->n + i] * weight->value[row[2 * p] * weight->n + row[2 * p + 1]];
    return y;
}

/* ---- activation, rotation ---- */

static void swiglu_back(struct node *y) {
    struct node *gate = y->in[0], *up = y->in[1];
    for (int i = 0; i < y->rows * y->n; i++) {
        double g = gate->value[i], s = 1 / (1 + exp(-g));
        up->gradient[i] += y->gradient[i] * g * s;
        gate->gradient[i] += y->gradient[i] * up->value[i] * (s + g * s * (1 - s));
    }
}

struct node *tape_swiglu(struct tape *tape, struct node *gate, struct node *up) {
    struct node *y = node_of(tape, swiglu_back, gate->rows, gate->n);
    y->in[0] = gate, y->in[1] = up;
    for (int i = 0; i < y->rows * y->n; i++)
        y->value[i] = gate->value[i] / (1 + exp(-gate->value[i])) * up->value[i];
    return y;
}

/* sign 1: forward; -1: the transposed rotation, which is what gradients take. */
static void rotate(const struct node *y, const double *from, double *to, int sign) {
    int half = y->dim / 2, part = y->n / y->heads;
    for (int r = 0; r < y->rows; r++)
        for (int h = 0; h < y->heads; h++)
            for (int j = 0; j < half; j++) {
                int base = r * y->n + h * part + y->first;
                int i = base + (y->flag ? 2 * j : j), k = base + (y->flag ? 2 * j + 1 : j + half);
                double c = cos(y->kept[r * half + j]) * y->factor,
                       s = sign * sin(y->kept[r * half + j]) * y->factor;
                to[i] += from[i] * c - from[k] * s;
                to[k] += from[i] * s + from[k] * c;
            }
}

static bool rotated(const struct node *y, int column) {
    int at = column % (y->n / y->heads);
    return at >= y->first && at < y->first + y->dim;
}

static void rope_back(struct node *y) {
    rotate(y, y->gradient, y->in[0]->gradient, -1);
    for (int i = 0; i < y->rows * y->n; i++)
        if (!rotated(y, i % y->n)) y->in[0]->gradient[i] += y->gradient[i];
}

struct node *tape_rope(struct tape *tape, struct node *x, int heads, int first, int dim, const double *angle,
                       double multiplier, bool interleaved) {
    struct node *y = node_of(tape, rope_back, x->rows, x->n);
    y->in[0] = x, y->heads = heads, y->first = first, y->dim = dim, y->factor = multiplier,
    y->flag = interleaved;
    y->kept = take(tape, (size_t)(x->rows * dim / 2) * sizeof(double));
    memcpy(y->kept, angle, (size_t)(x->rows * dim / 2) * sizeof(double));
    rotate(y, x->value, y->value, 1);
    for (int i = 0; i < y->rows * y->n; i++)
        if (!rotated(y, i % y->n)) y->value[i] = x->value[i];
    return y;
}

/* ---- attention ---- */

static double dot(const double *a, const double *b, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* Row r, head h: probabilities over keys run_of[r] .. r at kept[(r * heads + h) * rows + key]. */
static void attention_back(struct node *y) {
    struct node *q = y->in[0], *k = y->in[1], *v = y->in[2];
    int qd = q->n / y->heads, vd = y->n / y->heads;
    for (int r = 0; r < y->rows; r++)
        for (int h = 0; h < y->heads; h++) {
            int kv = h / (y->heads / y->kv_heads);
            const double *p = y->kept + (r * y->heads + h) * y->rows, *d = y->gradient + r * y->n + h * vd;
            double along = 0;
            for (int t = y->index[r]; t <= r; t++) along += p[t] * dot(d, v->value + t * v->n + kv * vd, vd);
            for (int t = y->index[r]; t <= r; t++) {
                double ds = p[t] * (dot(d, v->value + t * v->n + kv * vd, vd) - along) * y->factor;
                for (int i = 0; i < vd; i++) v->gradient[t * v->n + kv * vd + i] += p[t] * d[i];
                for (int i = 0; i < qd; i++) {
                    q->gradient[r * q->n + h * qd + i] += ds * k->value[t * k->n + kv * qd + i];
                    k->gradient[t * k->n + kv * qd + i] += ds * q->value[r * q->n + h * qd + i];
                }
            }
        }
}

struct node *tape_attention(struct tape *tape, struct node *q, struct node *k, struct node *v, int heads,
                            int kv_heads, double scale, const int32_t *run_of) {
    int qd = q->n / heads, vd = v->n / kv_heads;
    struct node *y = node_of(tape, attention_back, q->rows, heads * vd);
    y->in[0] = q, y->in[1] = k, y->in[2] = v, y->heads = heads, y->kv_heads = kv_heads, y->factor = scale;
    y->index = run_of;
    y->kept = take(tape, (size_t)(q->rows * heads * q->rows) * sizeof(double));
    for (int r = 0; r < q->rows; r++)
        for (int h = 0; h < heads; h++) {
            int kv = h / (heads / kv_heads);
            double *p = y->kept + (r * heads + h) * q->rows, highest = -INFINITY, sum = 0;
            for (int t = run_of[r]; t <= r; t++) {
                p[t] = scale * dot(q->value + r * q->n + h * qd, k->value + t * k->n + kv * qd, qd);
                highest = fmax(highest, p[t]);
            }
            for (int t = run_of[r]; t <= r; t++) sum += p[t] = exp(p[t] - highest);
            for (int t = run_of[r]; t <= r; t++) {
                p[t] /= sum;
                for (int i = 0; i < vd; i++)
                    y->value[r * y->n + h * vd + i] += p[t] * v->value[t * v->n + kv * vd + i];
            }
        }
    return y;
}

/* ---- router ---- */

static void affinity_back(struct node *y) {
    for (int r = 0; r < y->rows; r++) {
        const double *s = y->value + r * y->n, *d = y->gradient + r * y->n;
        double along = dot(s, d, y->n);
        for (int e = 0; e < y->n; e++)
            y->in[0]->gradient[r * y->n + e] += y->flag ? d[e] * s[e] * (1 - s[e]) : s[e] * (d[e] - along);
    }
}

struct node *tape_affinity(struct tape *tape, struct node *x, bool sigmoid) {
    struct node *y = node_of(tape, affinity_back, x->rows, x->n);
    y->in[0] = x, y->flag = sigmoid;
    for (int r = 0; r < y->rows; r++) {
        double sum = 0;
        for (int e = 0; e < y->n; e++) sum += exp(x->value[r * y->n + e]);
        for (int e = 0; e < y->n; e++) {
            double v = x->value[r * y->n + e];
            y->value[r * y->n + e] = sigmoid ? 1 / (1 + exp(-v)) : exp(v) / sum;
        }
    }
    return y;
}

static void choose_back(struct node *y) {
    struct node *score = y->in[0];
    for (int r = 0; r < y->rows; r++) {
        double sum = 0, along = 0;
        for (int i = 0; i < y->n; i++) {
            sum += score->value[r * score->n + y->index[r * y->n + i]];
            along += y->gradient[r * y->n + i] * y->value[r * y->n + i];
        }
        for (int i = 0; i < y->n; i++)
            score->gradient[r * score->n + y->index[r * y->n + i]] +=
                y->flag ? (y->factor * y->gradient[r * y->n + i] - along) / sum
                        : y->factor * y->gradient[r * y->n + i];
    }
}

struct node *tape_choose(struct tape *tape, struct node *score, const int32_t *expert, int used,
                         bool normalise, double scale) {
    struct node *y = node_of(tape, choose_back, score->rows, used);
    y->in[0] = score, y->index = expert, y->flag = normalise && used > 1, y->factor = scale;
    for (int r = 0; r < y->rows; r++) {
        double sum = 0;
        for (int i = 0; i < used; i++) sum += score->value[r * score->n + expert[r * used + i]];
        for (int i = 0; i < used; i++)
            y->value[r * used + i] =
                scale * score->value[r * score->n + expert[r * used + i]] / (y->flag ? sum : 1);
    }
    return y;
}

/* ---- losses: their gradients are written at once ---- */

double tape_cross_entropy(struct tape *tape, struct node *logits, const int32_t *target,
                          const double *coefficient) {
    (void)tape;
    double loss = 0;
    for (int r = 0; r < logits->rows; r++) {
        const double *z = logits->value + r * logits->n;
        double sum = 0;
        if (coefficient[r] == 0) continue;
        for (int i = 0; i < logits->n; i++) sum += exp(z[i]);
        loss += coefficient[r] * (log(sum) - z[target[r]]);
        for (int i = 0; i < logits->n; i++)
            logits->gradient[r * logits->n + i] += coefficient[r] * (exp(z[i]) / sum - (i == target[r]));
    }
    return loss;
}

double tape_balance(struct tape *tape, struct node *score, const double *f) {
    (void)tape;
    double loss = 0;
    for (int r = 0; r < score->rows; r++) {
        const double *s = score->value + r * score->n, *weight = f + r * score->n;
        double sum = 0;
        for (int e = 0; e < score->n; e++) sum += s[e];
        double along = dot(s, weight, score->n);
        loss += along / sum;
        for (int e = 0; e < score->n; e++)
            score->gradient[r * score->n + e] += weight[e] / sum - along / (sum * sum);
    }
    return loss;
}

void tape_back(struct tape *tape) {
    for (struct node *node = tape->last; node; node = node->before) node->back(node);
}

void tape_free(struct tape *tape) {
    arena_free(&tape->arena);
    *tape = (struct tape){0};
}
