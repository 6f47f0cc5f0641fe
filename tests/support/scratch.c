/* scratch.c - temporary directories for tests. */
#include "support/scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void need(bool condition, const char *what) {
    if (condition) return;
    perror(what);
    abort();
}

void scratch_open(struct scratch *scratch) {
    *scratch = (struct scratch){.directory = "/tmp/hadal-test-XXXXXX"};
    need(mkdtemp(scratch->directory) != NULL, scratch->directory);
}

const char *scratch_path(struct scratch *scratch, const char *name) {
    char path[sizeof scratch->path[0]];
    int bytes = snprintf(path, sizeof path, "%s/%s", scratch->directory, name);
    need(bytes > 0 && (size_t)bytes < sizeof path, name);
    return memcpy(scratch->path[scratch->next++ % 8], path, sizeof path);
}

const char *scratch_write(struct scratch *scratch, const char *name, const void *data, size_t bytes) {
    const char *path = scratch_path(scratch, name);
    FILE *file = fopen(path, "wb");
    need(file != NULL, path);
    need(fwrite(data, 1, bytes, file) == bytes, path);
    need(fclose(file) == 0, path);
    return path;
}

const char *scratch_text(struct scratch *scratch, const char *name, const char *text) {
    return scratch_write(scratch, name, text, strlen(text));
}

bool scratch_has(struct scratch *scratch, const char *name) {
    struct stat about;
    return lstat(scratch_path(scratch, name), &about) == 0;
}

static bool is_dots(const char *name) {
    return !strcmp(name, ".") || !strcmp(name, "..");
}

int scratch_entries(struct scratch *scratch) {
    int count = 0;
    DIR *directory = opendir(scratch->directory);
    need(directory != NULL, scratch->directory);
    for (struct dirent *entry; (entry = readdir(directory));) count += !is_dots(entry->d_name);
    closedir(directory);
    return count;
}

static void remove_tree(const char *path) {
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char inner[512];
        struct stat about;
        if (is_dots(entry->d_name)) continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (lstat(inner, &about) == 0 && S_ISDIR(about.st_mode))
            remove_tree(inner);
        else
            unlink(inner);
    }
    if (directory) closedir(directory);
    rmdir(path);
}

void scratch_close(struct scratch *scratch) {
    remove_tree(scratch->directory);
}

char *file_contents(const char *path, size_t *bytes) {
    struct stat about;
    FILE *file = fopen(path, "rb");
    need(file != NULL && fstat(fileno(file), &about) == 0, path);
    char *data = malloc((size_t)about.st_size + 1);
    need(data != NULL, path);
    *bytes = fread(data, 1, (size_t)about.st_size, file);
    data[*bytes] = 0;
    fclose(file);
    return data;
}
