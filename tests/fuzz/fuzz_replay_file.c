/* fuzz_replay_file.c - any bytes as a log of answers: what is read out of it is written again to the same bytes. */
#include "engine/replay_file.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct reading {
    const uint8_t *data;
    size_t bytes;
};

static void hear(void *context, const struct replay_record *record) {
    const struct reading *reading = context;
    struct buffer out = {0};
    if (record->ids < 0) abort();
    replay_record_write(&out, record);
    if (out.failed || !memmem(reading->data, reading->bytes, out.data, out.bytes)) abort();
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct reading reading = {data, bytes};
    replay_records_read(data, bytes, hear, &reading);
    return 0;
}
