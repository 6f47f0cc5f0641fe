/* progress.c - the progress line. Owns nothing but the terminal's current line while it is visible. */
#include "cli/progress.h"

#include "base/clock.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_CELLS = 24, LINE_BYTES = 256 };
static const double first_after = 0.4, redraw_after = 0.1; /* seconds */

void progress_start(struct progress *progress, const char *what, int64_t total, const char *unit) {
    *progress = (struct progress){.stream = stderr, .what = what, .unit = unit, .total = total};
    progress->terminal = isatty(fileno(stderr)) != 0;
    if (progress->terminal) progress->started = clock_seconds();
}

/* "12.5 of 31.4 GB" needs one scale for both numbers: the total's. */
struct amount_scale {
    double divisor;
    const char *unit;
    int decimals;
};

static struct amount_scale amount_scale(const char *unit, double most) {
    if (strcmp(unit, "bytes") != 0) return (struct amount_scale){1, unit, 0};
    if (most >= 1e9) return (struct amount_scale){1e9, "GB", 1};
    if (most >= 1e6) return (struct amount_scale){1e6, "MB", 1};
    return (struct amount_scale){1e3, "kB", 0};
}

static size_t append_bar(char *line, double share) {
    int full = (int)(share * BAR_CELLS);
    for (int i = 0; i < BAR_CELLS; i++) line[i] = i < full ? '=' : i == full ? '>' : ' ';
    return BAR_CELLS;
}

static void append_time(char *text, size_t bytes, double seconds) {
    long whole = seconds < 359999 ? (long)seconds : 359999; /* 99:59:59 */
    if (whole >= 3600)
        snprintf(text, bytes, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(text, bytes, "%ld:%02ld", whole / 60, whole % 60);
}

void progress_line(const struct progress *progress, int64_t done, double seconds, char *line, size_t bytes) {
    char text[LINE_BYTES], left[24];
    double total = (double)progress->total, now = (double)done, speed = seconds > 0 ? now / seconds : 0;
    struct amount_scale scale = amount_scale(progress->unit, total > now ? total : now);
    size_t used = (size_t)snprintf(text, sizeof text, "%.60s ", progress->what);
    if (progress->total > 0) {
        double share = now < total ? now / total : 1;
        text[used++] = '[';
        used += append_bar(text + used, share);
        used += (size_t)snprintf(text + used, sizeof text - used, "] %3d%%  %.*f of", (int)(share * 100),
                                 scale.decimals, now / scale.divisor);
        now = total;
    }
    used += (size_t)snprintf(text + used, sizeof text - used, " %.*f %.20s", scale.decimals,
                             now / scale.divisor, scale.unit);
    struct amount_scale pace = amount_scale(progress->unit, speed);
    bool bytes_unit = pace.divisor > 1;
    used +=
        (size_t)snprintf(text + used, sizeof text - used, "  %.*f%s%s/s", bytes_unit || speed < 10 ? 1 : 0,
                         speed / pace.divisor, bytes_unit ? " " : "", bytes_unit ? pace.unit : "");
    if (progress->total > done && speed > 0) {
        append_time(left, sizeof left, (total - (double)done) / speed + 0.99); /* 0:00 would be a lie */
        snprintf(text + used, sizeof text - used, "  %s left", left);
    }
    snprintf(line, bytes, "%s", text);
}

void progress_update(struct progress *progress, int64_t done) {
    if (!progress->terminal) return;
    double now = clock_seconds();
    if (now - progress->started < first_after || now - progress->drawn < redraw_after) return;
    struct winsize size;
    size_t columns =
        ioctl(fileno(progress->stream), TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    char line[LINE_BYTES];
    /* A full line would wrap, and the next carriage return could not take it back. */
    progress_line(progress, done, now - progress->started, line,
                  columns < sizeof line ? columns : sizeof line);
    fprintf(progress->stream, "\r%s\033[K", line);
    fflush(progress->stream);
    progress->drawn = now;
    progress->visible = true;
}

void progress_finish(struct progress *progress) {
    if (!progress->visible) return;
    fputs("\r\033[K", progress->stream);
    fflush(progress->stream);
    progress->visible = false;
}
