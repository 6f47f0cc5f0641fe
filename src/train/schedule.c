/* schedule.c - the formulas of schedule.h. */
#include "train/schedule.h"

#include <math.h>

double schedule_rate(const struct schedule *s, int64_t step) {
    if (step < s->warmup) return s->peak * (double)(step + 1) / (double)s->warmup;
    if (s->kind == SCHEDULE_COSINE) {
        double span = (double)(s->steps - s->warmup), done = span > 0 ? (double)(step - s->warmup) / span : 1;
        return s->floor + (s->peak - s->floor) * 0.5 * (1 + cos(M_PI * fmin(done, 1)));
    }
    int64_t stable = s->steps - s->decay;
    if (s->kind == SCHEDULE_CONSTANT || step < stable) return s->peak;
    double done = s->decay > 0 ? (double)(step - stable) / (double)s->decay : 1;
    return s->peak + (s->floor - s->peak) * fmin(done, 1);
}

double schedule_value(const struct schedule_switch *value, int64_t step, int64_t steps) {
    return (double)step < value->at * (double)steps ? value->before : value->after;
}

bool spike_seen(struct spike_watch *watch, double value, double deviations) {
    const double memory = 0.98;
    if (!isfinite(value)) return true;
    double distance = value - watch->mean, spread = sqrt(watch->variance);
    /* a spread of a hundredth of the mean is calm: less is no reason to call anything a spike */
    double limit = deviations * fmax(spread, 0.01 * fabs(watch->mean));
    if (deviations > 0 && watch->seen >= SPIKE_WARMUP && distance > limit) {
        if (++watch->skipped_in_a_row < SPIKE_PATIENCE) return true;
        watch->seen = 0;
    }
    watch->skipped_in_a_row = 0;
    double weight = watch->seen == 0 ? 1 : fmax(1 - memory, 1 / (double)(watch->seen + 1));
    watch->variance = watch->seen == 0 ? 0 : (1 - weight) * (watch->variance + weight * distance * distance);
    watch->mean += weight * distance;
    watch->seen++;
    return false;
}
