/* processors.h - the CPU quota of a container, apart from processors_available() so that it can be
 * asked about any directory. Reads files; any thread. */
#ifndef HADAL_BASE_PROCESSORS_H
#define HADAL_BASE_PROCESSORS_H

/* Whole processors (at least 1) that the control groups under `root` ("/sys/fs/cgroup") allow to the
 * process whose /proc/self/cgroup reads `membership`; 0 when nothing limits it. Knows both versions. */
int processors_of_quota(const char *root, const char *membership);

#endif
