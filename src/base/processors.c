/* processors.c - how many processors this process may keep busy: affinity mask and container quota.
 * Owns nothing; any thread. More workers than this only take time from each other. */
#include "base/processors.h"

#include "base/small_file.h"
#include "base/thread_pool.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 1024 };

static bool read_small(const char *directory, const char *name, char *text, size_t bytes) {
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return small_file_read(path, text, bytes) > 0;
}

/* Rounded down: a worker that is throttled half of the time holds up all the others. */
static int whole_processors(long long quota, long long period) {
    if (quota <= 0 || period <= 0) return 0;
    long long whole = quota / period;
    return whole < 1 ? 1 : whole > 1 << 20 ? 1 << 20 : (int)whole;
}

static int smaller_limit(int a, int b) {
    return !a ? b : !b ? a : a < b ? a : b;
}

/* Version 2 says "max 100000" or "150000 100000"; version 1 has one number in each of two files. */
static int directory_quota(const char *directory) {
    char text[64], period[64];
    long long first, second;
    if (read_small(directory, "cpu.max", text, sizeof text))
        return sscanf(text, "%lld %lld", &first, &second) == 2 ? whole_processors(first, second) : 0;
    if (read_small(directory, "cpu.cfs_quota_us", text, sizeof text) &&
        read_small(directory, "cpu.cfs_period_us", period, sizeof period))
        return whole_processors(atoll(text), atoll(period));
    return 0;
}

/* A group is bound by its parents too. Inside a container the path may belong to the outside and not
 * exist here; the walk then still ends at the mount, which is the container's own group. */
static int path_quota(const char *mount, const char *path) {
    char directory[PATH_BYTES];
    size_t mount_bytes = strlen(mount);
    if ((size_t)snprintf(directory, sizeof directory, "%s%s", mount, path) >= sizeof directory) return 0;
    for (int quota = 0;;) {
        quota = smaller_limit(quota, directory_quota(directory));
        char *slash = strrchr(directory, '/');
        if (!slash || (size_t)(slash - directory) < mount_bytes) return quota;
        *slash = 0;
    }
}

static bool lists_cpu(const char *controllers) {
    for (const char *at = controllers; (at = strstr(at, "cpu")); at += 3)
        if ((at == controllers || at[-1] == ',') && (at[3] == ',' || !at[3])) return true;
    return false;
}

/* A line is "number:controllers:path", the controllers being empty in version 2. */
static int line_quota(const char *root, char *line) {
    char mount[PATH_BYTES / 2];
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) return 0;
    *path++ = 0;
    controllers++;
    if (!*controllers) {
        snprintf(mount, sizeof mount, "%s/unified", root); /* beside version 1 */
        return smaller_limit(path_quota(root, path), path_quota(mount, path));
    }
    if (!lists_cpu(controllers)) return 0;
    snprintf(mount, sizeof mount, "%s/%s", root, controllers);
    int quota = path_quota(mount, path);
    snprintf(mount, sizeof mount, "%s/cpu", root);
    return smaller_limit(quota, path_quota(mount, path));
}

int processors_of_quota(const char *root, const char *membership) {
    char line[PATH_BYTES];
    int quota = 0;
    while (*membership) {
        size_t bytes = strcspn(membership, "\n");
        if (bytes < sizeof line) {
            memcpy(line, membership, bytes);
            line[bytes] = 0;
            quota = smaller_limit(quota, line_quota(root, line));
        }
        membership += bytes + (membership[bytes] == '\n');
    }
    return quota;
}

static int processors_of_mask(void) {
    for (int processors = 1024; processors <= 1 << 20; processors *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)processors);
        if (!set) break;
        size_t bytes = CPU_ALLOC_SIZE((size_t)processors);
        bool known = sched_getaffinity(0, bytes, set) == 0;
        int count = known ? CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (known) return count;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

int processors_available(void) {
    char membership[4096];
    int processors = processors_of_mask();
    if (read_small("/proc/self", "cgroup", membership, sizeof membership))
        processors = smaller_limit(processors, processors_of_quota("/sys/fs/cgroup", membership));
    return processors > 0 ? processors : 1;
}
