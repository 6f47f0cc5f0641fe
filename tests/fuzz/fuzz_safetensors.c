/* *.safetensors: any bytes are either refused with a sentence that names the file, or every tensor lies inside them. */
#include "format/safetensors.h"
#include "support/tensor_walk.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char path[] = "fuzz.safetensors";
    struct file_map map = {.data = data, .bytes = (int64_t)bytes, .path = path};
    struct arena arena = {0};
    struct tensor_list list = {0};
    enum status status = safetensors_parse(&map, &arena, &list);
    if (status == STATUS_OK) status = tensor_list_sort(&list);
    if (status == STATUS_OK)
        tensor_walk(&list, &map);
    else
        MUST(strstr(status_message(), path));
    tensor_list_free(&list);
    arena_free(&arena);
    return 0;
}
