/* check_elements.c - element by element kernels: the bits of the scalar ones, and the scalar ones near the
 * true values. */
#include "kernel/check_parts.h"

#include <math.h>
#include <string.h>

static const int lengths[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 1000};

/* One array operation in a form that all of them fit: y changes, x and z are read. Returns a value that counts too. */
typedef float element_call(const struct kernels *kernels, const float *x, const float *z, float *y,
                           int64_t n);

static float call_axpy(const struct kernels *kernels, const float *x, const float *z, float *y, int64_t n) {
    kernels->axpy(n > 0 ? z[0] : 1, x, y, n);
    return 0;
}

static float call_add(const struct kernels *kernels, const float *x, const float *z, float *y, int64_t n) {
    (void)z;
    kernels->add(x, y, n);
    return 0;
}

static float call_scale(const struct kernels *kernels, const float *x, const float *z, float *y, int64_t n) {
    (void)x;
    kernels->scale(n > 0 ? z[0] : 1, y, n);
    return 0;
}

static float call_silu(const struct kernels *kernels, const float *x, const float *z, float *y, int64_t n) {
    kernels->silu_multiply(x, z, y, n);
    return 0;
}

static float call_silu_in_place(const struct kernels *kernels, const float *x, const float *z, float *y,
                                int64_t n) {
    (void)x;
    kernels->silu_multiply(y, z, y, n);
    return 0;
}

static float call_exp_sum(const struct kernels *kernels, const float *x, const float *z, float *y,
                          int64_t n) {
    (void)x, (void)z;
    kernels->exp_sum(y, n, 0.25f);
    return 0; /* sums differ between levels; check_exp() bounds them */
}

static float call_maximum(const struct kernels *kernels, const float *x, const float *z, float *y,
                          int64_t n) {
    (void)z, (void)y;
    return n > 0 ? kernels->maximum(x, n) : 0;
}

/* Most units in the last place between the tested level and the scalar one, over y and the returned value. */
static double compare_elements(struct check *check, element_call *call, enum check_values kind, int64_t n,
                               bool *intact) {
    size_t bytes = (size_t)n * sizeof(float), shift = sizeof(float) * (check_random(check) % 4);
    struct guarded x = guarded_take(check, bytes, shift), z = guarded_take(check, bytes, 4),
                   y = guarded_take(check, bytes, shift);
    struct guarded expected = guarded_take(check, bytes, 0);
    if (check->out_of_memory) return 0;
    check_fill(check, kind, x.data, n);
    check_fill(check, kind, z.data, n);
    check_fill(check, kind, y.data, n);
    memcpy(expected.data, y.data, bytes);
    float returned = call(&check->tested, x.data, z.data, y.data, n);
    float wanted = call(&check->truth, x.data, z.data, expected.data, n);
    *intact = *intact && guarded_intact(&x) && guarded_intact(&z) && guarded_intact(&y);
    return fmax(ulps_between(returned, wanted), ulps_apart(y.data, expected.data, n));
}

struct element_work {
    const struct kernels *kernels;
    element_call *call;
    float *x, *z, *y;
    int64_t n;
};

static void run_element(void *context) {
    const struct element_work *work = context;
    work->call(work->kernels, work->x, work->z, work->y, work->n);
}

static void measure_elements(struct check *check, element_call *call) {
    enum { ELEMENTS = 2048 };
    struct guarded x = guarded_take(check, ELEMENTS * sizeof(float), 0),
                   z = guarded_take(check, ELEMENTS * sizeof(float), 0);
    struct guarded y = guarded_take(check, ELEMENTS * sizeof(float), 0);
    if (check->out_of_memory) return;
    float *xs = x.data, *zs = z.data, *ys = y.data;
    for (int i = 0; i < ELEMENTS; i++) xs[i] = zs[i] = ys[i] = 1; /* stays ordinary however often it runs */
    struct element_work work = {&check->tested, call, xs, zs, ys, ELEMENTS};
    check_speed(check, "speed", run_element, &work, ELEMENTS * 1e-9, "G values/s");
}

static void check_element(struct check *check, element_call *call, double bound) {
    bool intact = true;
    for (int kind = 0; kind < VALUES_KINDS; kind++) {
        double worst = 0;
        for (size_t i = 0; i < COUNT_OF(lengths); i++)
            worst = fmax(worst, compare_elements(check, call, (enum check_values)kind, lengths[i], &intact));
        check_say(check, check_values_name((enum check_values)kind), worst, bound);
    }
    check_say(check, "guard", intact ? 0 : 1, 0);
    if (check->options->bench) measure_elements(check, call);
}

/* |value - exact| in units in the last place of the exact value. */
static double true_ulps(double exact, float value) {
    double unit = ldexp(1, (exact != 0 ? ilogb(exact) : -126) - 23);
    return fabs((double)value - exact) / fmax(unit, 0x1p-149);
}

/* Largest error of exp over the range in which it is neither zero nor infinite. */
static double exp_error(struct check *check, float low, float high) {
    enum { ELEMENTS = 1000, ROUNDS = 20 };
    float values[ELEMENTS], x[ELEMENTS];
    double worst = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < ELEMENTS; i++) values[i] = x[i] = check_uniform(check, low, high);
        check->tested.exp_sum(values, ELEMENTS, 0);
        for (int i = 0; i < ELEMENTS; i++) worst = fmax(worst, true_ulps(exp((double)x[i]), values[i]));
    }
    return worst;
}

/* The sum against the values it is the sum of, in units of 2^-24, relative to its bound. */
static double exp_sum_error(struct check *check, int64_t n) {
    float values[1000];
    double sum = 0;
    for (int64_t i = 0; i < n; i++) values[i] = check_uniform(check, -8, 0);
    float returned = check->tested.exp_sum(values, n, 0);
    for (int64_t i = 0; i < n; i++) sum += (double)values[i];
    return n > 0 ? fabs((double)returned - sum) / (sum * 0x1p-24 * ((double)n / 8 + 8))
                 : (double)(returned != 0);
}

static void check_exp(struct check *check) {
    check_say(check, "truth, -87 to 0", exp_error(check, -87, 0), 1.25);
    check_say(check, "truth, -104 to 88", exp_error(check, -103.9f, 88.7f), 1.25);
    double worst = 0;
    for (size_t i = 0; i < COUNT_OF(lengths); i++) worst = fmax(worst, exp_sum_error(check, lengths[i]));
    check_say(check, "sum", worst, 1);
    static const struct {
        float x, y;
    } points[] = {{0, 1},       {-0.0f, 1},     {-INFINITY, 0},       {-1e30f, 0},
                  {-104.5f, 0}, {89, INFINITY}, {INFINITY, INFINITY}, {NAN, NAN}};
    double wrong = 0;
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        float value = points[i].x;
        check->tested.exp_sum(&value, 1, 0);
        wrong += ulps_between(value, points[i].y);
    }
    check_say(check, "special", wrong, 0);
}

static void check_silu(struct check *check) {
    static const struct {
        float gate, y;
    } points[] = {{0, 0}, {-INFINITY, 0}, {-200, 0}, {INFINITY, INFINITY}, {NAN, NAN}};
    double wrong = 0, worst = 0;
    const float one = 1;
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        float value;
        check->tested.silu_multiply(&points[i].gate, &one, &value, 1);
        wrong += ulps_between(value, points[i].y);
    }
    check_say(check, "special", wrong, 0);
    for (int i = 0; i < 20000; i++) {
        float gate = check_uniform(check, -80, 80), value;
        check->tested.silu_multiply(&gate, &one, &value, 1);
        worst = fmax(worst, true_ulps((double)gate / (1 + exp(-(double)gate)), value));
    }
    check_say(check, "truth, -80 to 80", worst, 3);
}

void check_elements(struct check *check) {
    const struct kernels *tested = &check->tested, *below = &check->below;
    if (check_wants(check, "axpy", tested->axpy != below->axpy)) check_element(check, call_axpy, 1);
    if (check_wants(check, "add", tested->add != below->add)) check_element(check, call_add, 0);
    if (check_wants(check, "scale", tested->scale != below->scale)) check_element(check, call_scale, 0);
    if (check_wants(check, "maximum", tested->maximum != below->maximum))
        check_element(check, call_maximum, 0);
    if (check_wants(check, "silu_multiply", tested->silu_multiply != below->silu_multiply)) {
        check_element(check, call_silu, 0);
        check_element(check, call_silu_in_place, 0);
        check_silu(check);
    }
    if (check_wants(check, "exp_sum", tested->exp_sum != below->exp_sum)) {
        check_element(check, call_exp_sum, 0);
        check_exp(check);
    }
}
