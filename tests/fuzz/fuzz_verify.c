/* Answers of a model: any bytes are judged by every rule that runs no program, are never a failure, and get a score in bounds. */
#include "verify/verify.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char task[] =
    "{\"answer\": \"\\\\frac{x+1}{2}\", \"tolerance\": 0.5, \"language\": \"zh\", \"numbers\": [2, 3, 5, 7],"
    "\"target\": 24, \"verifier\": [\"boxed\", \"numeric\", \"exact\", \"format\", \"language\","
    "\"countdown\"]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct verifiers verifiers;
    struct verdict verdict;
    json_t *line;
    char *text = malloc(bytes + 1);
    MUST(text);
    memcpy(text, data, bytes);
    text[bytes] = 0;
    MUST(json_parse(task, sizeof task - 1, "task", &line) == STATUS_OK);
    MUST(verifiers_open(&verifiers, NULL, 0) == STATUS_OK);
    MUST(verifiers_check(&verifiers, line, "task") == STATUS_OK);
    MUST(verify(&verifiers, line, "task", text, bytes, &verdict) == STATUS_OK);
    MUST(verdict.reward >= 0 && verdict.reward <= 6);
    verifiers_close(&verifiers);
    json_decref(line);
    free(text);
    return 0;
}
