/* The vocabulary of a GGUF file: any keys are either refused with a sentence or become a tokenizer that encodes a text into
 * ids of its own. A target beside fuzz_gguf.c because opening a tokenizer takes a thousand times as long. */
#include "format/gguf.h"
#include "text/tokenizer.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void use(const struct gguf *gguf) {
    static const char text[] = "a b <s> 12\xff";
    struct tokenizer *tokenizer;
    struct token_list list = {0};
    if (tokenizer_from_gguf(&tokenizer, gguf) != STATUS_OK) {
        MUST(strstr(status_message(), gguf->path));
        return;
    }
    if (tokenizer_encode(tokenizer, text, strlen(text), TOKENIZE_SPECIAL, &list) != STATUS_OK)
        MUST(*status_message());
    for (size_t i = 0; i < list.count; i++)
        MUST(list.id[i] >= 0 && list.id[i] < tokenizer_vocabulary(tokenizer));
    token_list_free(&list);
    tokenizer_close(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char path[] = "fuzz.gguf";
    struct file_map map = {.data = data, .bytes = (int64_t)bytes, .path = path};
    struct arena arena = {0};
    struct gguf gguf = {0};
    struct tensor_list list = {0};
    if (gguf_parse(&map, &arena, &gguf, &list) == STATUS_OK) use(&gguf);
    tensor_list_free(&list);
    arena_free(&arena);
    return 0;
}
