/* Files of runs: any bytes are refused with a sentence that names the file, or are counted to shares between 0 and 1. */
#include "eval/tally.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct record record = {0};
    struct tally tally = {0};
    struct tally_row row;
    size_t whole;
    if (record_parse(&record, (const char *)data, bytes, "fuzz.run", &whole) != STATUS_OK) {
        MUST(strstr(status_message(), "fuzz.run"));
    } else {
        MUST(whole <= bytes && tally_make(&tally, &record) == STATUS_OK);
        MUST(tally_row_of(&tally, &record, 0, tally.questions, &row) == STATUS_OK);
        MUST(row.pass.low >= 0 && row.pass.low <= row.pass.value && row.pass.value <= row.pass.high + 1e-9);
        MUST(row.pass.high <= 1);
    }
    tally_free(&tally);
    record_free(&record);
    return 0;
}
