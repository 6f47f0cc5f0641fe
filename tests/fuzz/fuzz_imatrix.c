/* Importance matrices of either format, and stored predictions: any bytes are either refused with a sentence that names the
 * file, or read without leaving them. */
#include "engine/logprob_file.h"
#include "format/imatrix.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void read_imatrix(const struct file_map *map) {
    struct imatrix imatrix;
    if (imatrix_parse(&imatrix, map) != STATUS_OK) {
        MUST(strstr(status_message(), map->path));
        return;
    }
    MUST(imatrix.entries > 0);
    for (size_t e = 0; e < imatrix.entries; e++) {
        const struct imatrix_entry *entry = &imatrix.entry[e];
        const float *mean;
        MUST(imatrix_find(&imatrix, entry->name) == entry);
        for (int64_t v = 0; v < entry->values; v++) MUST(entry->mean[v] >= 0);
        int64_t matrices = entry->count_values;
        MUST(imatrix_columns(entry, matrices, matrices - 1, entry->values / matrices, &mean) == STATUS_OK);
    }
    imatrix_close(&imatrix);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char path[] = "fuzz.imatrix";
    struct file_map map = {.data = data, .bytes = (int64_t)bytes, .path = path};
    struct logprob_file file;
    read_imatrix(&map);
    if (logprob_file_parse(&file, map) != STATUS_OK) MUST(strstr(status_message(), path));
    return 0;
}
