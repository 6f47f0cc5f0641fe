/* replay.c - the main program of a fuzz target where libFuzzer is not: runs it once on each file of the
 * folders and files that are its arguments, so that every finding stays a test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int replay_file(const char *path, size_t bytes) {
    FILE *stream = fopen(path, "rb");
    uint8_t *data =
        malloc(bytes ? bytes : 1); /* of its exact size: a read past its end is seen by a sanitizer */
    if (!stream || !data || fread(data, 1, bytes, stream) != bytes) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    fclose(stream);
    LLVMFuzzerTestOneInput(data, bytes);
    free(data);
    return 1;
}

static int replay(const char *path) {
    struct stat stat_of;
    if (stat(path, &stat_of) != 0) return 0;
    if (!S_ISDIR(stat_of.st_mode)) return replay_file(path, (size_t)stat_of.st_size);
    int count = 0;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char inside[4096];
        snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.') count += replay(inside);
    }
    if (folder) closedir(folder);
    return count;
}

int main(int argc, char **argv) {
    int count = 0;
    for (int i = 1; i < argc; i++) count += replay(argv[i]);
    printf("%d inputs replayed\n", count);
    return count == 0; /* a corpus that is not there is a mistake */
}
