/* machine.c - reads /proc and /sys; what cannot be read stays empty. */
#include "cli/machine.h"
#include "base/memory.h"
#include "base/thread_pool.h"

#include <stdio.h>
#include <string.h>

static void read_processor(char *name, size_t bytes) {
    char line[256], *value;
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && !*name && fgets(line, sizeof line, file)) {
        if (strncmp(line, "model name", 10) != 0 || !(value = strstr(line, ": "))) continue;
        value[strcspn(value, "\n")] = 0;
        snprintf(name, bytes, "%.79s", value + 2);
    }
    if (file) fclose(file);
}

/* The file holds all choices and puts the current one in brackets. */
static void read_huge_pages(char *setting, size_t bytes) {
    char line[128];
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    if (file && fgets(line, sizeof line, file)) {
        char *begin = strchr(line, '['), *end = begin ? strchr(begin, ']') : NULL;
        if (end) snprintf(setting, bytes, "%.*s", (int)(end - begin - 1), begin + 1);
    }
    if (file) fclose(file);
}

void machine_read(struct machine *machine) {
    memset(machine, 0, sizeof *machine);
    read_processor(machine->processor, sizeof machine->processor);
    read_huge_pages(machine->huge_pages, sizeof machine->huge_pages);
    machine->level = cpu_level_available();
    machine->processors = processors_available();
    machine->memory_available = memory_available();
}
