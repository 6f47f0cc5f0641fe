/* small_file.c - see small_file.h. Owns nothing; any thread. */
#include "base/small_file.h"

#include <stdio.h>

long small_file_read(const char *path, char *text, size_t bytes) {
    FILE *file = fopen(path, "rb");
    text[0] = 0;
    if (!file) return -1;
    size_t got = fread(text, 1, bytes - 1, file);
    int failed = ferror(file);
    fclose(file);
    text[got] = 0;
    return failed ? -1 : (long)got;
}
