/* journal.c - see journal.h. */
#include "server/account/journal.h"

#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MARK_BYTES = 16, SERVER_BYTES = 48 };
static const char mark[MARK_BYTES] = "hadal running 1";

/* The file, in this machine's own layout: no other one reads it. */
struct pages {
    char mark[MARK_BYTES], server[SERVER_BYTES];
    struct journal_slot slot[JOURNAL_SLOTS];
};

struct journal {
    struct pages *pages;
    int file;
    _Atomic unsigned next;
};

/* A new file is all zeros. Nothing else is written over: somebody may have given a wrong name. */
static enum status start_pages(struct pages *pages, const char *path) {
    static const char nothing[MARK_BYTES];
    unsigned char bytes[16];
    if (!memcmp(pages->mark, mark, sizeof mark) && memchr(pages->server, 0, SERVER_BYTES) && *pages->server)
        return STATUS_OK;
    if (memcmp(pages->mark, nothing, sizeof nothing))
        return fail(STATUS_INPUT, "%s: is no journal of requests", path);
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(pages->server, SERVER_BYTES, bytes, sizeof bytes);
    memcpy(pages->mark, mark, sizeof mark);
    return STATUS_OK;
}

static enum status map(struct journal *journal, const char *path) {
    struct stat about;
    journal->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (journal->file < 0) return fail(STATUS_IO, "%s: %s", path, strerror(errno));
    if (flock(journal->file, LOCK_EX | LOCK_NB))
        return fail(STATUS_UNAVAILABLE, "%s: another server is running with these accounts", path);
    if (fstat(journal->file, &about)) return fail(STATUS_IO, "%s: %s", path, strerror(errno));
    if (about.st_size != 0 && about.st_size != (off_t)sizeof *journal->pages)
        return fail(STATUS_INPUT, "%s: is no journal of requests", path);
    /* room is taken now, so that no store finds a full disk */
    const int error = posix_fallocate(journal->file, 0, sizeof *journal->pages);
    if (error) return fail(STATUS_IO, "%s: %s", path, strerror(error));
    void *pages = mmap(NULL, sizeof *journal->pages, PROT_READ | PROT_WRITE, MAP_SHARED, journal->file, 0);
    if (pages == MAP_FAILED) return fail(STATUS_IO, "%s: %s", path, strerror(errno));
    journal->pages = pages;
    return start_pages(journal->pages, path);
}

enum status journal_open(struct journal **journal, const char *path) {
    struct journal *opened = calloc(1, sizeof *opened);
    *journal = NULL;
    if (!opened) return fail(STATUS_MEMORY, "out of memory for the accounts");
    enum status status = map(opened, path);
    if (status == STATUS_OK)
        *journal = opened;
    else
        journal_close(opened);
    return status;
}

void journal_close(struct journal *journal) {
    if (!journal) return;
    if (journal->pages) munmap(journal->pages, sizeof *journal->pages);
    if (journal->file >= 0) close(journal->file);
    free(journal);
}

const char *journal_server(const struct journal *journal) {
    return journal->pages->server;
}

struct journal_slot *journal_take(struct journal *journal, const char *request, int32_t prompt_tokens) {
    const unsigned from = atomic_fetch_add(&journal->next, 1);
    for (unsigned i = 0; i < JOURNAL_SLOTS; i++) {
        struct journal_slot *slot = &journal->pages->slot[(from + i) % JOURNAL_SLOTS];
        int32_t expected = 0;
        if (!atomic_compare_exchange_strong(&slot->taken, &expected, 1)) continue;
        snprintf(slot->request, sizeof slot->request, "%s", request);
        atomic_store(&slot->hit, 0);
        atomic_store(&slot->generated, 0);
        atomic_store(&slot->prompt, prompt_tokens);
        atomic_store(&slot->started, 0);
        return slot;
    }
    return NULL;
}

void journal_give(struct journal_slot *slot) {
    if (slot) atomic_store(&slot->taken, 0);
}

const struct journal_slot *journal_find(const struct journal *journal, const char *request) {
    for (int i = 0; i < JOURNAL_SLOTS; i++) {
        struct journal_slot *slot = &journal->pages->slot[i];
        if (atomic_load(&slot->taken) && !strncmp(slot->request, request, JOURNAL_REQUEST_BYTES) &&
            atomic_load(&slot->started))
            return slot;
    }
    return NULL;
}

void journal_clear(struct journal *journal) {
    memset(journal->pages->slot, 0, sizeof journal->pages->slot);
}
