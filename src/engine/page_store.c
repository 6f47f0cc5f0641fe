/* page_store.c - the list of files (engine's thread), two queues, and the storage thread.
 *
 * Tasks are done in the order in which they were given. A task owns one buffer from the moment it is given until the engine's
 * thread has taken its result, which bounds memory and how far the disk may be behind. */
#include "engine/page_store.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "engine/page_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFERS = 8, NONE = -1, REMOVALS = 64 };
#define DAY_SECONDS 86400.0

enum task_kind { TASK_WRITE, TASK_READ, TASK_REMOVE };

struct task {
    enum task_kind kind;
    struct page_name name;
    struct page_read read; /* TASK_READ */
    int32_t token[KV_PAGE_TOKENS];
    uint8_t *bytes; /* [page_bytes] NULL: TASK_REMOVE */
    enum status status;
    struct task *next;
};

struct queue {
    struct task *first, **end;
};

struct file_entry {
    struct page_name name;
    int32_t bucket_next, older, newer; /* NONE: none; free ones are linked by bucket_next */
    int reads;                         /* that are not done: the file may turn out to be none */
};

struct page_store {
    struct page_store_options options;
    char *folder;
    int lock_file;
    uint8_t model[16];
    int64_t page_bytes;
    /* the engine thread's */
    struct file_entry *entry; /* [most_files] */
    int32_t *bucket;          /* [buckets] a power of two */
    int32_t free_entry, buckets, oldest, newest, files, most_files;
    double day_begin;
    int64_t day_bytes;
    struct task *taken; /* of the last page_store_take() */
    struct page_store_counts counts;
    /* shared */
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t given, returned;
    struct queue todo, done, spare; /* guarded by `lock`, like the rest */
    int given_tasks;                /* that are not done */
    bool closing;
};

/* ---- queues ---- */

static void queue_put(struct queue *queue, struct task *task) {
    task->next = NULL;
    *queue->end = task;
    queue->end = &task->next;
}

static struct task *queue_take(struct queue *queue) {
    struct task *task = queue->first;
    if (!task) return NULL;
    queue->first = task->next;
    if (!queue->first) queue->end = &queue->first;
    return task;
}

static struct task *take_spare(struct page_store *store) {
    pthread_mutex_lock(&store->lock);
    struct task *task = queue_take(&store->spare);
    pthread_mutex_unlock(&store->lock);
    return task;
}

static void give(struct page_store *store, struct task *task) {
    pthread_mutex_lock(&store->lock);
    queue_put(&store->todo, task);
    store->given_tasks++;
    pthread_cond_signal(&store->given);
    pthread_mutex_unlock(&store->lock);
}

/* ---- storage thread ---- */

static void path_of(const struct page_store *store, const struct page_name *name, char *path, size_t bytes) {
    char text[PAGE_NAME_BYTES];
    page_name_write(name, text);
    snprintf(path, bytes, "%s/%s", store->folder, text);
}

static void run_task(const struct page_store *store, struct task *task) {
    char path[PAGE_NAME_BYTES + 4096];
    struct page_header header;
    path_of(store, &task->name, path, sizeof path);
    page_header_fill(&header, store->model, &task->name, task->token, store->page_bytes);
    if (task->kind == TASK_WRITE) task->status = page_file_write(path, &header, task->bytes);
    if (task->kind == TASK_READ) task->status = page_file_read(path, &header, task->bytes);
    if (task->kind == TASK_READ && task->status == STATUS_OK)
        utimensat(AT_FDCWD, path, NULL, 0); /* what is used stays longest, the next time too */
    if (task->kind == TASK_REMOVE || (task->kind == TASK_READ && task->status == STATUS_FORMAT)) unlink(path);
}

static void *run_storage(void *context) {
    struct page_store *store = context;
    pthread_mutex_lock(&store->lock);
    while (true) {
        struct task *task = queue_take(&store->todo);
        if (!task && store->closing) break;
        if (!task) {
            pthread_cond_wait(&store->given, &store->lock);
            continue;
        }
        pthread_mutex_unlock(&store->lock);
        run_task(store, task);
        bool heard = task->kind != TASK_REMOVE; /* before somebody else has it */
        pthread_mutex_lock(&store->lock);
        if (task->kind == TASK_WRITE && task->status == STATUS_OK) {
            queue_put(&store->spare, task);
        } else if (task->kind == TASK_REMOVE) {
            free(task);
        } else {
            queue_put(&store->done, task);
        }
        store->given_tasks--;
        pthread_cond_signal(&store->returned);
        pthread_mutex_unlock(&store->lock);
        if (heard) store->options.wake(store->options.context);
        pthread_mutex_lock(&store->lock);
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

/* ---- the list of files ---- */

static int32_t *bucket_of(const struct page_store *store, const struct prefix_key *key) {
    return &store->bucket[read_u64(key->bytes) & (uint64_t)(store->buckets - 1)];
}

static bool same_name(const struct page_name *a, const struct page_name *b) {
    return !memcmp(&a->key, &b->key, sizeof a->key) && a->before == b->before && a->roles == b->roles;
}

static int32_t find(const struct page_store *store, const struct page_name *name) {
    int32_t number = *bucket_of(store, &name->key);
    while (number != NONE && !same_name(&store->entry[number].name, name))
        number = store->entry[number].bucket_next;
    return number;
}

static void unlink_use(struct page_store *store, int32_t number) {
    struct file_entry *entry = &store->entry[number];
    if (entry->older != NONE) store->entry[entry->older].newer = entry->newer;
    if (entry->newer != NONE) store->entry[entry->newer].older = entry->older;
    if (store->oldest == number) store->oldest = entry->newer;
    if (store->newest == number) store->newest = entry->older;
}

static void link_newest(struct page_store *store, int32_t number) {
    struct file_entry *entry = &store->entry[number];
    entry->older = store->newest;
    entry->newer = NONE;
    if (store->newest != NONE) store->entry[store->newest].newer = number;
    store->newest = number;
    if (store->oldest == NONE) store->oldest = number;
}

static void forget(struct page_store *store, int32_t number) {
    struct file_entry *entry = &store->entry[number];
    int32_t *at = bucket_of(store, &entry->name.key);
    while (*at != number) at = &store->entry[*at].bucket_next;
    *at = entry->bucket_next;
    unlink_use(store, number);
    entry->bucket_next = store->free_entry;
    store->free_entry = number;
    store->files--;
}

/* The oldest file makes room. */
static bool remove_oldest(struct page_store *store) {
    struct task *task = calloc(1, sizeof *task);
    if (!task) return false;
    *task = (struct task){.kind = TASK_REMOVE, .name = store->entry[store->oldest].name};
    forget(store, store->oldest);
    give(store, task);
    return true;
}

static bool remember(struct page_store *store, const struct page_name *name) {
    if (store->files >= store->most_files && (!store->files || !remove_oldest(store))) return false;
    int32_t number = store->free_entry, *bucket = bucket_of(store, &name->key);
    store->free_entry = store->entry[number].bucket_next;
    store->entry[number] = (struct file_entry){.name = *name, .bucket_next = *bucket};
    *bucket = number;
    link_newest(store, number);
    store->files++;
    return true;
}

/* ---- opening ---- */

struct found_file {
    struct page_name name;
    struct timespec used;
};

struct found_files {
    struct found_file *item;
    size_t count, capacity;
};

static int by_use(const void *a, const void *b) {
    const struct timespec *x = &((const struct found_file *)a)->used,
                          *y = &((const struct found_file *)b)->used;
    if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
    return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

static enum status note_file(struct found_files *files, const struct page_name *name,
                             const struct timespec *used) {
    if (files->count == files->capacity) {
        size_t capacity = files->capacity ? 2 * files->capacity : 1024;
        struct found_file *grown = realloc(files->item, capacity * sizeof *grown);
        if (!grown) return fail(STATUS_MEMORY, "no memory for a list of %zu files", capacity);
        files->item = grown;
        files->capacity = capacity;
    }
    files->item[files->count++] = (struct found_file){*name, *used};
    return STATUS_OK;
}

/* What a killed process left unfinished is removed, and so is a page that is not whole. */
static enum status look_at_file(const struct page_store *store, int folder, const char *name,
                                struct found_files *files) {
    struct page_name page;
    struct stat about;
    if (strstr(name, ".partial-")) unlinkat(folder, name, 0);
    if (!page_name_read(name, &page) || fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW)) return STATUS_OK;
    if (S_ISREG(about.st_mode) && about.st_size == page_file_bytes(store->page_bytes))
        return note_file(files, &page, &about.st_mtim);
    unlinkat(folder, name, 0);
    return STATUS_OK;
}

static enum status list_files(const struct page_store *store, struct found_files *files) {
    enum status status = STATUS_OK;
    DIR *folder = opendir(store->folder);
    if (!folder) return fail(STATUS_IO, "%s: cannot be read: %s", store->folder, strerror(errno));
    const struct dirent *item;
    while (status == STATUS_OK && (item = readdir(folder)))
        status = look_at_file(store, dirfd(folder), item->d_name, files);
    closedir(folder);
    if (files->count) qsort(files->item, files->count, sizeof *files->item, by_use);
    return status;
}

static enum status make_folder(const char *path) {
    if (!mkdir(path, 0700) || errno == EEXIST) return STATUS_OK;
    return fail(STATUS_IO, "%s: cannot be made: %s", path, strerror(errno));
}

static enum status open_folder(struct page_store *store) {
    char name[2 * sizeof store->model + 1], *lock;
    for (size_t i = 0; i < sizeof store->model; i++) snprintf(name + 2 * i, 3, "%02x", store->model[i]);
    TRY(make_folder(store->options.directory));
    if (asprintf(&store->folder, "%s/pages-%s", store->options.directory, name) < 0) {
        store->folder = NULL;
        return fail(STATUS_MEMORY, "no memory for a path");
    }
    TRY(make_folder(store->folder));
    if (asprintf(&lock, "%s/lock", store->folder) < 0) return fail(STATUS_MEMORY, "no memory for a path");
    store->lock_file = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    free(lock);
    if (store->lock_file < 0) return fail(STATUS_IO, "%s: %s", store->folder, strerror(errno));
    if (!flock(store->lock_file, LOCK_EX | LOCK_NB)) return STATUS_OK;
    return fail(STATUS_IO, "%s: another process uses this cache", store->folder);
}

static enum status open_list(struct page_store *store) {
    int64_t most = max_i64(store->options.most_bytes / page_file_bytes(store->page_bytes), 1);
    store->most_files = (int32_t)min_i64(most, 1 << 26);
    for (store->buckets = 64; store->buckets < store->most_files && store->buckets < 1 << 20;)
        store->buckets *= 2;
    store->entry = calloc((size_t)store->most_files, sizeof *store->entry);
    store->bucket = malloc((size_t)store->buckets * sizeof *store->bucket);
    if (!store->entry || !store->bucket)
        return fail(STATUS_MEMORY, "no memory for a list of %d files", store->most_files);
    for (int32_t i = 0; i < store->buckets; i++) store->bucket[i] = NONE;
    for (int32_t i = 0; i < store->most_files; i++) store->entry[i].bucket_next = i + 1;
    store->oldest = store->newest = NONE;
    return STATUS_OK;
}

static enum status read_folder(struct page_store *store) {
    struct found_files files = {0};
    enum status status = list_files(store, &files);
    for (size_t i = 0; i < files.count && status == STATUS_OK; i++)
        if (!remember(store, &files.item[i].name)) status = fail(STATUS_MEMORY, "no memory for a task");
    free(files.item);
    return status;
}

static enum status open_tasks(struct page_store *store) {
    for (int i = 0; i < BUFFERS; i++) {
        struct task *task = calloc(1, sizeof *task);
        if (task) task->bytes = malloc((size_t)store->page_bytes);
        if (!task || !task->bytes) {
            free(task);
            return fail(STATUS_MEMORY, "no memory for %d pages of the disk cache", BUFFERS);
        }
        queue_put(&store->spare, task);
    }
    return STATUS_OK;
}

static enum status open_parts(struct page_store *store) {
    TRY(page_model(store->options.kv->model, store->model));
    store->page_bytes = kv_page_bytes(store->options.kv);
    store->day_begin = clock_seconds();
    TRY(open_folder(store));
    TRY(open_list(store));
    TRY(read_folder(store));
    TRY(open_tasks(store));
    if (pthread_create(&store->thread, NULL, run_storage, store))
        return fail(STATUS_MEMORY, "the storage thread cannot be started");
    store->started = true;
    return STATUS_OK;
}

static void init_locks(struct page_store *store) {
    pthread_condattr_t monotonic;
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->given, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&store->returned, &monotonic);
    pthread_condattr_destroy(&monotonic);
    store->todo.end = &store->todo.first;
    store->done.end = &store->done.first;
    store->spare.end = &store->spare.first;
}

enum status page_store_open(struct page_store **store, const struct page_store_options *options) {
    *store = NULL;
    struct page_store *made = calloc(1, sizeof *made);
    if (!made) return fail(STATUS_MEMORY, "no memory for a disk cache");
    made->options = *options;
    made->lock_file = NONE;
    init_locks(made);
    enum status status = open_parts(made);
    if (status == STATUS_OK)
        *store = made;
    else
        page_store_close(made);
    return status;
}

static void free_queue(struct queue *queue) {
    struct task *task;
    while ((task = queue_take(queue))) {
        free(task->bytes);
        free(task);
    }
}

void page_store_close(struct page_store *store) {
    if (!store) return;
    pthread_mutex_lock(&store->lock);
    store->closing = true;
    pthread_cond_signal(&store->given);
    pthread_mutex_unlock(&store->lock);
    if (store->started) pthread_join(store->thread, NULL);
    if (store->taken) queue_put(&store->spare, store->taken);
    free_queue(&store->todo);
    free_queue(&store->done);
    free_queue(&store->spare);
    pthread_cond_destroy(&store->returned);
    pthread_cond_destroy(&store->given);
    pthread_mutex_destroy(&store->lock);
    if (store->lock_file >= 0) close(store->lock_file);
    free(store->entry);
    free(store->bucket);
    free(store->folder);
    free(store);
}

const char *page_store_folder(const struct page_store *store) {
    return store->folder;
}

/* ---- writing ---- */

bool page_store_may_write(struct page_store *store) {
    double now = clock_seconds();
    if (now - store->day_begin >= DAY_SECONDS) {
        store->day_begin = now;
        store->day_bytes = 0;
    }
    return store->day_bytes + page_file_bytes(store->page_bytes) <= store->options.written_bytes;
}

bool page_store_put(struct page_store *store, const struct prefix_page *page, int32_t number) {
    struct page_name name = {page->key, page->before, page->roles};
    int32_t there = find(store, &name);
    if (there != NONE) {
        unlink_use(store, there);
        link_newest(store, there);
        return !store->entry[there].reads;
    }
    struct task *task = page_store_may_write(store) ? take_spare(store) : NULL;
    if (!task) return false;
    if (!remember(store, &name)) {
        pthread_mutex_lock(&store->lock);
        queue_put(&store->spare, task);
        pthread_mutex_unlock(&store->lock);
        return false;
    }
    task->kind = TASK_WRITE;
    task->name = name;
    memcpy(task->token, page->token, sizeof task->token);
    kv_page_read(store->options.kv, number, task->bytes);
    store->day_bytes += page_file_bytes(store->page_bytes);
    store->counts.written_bytes += page_file_bytes(store->page_bytes);
    give(store, task);
    return true;
}

bool page_store_wait(struct page_store *store, double seconds) {
    double until = clock_seconds() + seconds;
    struct timespec at = {.tv_sec = (time_t)until, .tv_nsec = (long)((until - (double)(time_t)until) * 1e9)};
    pthread_mutex_lock(&store->lock);
    while (store->given_tasks && !pthread_cond_timedwait(&store->returned, &store->lock, &at)) {}
    bool done = !store->given_tasks;
    pthread_mutex_unlock(&store->lock);
    return done;
}

/* ---- reading ---- */

bool page_store_has(const struct page_store *store, const struct prefix_key *key, uint64_t before, bool exact,
                    uint64_t *roles) {
    bool other = false;
    uint64_t others = 0;
    int32_t number = *bucket_of(store, key);
    for (; number != NONE; number = store->entry[number].bucket_next) {
        const struct page_name *name = &store->entry[number].name;
        if (memcmp(&name->key, key, sizeof *key) != 0 || name->before != before) continue;
        if (name->roles == *roles) return true;
        other = true;
        others = name->roles;
    }
    if (exact || !other) return false;
    *roles = others;
    return true;
}

bool page_store_read(struct page_store *store, const struct page_read *read) {
    struct task *task = take_spare(store);
    if (!task) return false;
    task->kind = TASK_READ;
    task->read = *read;
    task->name = (struct page_name){read->key, read->before, read->roles};
    memcpy(task->token, read->token, sizeof task->token);
    int32_t there = find(store, &task->name);
    if (there != NONE) {
        unlink_use(store, there);
        link_newest(store, there);
        store->entry[there].reads++;
    }
    give(store, task);
    return true;
}

/* A file that could not be read or written is none. */
static void note_result(struct page_store *store, const struct task *task) {
    int32_t there = find(store, &task->name);
    if (there != NONE && task->kind == TASK_READ && store->entry[there].reads) store->entry[there].reads--;
    if (there != NONE && task->status != STATUS_OK) forget(store, there);
    store->counts.damaged += task->status == STATUS_FORMAT;
}

static struct task *take_done(struct page_store *store) {
    pthread_mutex_lock(&store->lock);
    if (store->taken) queue_put(&store->spare, store->taken);
    store->taken = queue_take(&store->done);
    pthread_mutex_unlock(&store->lock);
    return store->taken;
}

bool page_store_take(struct page_store *store, struct page_read *read, const uint8_t **bytes) {
    const struct task *task;
    while ((task = take_done(store))) {
        note_result(store, task);
        if (task->kind != TASK_READ) continue;
        *read = task->read;
        *bytes = task->status == STATUS_OK ? task->bytes : NULL;
        if (*bytes) store->counts.read_bytes += page_file_bytes(store->page_bytes);
        return true;
    }
    return false;
}

struct page_store_counts page_store_counts(const struct page_store *store) {
    struct page_store_counts counts = store->counts;
    counts.files = store->files;
    counts.bytes = store->files * page_file_bytes(store->page_bytes);
    return counts;
}
