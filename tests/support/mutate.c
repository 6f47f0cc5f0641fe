/* mutate.c - the edits of mutate.h and their application to files. */
#include "support/mutate.h"

#include "support/scratch.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST_RUN = 64, ROOM = 4096 };

/* splitmix64 */
uint64_t mutator_next(struct mutator *mutator) {
    uint64_t z = mutator->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

size_t mutator_below(struct mutator *mutator, size_t limit) {
    return limit ? (size_t)(mutator_next(mutator) % limit) : 0;
}

struct edit {
    struct mutator *mutator;
    uint8_t *data;
    size_t bytes, capacity;
};

static size_t any(struct edit *edit, size_t limit) {
    return mutator_below(edit->mutator, limit);
}

/* One in four anywhere, else within a first part of random magnitude. */
static size_t position(struct edit *edit) {
    if (any(edit, 4) == 0) return any(edit, edit->bytes);
    size_t part = (size_t)16 << any(edit, 12);
    return any(edit, part < edit->bytes ? part : edit->bytes);
}

static size_t run_from(struct edit *edit, size_t at) {
    size_t left = edit->bytes - at, longest = left < LONGEST_RUN ? left : LONGEST_RUN;
    return 1 + any(edit, longest);
}

/* Makes `add` bytes of room at `at` after removing `cut`; false when the memory is full. */
static bool resize(struct edit *edit, size_t at, size_t cut, size_t add) {
    if (cut > edit->bytes - at) cut = edit->bytes - at;
    if (edit->bytes - cut + add > edit->capacity) return false;
    memmove(edit->data + at + add, edit->data + at + cut, edit->bytes - at - cut);
    edit->bytes = edit->bytes - cut + add;
    return true;
}

static void flip_bit(struct edit *edit) {
    edit->data[position(edit)] ^= (uint8_t)(1u << any(edit, 8));
}

static void set_byte(struct edit *edit) {
    static const uint8_t bytes[] = "\0\1\x7f\x80\xfe\xff\"\\{}[],:-+.09eE tn";
    edit->data[position(edit)] = bytes[any(edit, sizeof bytes)];
}

static void set_number(struct edit *edit) {
    static const uint64_t numbers[] = {0,          1,          2,          7,          0x7f,
                                       0x80,       0xff,       0x7fff,     0x8000,     0xffff,
                                       1u << 20,   0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32,
                                       1ull << 40, 1ull << 60, INT64_MAX,  1ull << 63, UINT64_MAX - 31,
                                       UINT64_MAX};
    uint64_t number = numbers[any(edit, sizeof numbers / sizeof *numbers)];
    size_t bytes = (size_t)1 << any(edit, 4), at = position(edit);
    if (any(edit, 2)) at &= ~(size_t)7;
    if (bytes > edit->bytes - at) bytes = edit->bytes - at;
    memcpy(edit->data + at, &number, bytes);
}

/* The next decimal number at or after a position, by another text. */
static void replace_text_number(struct edit *edit) {
    static const char *const texts[] = {"0",
                                        "-1",
                                        "1",
                                        "2147483648",
                                        "4294967296",
                                        "4611686018427387904",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "18446744073709551615",
                                        "99999999999999999999999",
                                        "1e999",
                                        "1.5",
                                        "0.0",
                                        "null",
                                        "\"\"",
                                        "[]",
                                        "{}",
                                        "[[[[[[[[",
                                        "true",
                                        "\"x\""};
    size_t at = position(edit), end;
    while (at < edit->bytes && !isdigit(edit->data[at])) at++;
    for (end = at; end < edit->bytes && isdigit(edit->data[end]); end++) continue;
    const char *text = texts[any(edit, sizeof texts / sizeof *texts)];
    if (resize(edit, at, end - at, strlen(text))) memcpy(edit->data + at, text, strlen(text));
}

static void cut_off(struct edit *edit) {
    edit->bytes = any(edit, 3) ? position(edit) : any(edit, edit->bytes);
}

static void erase(struct edit *edit) {
    size_t at = position(edit);
    resize(edit, at, run_from(edit, at), 0);
}

static void copy_over(struct edit *edit) {
    size_t from = position(edit), to = position(edit), bytes = run_from(edit, from);
    if (bytes > edit->bytes - to) bytes = edit->bytes - to;
    memmove(edit->data + to, edit->data + from, bytes);
}

static void insert_copy(struct edit *edit) {
    uint8_t run[LONGEST_RUN];
    size_t from = position(edit), to = position(edit), bytes = run_from(edit, from);
    memcpy(run, edit->data + from, bytes);
    if (resize(edit, to, 0, bytes)) memcpy(edit->data + to, run, bytes);
}

static void insert_noise(struct edit *edit) {
    size_t at = position(edit), bytes = 1 + any(edit, 16);
    if (!resize(edit, at, 0, bytes)) return;
    for (size_t i = 0; i < bytes; i++) edit->data[at + i] = (uint8_t)mutator_next(edit->mutator);
}

static void fill(struct edit *edit) {
    static const uint8_t filler[] = {0, 0xff, ' ', '9', '['};
    size_t at = position(edit);
    memset(edit->data + at, filler[any(edit, sizeof filler)], run_from(edit, at));
}

static void extend(struct edit *edit) {
    size_t bytes = 1 + any(edit, 1000), at = edit->bytes;
    if (resize(edit, at, 0, bytes)) memset(edit->data + at, 0, bytes);
}

size_t mutate_bytes(struct mutator *mutator, uint8_t *data, size_t bytes, size_t capacity) {
    static void (*const edits[])(struct edit *) = {flip_bit,
                                                   flip_bit,
                                                   set_byte,
                                                   set_number,
                                                   set_number,
                                                   replace_text_number,
                                                   replace_text_number,
                                                   cut_off,
                                                   erase,
                                                   copy_over,
                                                   insert_copy,
                                                   insert_noise,
                                                   fill,
                                                   extend};
    struct edit edit = {mutator, data, bytes, capacity};
    for (size_t left = 1 + any(&edit, 4); left > 0 && edit.bytes > 0; left--)
        edits[any(&edit, sizeof edits / sizeof *edits)](&edit);
    return edit.bytes;
}

static void need(bool condition, const char *what) {
    if (condition) return;
    perror(what);
    abort();
}

void mutate_file(struct mutator *mutator, const char *from, const char *to) {
    size_t bytes;
    char *data = file_contents(from, &bytes);
    data = realloc(data, bytes + ROOM);
    need(data != NULL, from);
    bytes = mutate_bytes(mutator, (uint8_t *)data, bytes, bytes + ROOM);
    FILE *file = fopen(to, "wb");
    need(file != NULL && fwrite(data, 1, bytes, file) == bytes && fclose(file) == 0, to);
    free(data);
}

static void path_in(char *path, size_t bytes, const char *directory, const char *name) {
    need((size_t)snprintf(path, bytes, "%s/%s", directory, name) < bytes, name);
}

/* Names are sorted: the order in which a file system lists them must not change the run. */
static int list_files(const char *directory, struct dirent ***entries) {
    int count = scandir(directory, entries, NULL, alphasort);
    need(count >= 0, directory);
    int kept = 0;
    for (int i = 0; i < count; i++) {
        if ((*entries)[i]->d_name[0] == '.' || (*entries)[i]->d_type == DT_DIR)
            free((*entries)[i]);
        else
            (*entries)[kept++] = (*entries)[i];
    }
    return kept;
}

static void remove_files(const char *directory) {
    struct dirent **entries;
    int count = list_files(directory, &entries);
    for (int i = 0; i < count; i++) {
        char path[1024];
        path_in(path, sizeof path, directory, entries[i]->d_name);
        unlink(path);
        free(entries[i]);
    }
    free(entries);
}

void mutate_directory(struct mutator *mutator, const char *from, const char *to, char *name) {
    struct dirent **entries;
    remove_files(to);
    int count = list_files(from, &entries);
    need(count > 0, from);
    size_t chosen = mutator_below(mutator, (size_t)count);
    for (int i = 0; i < count; i++) {
        char source[1024], target[1024];
        path_in(source, sizeof source, from, entries[i]->d_name);
        path_in(target, sizeof target, to, entries[i]->d_name);
        if ((size_t)i == chosen) {
            mutate_file(mutator, source, target);
            strcpy(name, entries[i]->d_name);
        } else {
            need(symlink(source, target) == 0, target);
        }
        free(entries[i]);
    }
    free(entries);
}
