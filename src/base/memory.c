/* memory.c - reads /proc/meminfo and the control group's files. */
#include "base/memory.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

static int64_t machine_available(void) {
    char line[256];
    long long kilobytes;
    int64_t bytes = INT64_MAX;
    FILE *file = fopen("/proc/meminfo", "r");
    if (!file) return bytes;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %lld kB", &kilobytes) == 1) bytes = kilobytes * 1024;
    fclose(file);
    return bytes;
}

/* A number from a one-line file; "max" and missing files give INT64_MAX. */
static int64_t read_number(const char *path) {
    long long value = 0;
    FILE *file = fopen(path, "r");
    if (!file) return INT64_MAX;
    int got = fscanf(file, "%lld", &value);
    fclose(file);
    return got == 1 ? value : INT64_MAX;
}

static int64_t group_file_cache(void) {
    char line[256];
    long long bytes = 0, value;
    FILE *file = fopen("/sys/fs/cgroup/memory.stat", "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "file %lld", &value) == 1) bytes = value;
    fclose(file);
    return bytes;
}

static int64_t group_available(void) {
    int64_t limit = read_number("/sys/fs/cgroup/memory.max"),
            used = read_number("/sys/fs/cgroup/memory.current");
    if (limit == INT64_MAX || used == INT64_MAX) return INT64_MAX;
    return max_i64(limit - used + group_file_cache(), 0);
}

int64_t memory_available(void) {
    return min_i64(machine_available(), group_available());
}

const char *bytes_text(int64_t bytes, char text[32]) {
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit < 5) {
        value /= 1000;
        unit++;
    }
    snprintf(text, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}
