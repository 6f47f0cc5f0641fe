/* run_store.c - see run_store.h. A step is written into a directory beside its place, which is renamed; what is removed is
 * renamed first, so that a directory with a step's name is always whole. */
#include "train/run_store.h"

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/disk_room.h"
#include "base/file_write.h"
#include "format/checkpoint.h"
#include "train/adapter_files.h"
#include "train/array_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, STATE_LIMIT = 1 << 20, TOKENIZER_LIMIT = 256 << 20 };

/* ---- paths ---- */

static enum status join(char path[PATH_BYTES], const char *directory, const char *name) {
    int length = snprintf(path, PATH_BYTES, "%s/%s", directory, name);
    if (length < PATH_BYTES) return STATUS_OK;
    return fail(STATUS_USAGE, "%.64s...: the run's name is too long", directory);
}

static void step_name(int64_t step, char name[64]) {
    snprintf(name, 64, "step-%08" PRId64, step);
}

/* The number in a step's name, or -1. */
static int64_t step_of(const char *name) {
    char again[64], *end;
    if (strncmp(name, "step-", 5) != 0) return -1;
    int64_t step = strtoll(name + 5, &end, 10);
    if (*end || step < 0) return -1;
    step_name(step, again);
    return !strcmp(again, name) ? step : -1;
}

static enum status make_directory(const char *path) {
    if (!mkdir(path, 0777) || errno == EEXIST) return STATUS_OK;
    return fail(STATUS_IO, "%s: cannot create: %s", path, strerror(errno));
}

static void flush_directory(const char *path) {
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) return;
    fsync(file);
    close(file);
}

/* A step's directory and the one in it: nothing deeper is there. */
static void remove_directory(const char *path, bool deeper) {
    DIR *entries = opendir(path);
    char inner[PATH_BYTES];
    if (deeper && join(inner, path, "trainer") == STATUS_OK) remove_directory(inner, false);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries) closedir(entries);
    rmdir(path);
}

static enum status take_lock(struct run_store *store) {
    store->lock = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->lock < 0) return fail(STATUS_IO, "%s: cannot open: %s", store->path, strerror(errno));
    if (!flock(store->lock, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK) return STATUS_OK;
    return fail(STATUS_INPUT, "%s: in use by another run", store->path);
}

enum status run_store_open(struct run_store *store, const char *path, bool resume) {
    *store = (struct run_store){.path = strdup(path), .lock = -1};
    if (!store->path) return fail(STATUS_MEMORY, "%s: out of memory", path);
    enum status status = make_directory(path);
    if (status == STATUS_OK) status = take_lock(store);
    if (status == STATUS_OK && !resume && run_store_newest(store) >= 0)
        status = fail(STATUS_INPUT, "%s: holds a run already; --resume auto goes on with it", path);
    if (status != STATUS_OK) run_store_close(store);
    return status;
}

void run_store_close(struct run_store *store) {
    if (!store->path) return;
    if (store->metrics) fclose(store->metrics);
    event_file_close(&store->events);
    if (store->lock >= 0) close(store->lock);
    free(store->path);
    *store = (struct run_store){0};
}

int64_t run_store_newest(const struct run_store *store) {
    DIR *entries = opendir(store->path);
    int64_t newest = -1;
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        int64_t step = step_of(entry->d_name);
        if (step > newest) newest = step;
    }
    if (entries) closedir(entries);
    return newest;
}

/* ---- saving ---- */

static enum status write_text(const char *directory, const char *name, const char *text, size_t bytes) {
    char path[PATH_BYTES];
    struct file_writer file;
    TRY(join(path, directory, name));
    TRY(file_writer_open(&file, path));
    enum status status = file_writer_append(&file, text, bytes);
    if (status == STATUS_OK) status = file_writer_finish(&file);
    file_writer_close(&file);
    return status;
}

/* Takes `root` over. */
static enum status write_json(const char *directory, const char *name, json_t *root) {
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    if (!text) return fail(STATUS_MEMORY, "%s: out of memory", name);
    enum status status = write_text(directory, name, text, strlen(text));
    free(text);
    return status;
}

/* The whole of an array. */
static struct flat_arrays one_array(const float *array) {
    return (struct flat_arrays){.array = {(float *)array}, .prefix = {""}, .count = 1};
}

static struct flat_arrays moments_of(const struct optimizer *optimizer) {
    return (struct flat_arrays){.array = {optimizer->first, optimizer->second},
                                .prefix = {"first.", "second."},
                                .count = 2,
                                .comm = optimizer->comm,
                                .border = optimizer->border};
}

static enum status write_array(const char *directory, const char *name, const struct parameters *parameters,
                               const float *array) {
    char path[PATH_BYTES];
    struct flat_arrays arrays = one_array(array);
    TRY(join(path, directory, name));
    return array_file_write(path, parameters, &arrays);
}

/* The tokenizer may be given as its directory or as a file in it. */
static enum status tokenizer_directory(const char *path, char directory[PATH_BYTES]) {
    struct stat about;
    const char *slash = strrchr(path, '/');
    bool file = stat(path, &about) || !S_ISDIR(about.st_mode);
    if (!file) return join(directory, path, ".");
    snprintf(directory, PATH_BYTES, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    return STATUS_OK;
}

static enum status copy_tokenizer(const struct run_store *store, const char *directory) {
    static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "generation_config.json"};
    char from[PATH_BYTES];
    TRY(tokenizer_directory(store->tokenizer, from));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[PATH_BYTES];
        struct buffer content = {0};
        TRY(join(path, from, names[i]));
        if (file_check_regular(path) != STATUS_OK) continue;
        TRY(buffer_read_file(&content, path, TOKENIZER_LIMIT));
        enum status status = write_text(directory, names[i], content.data ? content.data : "", content.bytes);
        buffer_free(&content);
        TRY(status);
    }
    return STATUS_OK;
}

static json_t *watch_json(const struct spike_watch *watch) {
    return json_pack("{s:f, s:f, s:I, s:I}", "mean", watch->mean, "variance", watch->variance, "seen",
                     (json_int_t)watch->seen, "skipped_in_a_row", (json_int_t)watch->skipped_in_a_row);
}

static json_t *state_json(const struct run_state *state, const struct optimizer *optimizer) {
    char data[32], seed[32];
    snprintf(data, sizeof data, "%016" PRIx64, state->data);
    snprintf(seed, sizeof seed, "%016" PRIx64, state->seed);
    return json_pack(
        "{s:i, s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:i, s:I, s:o, s:o, s:I, s:f}", "format", 1, "step",
        (json_int_t)state->step, "sequence", (json_int_t)state->sequence, "tokens", (json_int_t)state->tokens,
        "seed", seed, "data", data, "sequence_rows", (json_int_t)state->sequence_rows, "batch_sequences",
        (json_int_t)state->batch_sequences, "optimizer", (int)optimizer->options.kind, "optimizer_steps",
        (json_int_t)optimizer->steps, "loss", watch_json(&state->loss), "norm", watch_json(&state->norm),
        "best_step", (json_int_t)state->best_step, "best_loss", state->best_loss);
}

static const char *weights_file(const struct trainer *trainer) {
    return trainer->adapters ? "adapter_model.safetensors" : "model.safetensors";
}

/* All but the moments. */
static enum status write_step(const struct run_store *store, const char *directory,
                              const struct trainer *trainer, const struct optimizer *optimizer,
                              const struct run_state *state) {
    char inner[PATH_BYTES];
    const struct parameters *trained = trainer_trained(trainer);
    TRY(join(inner, directory, "trainer"));
    TRY(make_directory(directory));
    TRY(make_directory(inner));
    TRY(copy_tokenizer(store, directory));
    TRY(trainer->adapters ? write_json(directory, "adapter_config.json",
                                       adapter_config_json(trainer->adapters, store->base))
                          : write_json(directory, "config.json", json_incref((json_t *)store->config)));
    TRY(write_array(directory, weights_file(trainer), trained, trainer_trained(trainer)->value));
    if (store->reference) TRY(write_array(inner, "reference.safetensors", trained, store->reference));
    return write_json(inner, "state.json", state_json(state, optimizer));
}

/* Collective. */
static enum status write_moments(const char *directory, const struct trainer *trainer,
                                 const struct optimizer *optimizer) {
    char inner[PATH_BYTES] = "", path[PATH_BYTES] = "";
    struct flat_arrays moments = moments_of(optimizer);
    if (directory) {
        TRY(join(inner, directory, "trainer"));
        TRY(join(path, inner, "optimizer.safetensors"));
    }
    TRY(array_file_write(path, trainer_trained(trainer), &moments));
    if (directory) {
        flush_directory(inner);
        flush_directory(directory);
    }
    return STATUS_OK;
}

/* The link appears in place of the old one. */
static enum status link_step(const struct run_store *store, const char *what, int64_t step) {
    char link[PATH_BYTES], temporary[PATH_BYTES], name[64];
    step_name(step, name);
    TRY(join(link, store->path, what));
    TRY(join(temporary, store->path, "link.partial"));
    unlink(temporary);
    if (symlink(name, temporary) || rename(temporary, link))
        return fail(STATUS_IO, "%s: cannot link: %s", link, strerror(errno));
    return STATUS_OK;
}

static enum status remove_step(const struct run_store *store, int64_t step) {
    char name[64], path[PATH_BYTES], removed[PATH_BYTES];
    step_name(step, name);
    TRY(join(path, store->path, name));
    TRY(join(removed, store->path, "removed.partial"));
    remove_directory(removed, true); /* of a run that was interrupted here */
    if (rename(path, removed) && errno != ENOENT)
        return fail(STATUS_IO, "%s: cannot remove: %s", path, strerror(errno));
    remove_directory(removed, true);
    return STATUS_OK;
}

static int newest_first(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

static enum status remove_old(const struct run_store *store, int64_t best) {
    enum { MOST = 4096 };
    int64_t step[MOST];
    int count = 0;
    DIR *entries = opendir(store->path);
    for (struct dirent *entry; entries && count < MOST && (entry = readdir(entries));)
        if (step_of(entry->d_name) >= 0) step[count++] = step_of(entry->d_name);
    if (entries) closedir(entries);
    qsort(step, (size_t)count, sizeof *step, newest_first);
    for (int i = store->keep; store->keep && i < count; i++)
        if (step[i] != best) TRY(remove_step(store, step[i]));
    return STATUS_OK;
}

struct places { /* of a step */
    char path[PATH_BYTES], temporary[PATH_BYTES];
};

static enum status begin_step(const struct run_store *store, const struct trainer *trainer,
                              const struct optimizer *optimizer, const struct run_state *state,
                              struct places *places) {
    char name[64];
    step_name(state->step, name);
    TRY(join(places->path, store->path, name));
    TRY(join(places->temporary, store->path, "step.partial"));
    TRY(disk_room_check(store->path, 3 * trainer_trained(trainer)->elements * (int64_t)sizeof(float)));
    remove_directory(places->temporary, true); /* of a run that was interrupted here */
    return write_step(store, places->temporary, trainer, optimizer, state);
}

static enum status publish_step(const struct run_store *store, const struct run_state *state,
                                const struct places *places) {
    TRY(remove_step(store, state->step));
    if (!rename(places->temporary, places->path)) return STATUS_OK;
    return fail(STATUS_IO, "%s: cannot rename the finished step: %s", places->path, strerror(errno));
}

enum status run_store_save(struct run_store *store, const struct trainer *trainer,
                           const struct optimizer *optimizer, const struct run_state *state) {
    struct places places = {{0}, {0}};
    if (optimizer->comm->rank) return write_moments(NULL, trainer, optimizer);
    enum status status = begin_step(store, trainer, optimizer, state, &places);
    if (status == STATUS_OK) status = write_moments(places.temporary, trainer, optimizer);
    if (status == STATUS_OK) status = publish_step(store, state, &places);
    if (status != STATUS_OK) {
        if (*places.temporary) remove_directory(places.temporary, true);
        return status;
    }
    TRY(link_step(store, "latest", state->step));
    if (state->best_step) TRY(link_step(store, "best", state->best_step));
    flush_directory(store->path);
    return remove_old(store, state->best_step);
}

/* ---- loading ---- */

static enum status read_watch(struct json_reader reader, const char *field, struct spike_watch *watch) {
    const double most = 1e300;
    struct json_reader part = {json_object_get(reader.object, field), reader.origin};
    if (!json_is_object(part.object))
        return fail(STATUS_FORMAT, "%s: field \"%s\" is missing", reader.origin, field);
    TRY(json_get_real_or(part, "mean", -most, most, 0, &watch->mean));
    TRY(json_get_real_or(part, "variance", 0, most, 0, &watch->variance));
    TRY(json_get_int(part, "seen", 0, INT64_MAX, &watch->seen));
    return json_get_int(part, "skipped_in_a_row", 0, INT64_MAX, &watch->skipped_in_a_row);
}

static enum status read_hash(struct json_reader reader, const char *field, uint64_t *value) {
    const char *text;
    char *end;
    TRY(json_get_text_or(reader, field, "", &text));
    *value = strtoull(text, &end, 16);
    if (strlen(text) == 16 && !*end) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: field \"%s\" must be 16 hexadecimal digits", reader.origin, field);
}

static enum status read_state(struct json_reader reader, struct optimizer *optimizer,
                              struct run_state *state) {
    int64_t format, kind;
    TRY(json_get_int(reader, "format", 1, 1, &format));
    TRY(json_get_int(reader, "step", 0, INT64_MAX, &state->step));
    TRY(json_get_int(reader, "sequence", 0, INT64_MAX, &state->sequence));
    TRY(json_get_int(reader, "tokens", 0, INT64_MAX, &state->tokens));
    TRY(json_get_int(reader, "sequence_rows", 1, INT32_MAX, &state->sequence_rows));
    TRY(json_get_int(reader, "batch_sequences", 1, INT32_MAX, &state->batch_sequences));
    TRY(json_get_int(reader, "optimizer", 0, OPTIMIZER_MUON, &kind));
    TRY(json_get_int(reader, "optimizer_steps", 0, INT64_MAX, &optimizer->steps));
    TRY(read_hash(reader, "seed", &state->seed));
    TRY(read_hash(reader, "data", &state->data));
    TRY(read_watch(reader, "loss", &state->loss));
    TRY(read_watch(reader, "norm", &state->norm));
    TRY(json_get_int_or(reader, "best_step", 0, INT64_MAX, 0, &state->best_step));
    TRY(json_get_real_or(reader, "best_loss", -1e300, 1e300, 0, &state->best_loss));
    if (kind == (int64_t)optimizer->options.kind) return STATUS_OK;
    return fail(STATUS_INPUT, "%s: the run was begun with another optimizer", reader.origin);
}

enum status run_load_weights(const char *path, struct trainer *trainer) {
    struct checkpoint checkpoint;
    struct weights weights;
    struct model_desc desc = trainer->model.desc;
    TRY(checkpoint_open(&checkpoint, path, CHECKPOINT_TENSORS));
    enum status status = weights_load(&weights, &desc, &checkpoint);
    if (status == STATUS_OK) {
        status = parameters_load(&trainer->parameters, &weights);
        weights_free(&weights);
    }
    if (status == STATUS_OK) status = checkpoint_check(&checkpoint);
    checkpoint_close(&checkpoint);
    return status;
}

enum status run_load_base(const char *path, struct trainer *trainer) {
    if (!trainer->adapters) return STATUS_OK;
    if (!path) return fail(STATUS_USAGE, "--init MODEL says which model the adapters are for");
    return adapters_load_base(trainer->adapters, &trainer->parameters, &trainer->model.desc, path);
}

enum status run_begin_adapters(struct trainer *trainer, const char *adapter, uint64_t seed) {
    if (adapter) return adapter_files_load(trainer->adapters, adapter);
    adapters_initialise(trainer->adapters, seed);
    return STATUS_OK;
}

/* Weights of a run's step: of the whole model, or of its adapters. */
static enum status load_values(const char *directory, struct trainer *trainer) {
    return trainer->adapters ? adapter_files_load(trainer->adapters, directory)
                             : run_load_weights(directory, trainer);
}

/* What is not dealt out, which the first rank reads. */
static enum status load_first(const struct run_store *store, const char *directory, struct trainer *trainer,
                              struct optimizer *optimizer, struct run_state *state) {
    char path[PATH_BYTES];
    json_t *root;
    TRY(load_values(directory, trainer));
    TRY(join(path, directory, "trainer/reference.safetensors"));
    struct flat_arrays reference = one_array(store->reference);
    if (store->reference) TRY(array_file_read(path, trainer_trained(trainer), &reference));
    TRY(join(path, directory, "trainer/state.json"));
    TRY(json_read_file(path, STATE_LIMIT, &root));
    enum status status = read_state((struct json_reader){root, path}, optimizer, state);
    json_decref(root);
    return status;
}

enum status run_store_load(const struct run_store *store, int64_t step, struct trainer *trainer,
                           struct optimizer *optimizer, struct run_state *state) {
    char name[64], directory[PATH_BYTES] = "", path[PATH_BYTES] = "";
    const struct parameters *trained = trainer_trained(trainer);
    struct comm *comm = optimizer->comm;
    struct flat_arrays moments = moments_of(optimizer);
    enum status status = STATUS_OK;
    step_name(step, name);
    if (!comm->rank) {
        status = join(directory, store->path, name);
        if (status == STATUS_OK) status = join(path, directory, "trainer/optimizer.safetensors");
        if (status == STATUS_OK) status = load_first(store, directory, trainer, optimizer, state);
    }
    TRY(comm_agree(comm, status));
    TRY(comm_broadcast(comm, 0, state, sizeof *state));
    TRY(comm_broadcast(comm, 0, &optimizer->steps, sizeof optimizer->steps));
    TRY(comm_broadcast(comm, 0, trained->value, trained->elements * (int64_t)sizeof(float)));
    return array_file_read(path, trained, &moments);
}

/* ---- metrics ---- */

/* Lines of steps up to `step`, which become events as well; an unfinished last line goes. */
static enum status keep_lines(const struct buffer *old, int64_t step, struct event_file *events,
                              struct buffer *kept) {
    enum status status = STATUS_OK;
    for (size_t at = 0; at < old->bytes;) {
        const char *line = old->data + at, *end = memchr(line, '\n', old->bytes - at);
        if (!end) break;
        json_t *root = json_loadb(line, (size_t)(end - line), 0, NULL);
        const json_t *number = json_object_get(root, "step");
        if (status == STATUS_OK && json_is_integer(number) && json_integer_value(number) <= step) {
            buffer_append(kept, line, (size_t)(end - line) + 1);
            if (events) status = event_file_write(events, root);
        }
        json_decref(root);
        at += (size_t)(end - line) + 1;
    }
    return status;
}

static enum status rewrite_lines(const struct run_store *store, const char *name, const char *path,
                                 int64_t step, struct event_file *events) {
    struct buffer old = {0}, kept = {0};
    if (file_check_regular(path) != STATUS_OK) return STATUS_OK;
    TRY(buffer_read_file(&old, path, (size_t)1 << 30));
    enum status status = keep_lines(&old, step, events, &kept);
    if (status == STATUS_OK) status = buffer_check(&kept, path);
    if (status == STATUS_OK) status = write_text(store->path, name, kept.data ? kept.data : "", kept.bytes);
    buffer_free(&old);
    buffer_free(&kept);
    return status;
}

static enum status open_lines(struct run_store *store, const char *name, int64_t step,
                              struct event_file *events, FILE **file) {
    char path[PATH_BYTES];
    TRY(join(path, store->path, name));
    TRY(rewrite_lines(store, name, path, step, events));
    *file = fopen(path, "ae");
    return *file ? STATUS_OK : fail(STATUS_IO, "%s: cannot open: %s", path, strerror(errno));
}

enum status run_store_open_lines(struct run_store *store, const char *name, int64_t step, FILE **file) {
    return open_lines(store, name, step, NULL, file);
}

enum status run_store_open_metrics(struct run_store *store, int64_t step) {
    event_file_close(&store->events);
    TRY(event_file_open(&store->events, store->path));
    return open_lines(store, "metrics.jsonl", step, &store->events, &store->metrics);
}

enum status run_store_write_metrics(struct run_store *store, json_t *line) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (!json_object_get(line, "unix_seconds"))
        json_object_set_new(line, "unix_seconds", json_real((double)now.tv_sec + 1e-9 * (double)now.tv_nsec));
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    enum status status = text ? event_file_write(&store->events, line) : STATUS_OK;
    json_decref(line);
    if (!text) return fail(STATUS_MEMORY, "metrics: out of memory");
    bool written = fprintf(store->metrics, "%s\n", text) > 0 && !fflush(store->metrics);
    free(text);
    return written ? status
                   : fail(STATUS_IO, "%s/metrics.jsonl: cannot write: %s", store->path, strerror(errno));
}
