/* Sets of questions: any bytes are refused with a sentence that names the file, or become lines that verifiers take and that have
 * something to ask. */
#include "eval/questions.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const struct verifiers none;
    struct question_set set = {0};
    struct question_reader reader = {&none, bytes % 7 ? NULL : question_format_at((int)(bytes / 7 % 6)), 0};
    if (question_set_parse(&set, (const char *)data, bytes, "fuzz.set", &reader) != STATUS_OK)
        MUST(strstr(status_message(), "fuzz.set"));
    for (int i = 0; i < set.questions; i++) {
        const json_t *line = set.question[i].line;
        MUST(json_object_get(line, "prompt") || json_object_get(line, "messages"));
        MUST(*set.question[i].id && question_seed(&set.question[i], 1, i) < UINT64_C(1) << 31);
    }
    question_set_free(&set);
    return 0;
}
