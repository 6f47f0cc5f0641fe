/* synth_directory.c - a made-up checkpoint as a Hugging Face directory: shards, their index, config and
 * tokenizer files. Everything is made in a directory beside the target, which is renamed at the end. */
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/file_write.h"
#include "format/safetensors.h"
#include "model/synth_plan.h"
#include "model/synth_vocabulary.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHARD_BYTES INT64_C(5000000000) /* unless asked otherwise */
enum { PATH_BYTES = 4096 };

struct directory {
    const struct synth_plan *plan;
    char target[PATH_BYTES], temporary[PATH_BYTES - 64]; /* room for names of files behind it */
    int shards;
};

/* ---- the directory ---- */

/* Nothing there, or a directory without entries, which rename() replaces. */
static bool is_free(const char *path) {
    DIR *entries = opendir(path);
    int count = 0;
    if (!entries) return access(path, F_OK) != 0;
    while (count < 3 && readdir(entries)) count++; /* "." and ".." */
    closedir(entries);
    return count < 3;
}

static enum status directory_open(struct directory *directory) {
    const char *path = directory->plan->options->path;
    size_t bytes = strlen(path);
    unsigned unique;
    while (bytes > 1 && path[bytes - 1] == '/') bytes--;
    if (!bytes || bytes > sizeof directory->temporary - 64)
        return fail(STATUS_USAGE, "%s: the output's name is too long or empty", path);
    snprintf(directory->target, sizeof directory->target, "%.*s", (int)bytes, path);
    if (!is_free(directory->target))
        return fail(STATUS_INPUT, "%s: exists, and is no empty directory", directory->target);
    if (getrandom(&unique, sizeof unique, 0) != sizeof unique)
        return fail(STATUS_IO, "no random numbers: %s", strerror(errno));
    snprintf(directory->temporary, sizeof directory->temporary, "%.*s.partial-%08x", (int)bytes, path,
             unique);
    if (mkdir(directory->temporary, 0777))
        return fail(STATUS_IO, "%s: cannot create: %s", directory->temporary, strerror(errno));
    return STATUS_OK;
}

static enum status directory_publish(struct directory *directory) {
    if (rename(directory->temporary, directory->target))
        return fail(STATUS_IO, "%s: cannot rename the finished directory: %s", directory->target,
                    strerror(errno));
    directory->temporary[0] = 0;
    return STATUS_OK;
}

/* Removes what was not published. */
static void directory_close(struct directory *directory) {
    if (!directory->temporary[0]) return;
    DIR *entries = opendir(directory->temporary);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries) closedir(entries);
    rmdir(directory->temporary);
}

/* ---- shards ---- */

/* The shard of each tensor follows from the sizes alone: a tensor that would make the shard too large opens the next. */
struct shard {
    int number;
    int64_t bytes, most;
    bool opens; /* the tensor is its first */
};

static void shard_advance(struct shard *shard, const struct synth_item *item) {
    shard->opens = !shard->number || (shard->bytes + item->bytes > shard->most && shard->bytes > 0);
    if (shard->opens) {
        shard->number++;
        shard->bytes = 0;
    }
    shard->bytes += item->bytes;
}

static struct shard first_shard(const struct synth_plan *plan) {
    return (struct shard){.most = plan->options->shard_bytes ? plan->options->shard_bytes : SHARD_BYTES};
}

static void count_shards(struct directory *directory) {
    struct shard shard = first_shard(directory->plan);
    for (size_t i = 0; i < directory->plan->items; i++) shard_advance(&shard, &directory->plan->item[i]);
    directory->shards = shard.number;
}

static void shard_name(const struct directory *directory, int number, char name[64]) {
    if (directory->shards == 1)
        snprintf(name, 64, "model.safetensors");
    else
        snprintf(name, 64, "model-%05d-of-%05d.safetensors", number, directory->shards);
}

static enum status append(void *writer, const void *data, size_t bytes) {
    return safetensors_writer_append(writer, data, bytes);
}

static enum status fill_shard(const struct directory *directory, struct weight_stream *stream,
                              struct safetensors_writer *writer, size_t begin, size_t end) {
    const struct synth_plan *plan = directory->plan;
    for (size_t i = begin; i < end; i++) {
        char name[SYNTH_NAME_BYTES];
        const struct synth_item *item = &plan->item[i];
        synth_item_name(plan, item, name);
        TRY(safetensors_writer_declare(writer, name, item->dtype, item->rank, item->shape));
    }
    stream->sink = (struct weight_sink){writer, append};
    for (size_t i = begin; i < end; i++) TRY(synth_item_write(plan, &plan->item[i], stream));
    TRY(weight_stream_flush(stream));
    return safetensors_writer_finish(writer);
}

static enum status write_shard(const struct directory *directory, struct weight_stream *stream, int number,
                               size_t begin, size_t end) {
    char path[PATH_BYTES], name[64];
    struct safetensors_writer *writer;
    shard_name(directory, number, name);
    snprintf(path, sizeof path, "%s/%s", directory->temporary, name);
    TRY(safetensors_writer_open(&writer, path));
    enum status status = fill_shard(directory, stream, writer, begin, end);
    safetensors_writer_close(writer);
    return status;
}

static enum status write_shards(const struct directory *directory, struct weight_stream *stream) {
    const struct synth_plan *plan = directory->plan;
    struct shard shard = first_shard(plan);
    size_t begin = 0;
    for (size_t i = 0; i < plan->items; i++) {
        shard_advance(&shard, &plan->item[i]);
        if (!shard.opens || i == 0) continue;
        TRY(write_shard(directory, stream, shard.number - 1, begin, i));
        begin = i;
    }
    return write_shard(directory, stream, shard.number, begin, plan->items);
}

/* ---- the other files ---- */

static enum status write_file(const struct directory *directory, const char *name,
                              const struct buffer *text) {
    char path[PATH_BYTES];
    struct file_writer file;
    TRY(buffer_check(text, name));
    snprintf(path, sizeof path, "%s/%s", directory->temporary, name);
    TRY(file_writer_open(&file, path));
    enum status status = file_writer_append(&file, text->data, text->bytes);
    if (status == STATUS_OK) status = file_writer_finish(&file);
    file_writer_close(&file);
    return status;
}

/* Names of tensors and shards need no escaping. */
static enum status write_index(const struct directory *directory) {
    const struct synth_plan *plan = directory->plan;
    struct buffer text = {0};
    struct shard shard = first_shard(plan);
    if (directory->shards == 1) return STATUS_OK;
    buffer_printf(&text, "{\n  \"metadata\": {\"total_size\": %lld},\n  \"weight_map\": {",
                  (long long)plan->bytes);
    for (size_t i = 0; i < plan->items; i++) {
        char tensor[SYNTH_NAME_BYTES], file[64];
        shard_advance(&shard, &plan->item[i]);
        synth_item_name(plan, &plan->item[i], tensor);
        shard_name(directory, shard.number, file);
        buffer_printf(&text, "%s\n    \"%s\": \"%s\"", i ? "," : "", tensor, file);
    }
    buffer_append_text(&text, "\n  }\n}\n");
    enum status status = write_file(directory, "model.safetensors.index.json", &text);
    buffer_free(&text);
    return status;
}

static enum status write_config(const struct directory *directory) {
    struct buffer text = {0};
    char *json = json_dumps(directory->plan->config, JSON_INDENT(2));
    if (!json) return fail(STATUS_MEMORY, "config.json: out of memory");
    buffer_append_text(&text, json);
    buffer_append_char(&text, '\n');
    enum status status = write_file(directory, "config.json", &text);
    buffer_free(&text);
    free(json);
    return status;
}

static enum status write_tokenizer(const struct directory *directory) {
    struct synth_vocabulary vocabulary;
    const struct synth_plan *plan = directory->plan;
    TRY(synth_vocabulary_open(&vocabulary, &plan->desc, plan->options->name));
    enum status status = synth_vocabulary_to_files(&vocabulary, &plan->desc, directory->temporary);
    synth_vocabulary_close(&vocabulary);
    return status;
}

/* The small files first: what is wrong with them shows before the large ones are made. */
static enum status write_all(struct directory *directory, struct weight_stream *stream) {
    TRY(write_tokenizer(directory));
    TRY(write_config(directory));
    TRY(write_index(directory));
    TRY(write_shards(directory, stream));
    return directory_publish(directory);
}

enum status synth_write_directory(const struct synth_plan *plan, struct weight_stream *stream) {
    struct directory directory = {.plan = plan};
    count_shards(&directory);
    TRY(directory_open(&directory));
    enum status status = write_all(&directory, stream);
    directory_close(&directory);
    return status;
}
