/* fuzz_page_file.c - any bytes as the file of a cached page, and as its name: read as a page only when they are one. */
#include "engine/page_file.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE_BYTES = 96 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void read_name(const uint8_t *data, size_t bytes) {
    char text[256] = {0}, again[PAGE_NAME_BYTES];
    struct page_name name;
    memcpy(text, data, bytes < sizeof text ? bytes : sizeof text - 1);
    if (!page_name_read(text, &name)) return;
    page_name_write(&name, again);
    if (strcmp(text, again) != 0) abort();
}

/* What the file says of itself is what is looked for, so that the checksum alone stands in the way. */
static void read_file(const uint8_t *data, size_t bytes) {
    char path[] = "/tmp/hadal-fuzz-XXXXXX";
    uint8_t page[PAGE_BYTES];
    struct page_header header = {.page_bytes = PAGE_BYTES};
    int file = mkstemp(path);
    if (file < 0) return;
    if (bytes >= sizeof header) memcpy(&header, data, sizeof header);
    header.page_bytes = PAGE_BYTES;
    if (write(file, data, bytes) == (ssize_t)bytes) {
        enum status status = page_file_read(path, &header, page);
        if (status == STATUS_OK && (int64_t)bytes != page_file_bytes(PAGE_BYTES)) abort();
    }
    close(file);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    read_name(data, bytes);
    read_file(data, bytes);
    return 0;
}
