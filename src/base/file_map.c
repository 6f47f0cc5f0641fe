/* file_map.c - mappings and the SIGBUS handler behind file_map.h.
 *
 * Owns the one piece of mutable process-wide state of the library: a signal handler belongs to the
 * process, so the table that it consults must too. Open and close change the table under a lock; the
 * handler runs in any thread and only reads atomics, sets one and calls mmap. */
#include "base/file_map.h"

#include "base/bytes.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOTS = 1024, NO_SLOT = -1 };

struct map_slot {
    _Atomic uintptr_t begin, end; /* whole pages; begin 0: free */
    atomic_bool lost;
    int file; /* stays open, so that a check sees the size of the mapped file and not of a successor */
};

static struct {
    pthread_mutex_t lock;
    struct sigaction previous;
    uintptr_t page_bytes;
    bool installed;
    int maps;
    struct map_slot slot[SLOTS];
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct map_slot *slot_at(uintptr_t address) {
    for (int i = 0; i < SLOTS; i++) {
        struct map_slot *slot = &table.slot[i];
        uintptr_t begin = atomic_load(&slot->begin), end = atomic_load(&slot->end);
        if (!begin || address < begin || address >= end) continue;
        if (atomic_load(&slot->begin) == begin) return slot; /* otherwise another map's end came with it */
    }
    return NULL;
}

/* Everything from the page on is replaced: past a new end of file all of it is lost, and one signal
 * instead of one per page keeps a reader of a large lost tail fast. */
static bool replace_by_zeros(struct map_slot *slot, uintptr_t address) {
    uintptr_t page = address & ~(table.page_bytes - 1);
    atomic_store(&slot->lost, true); /* before the zeros can be seen */
    return mmap((void *)page, atomic_load(&slot->end) - page,
                PROT_READ, /* NOLINT: an address from the kernel */
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

static void call_previous(int number, siginfo_t *info, void *machine_state, bool is_fault) {
    const struct sigaction *previous = &table.previous;
    if (previous->sa_flags & SA_SIGINFO) {
        previous->sa_sigaction(number, info, machine_state);
    } else if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
        previous->sa_handler(number);
    } else if (is_fault || previous->sa_handler == SIG_DFL) {
        /* A fault repeats on return and then ends the process with its true address. */
        signal(number, SIG_DFL);
        if (!is_fault) raise(number);
    }
}

static void handle_bus_error(int number, siginfo_t *info, void *machine_state) {
    int saved = errno;
    bool is_fault = info->si_code > 0; /* otherwise sent by kill(), and si_addr means nothing */
    uintptr_t address = (uintptr_t)info->si_addr;
    struct map_slot *slot = is_fault ? slot_at(address) : NULL;
    if (!slot || !replace_by_zeros(slot, address)) call_previous(number, info, machine_state, is_fault);
    errno = saved;
}

static bool is_ours(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handle_bus_error;
}

static enum status install_handler(void) {
    if (table.installed) return STATUS_OK;
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = handle_bus_error;
    sigemptyset(&action.sa_mask);
    table.page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    /* Known before ours can run. */
    if (sigaction(SIGBUS, NULL, &table.previous) || sigaction(SIGBUS, &action, NULL))
        return fail(STATUS_INTERNAL, "cannot install a handler for SIGBUS: %s", strerror(errno));
    table.installed = true;
    return STATUS_OK;
}

/* A handler that somebody has installed above ours may call ours: then it stays, and passes on. */
static void remove_handler(void) {
    struct sigaction current;
    if (table.maps > 0 || !table.installed || sigaction(SIGBUS, NULL, &current) || !is_ours(&current)) return;
    if (sigaction(SIGBUS, &table.previous, NULL) == 0) table.installed = false;
}

static enum status claim_slot(struct file_map *map, int file) {
    TRY(install_handler());
    for (int i = 0; i < SLOTS; i++) {
        struct map_slot *slot = &table.slot[i];
        if (atomic_load(&slot->begin)) continue;
        uintptr_t begin = (uintptr_t)map->data;
        slot->file = file;
        atomic_store(&slot->lost, false);
        atomic_store(&slot->end, begin + (uintptr_t)round_up(map->bytes, (int64_t)table.page_bytes));
        atomic_store(&slot->begin, begin);
        map->slot = i;
        table.maps++;
        return STATUS_OK;
    }
    return fail(STATUS_LIMIT, "%s: more than %d files are mapped", map->path, SLOTS);
}

static enum status map_file(struct file_map *map, int file) {
    struct stat about;
    if (fstat(file, &about)) return fail(STATUS_IO, "%s: %s", map->path, strerror(errno));
    if (!S_ISREG(about.st_mode)) return fail(STATUS_INPUT, "%s: not a regular file", map->path);
    if (about.st_size == 0) { /* nothing to map, nothing to lose */
        map->data = (const uint8_t *)"";
        map->slot = NO_SLOT;
        close(file);
        return STATUS_OK;
    }
    void *data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, file, 0);
    if (data == MAP_FAILED) return fail(STATUS_IO, "%s: cannot map: %s", map->path, strerror(errno));
    map->data = data;
    map->bytes = about.st_size;
    /* What is read from the disk from now on comes in huge pages, where the file system can keep them: fewer addresses to
     * look up. Nothing is lost where this is refused. */
    if (map->bytes >= HUGE_PAGE_BYTES) madvise(data, (size_t)map->bytes, MADV_HUGEPAGE);
    pthread_mutex_lock(&table.lock);
    enum status status = claim_slot(map, file);
    pthread_mutex_unlock(&table.lock);
    if (status != STATUS_OK) munmap(data, (size_t)about.st_size);
    return status;
}

enum status file_map_open(struct file_map *map, const char *path) {
    *map = (struct file_map){.path = strdup(path), .slot = NO_SLOT};
    if (!map->path) return fail(STATUS_MEMORY, "%s: out of memory", path);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused, not waited for */
    enum status status = STATUS_OK;
    if (file < 0)
        status = fail(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path, strerror(errno));
    else if ((status = map_file(map, file)) != STATUS_OK)
        close(file);
    if (status != STATUS_OK) {
        free(map->path);
        *map = (struct file_map){.slot = NO_SLOT};
    }
    return status;
}

enum status file_map_check(const struct file_map *map) {
    struct stat about;
    if (!map->bytes) return STATUS_OK;
    const struct map_slot *slot = &table.slot[map->slot];
    if (fstat(slot->file, &about) == 0 && about.st_size < map->bytes)
        return fail(STATUS_IO, "%s: the file shrank from %lld to %lld bytes while in use", map->path,
                    (long long)map->bytes, (long long)about.st_size);
    if (atomic_load(&slot->lost))
        return fail(STATUS_IO, "%s: a part of the file could not be read", map->path);
    return STATUS_OK;
}

enum status file_map_stat(const struct file_map *map, struct stat *about) {
    int failed = map->bytes ? fstat(table.slot[map->slot].file, about) : stat(map->path, about);
    return failed ? fail(STATUS_IO, "%s: %s", map->path, strerror(errno)) : STATUS_OK;
}

void file_map_close(struct file_map *map) {
    if (map->bytes) {
        struct map_slot *slot = &table.slot[map->slot];
        pthread_mutex_lock(&table.lock);
        atomic_store(&slot->begin, 0); /* before the addresses can become somebody else's */
        munmap((void *)(uintptr_t)map->data, (size_t)map->bytes);
        close(slot->file);
        table.maps--;
        remove_handler();
        pthread_mutex_unlock(&table.lock);
    }
    free(map->path);
    *map = (struct file_map){.slot = NO_SLOT};
}
