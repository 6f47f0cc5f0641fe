/* GGUF: any bytes are either refused with a sentence that names the file, or keys and tensors lie inside them; the keys
 * then become a description of a model or are refused. */
#include "format/gguf.h"
#include "model/desc.h"
#include "support/tensor_walk.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { ITEMS_MOST = 1000 };

static void read_array(const struct gguf_value *value) {
    uint64_t count = value->count < ITEMS_MOST ? value->count : ITEMS_MOST;
    bool real = value->item_type == GGUF_F32 || value->item_type == GGUF_F64;
    for (uint64_t i = 0; i < count; i++) {
        if (value->item_type == GGUF_STRING)
            MUST(value->text[i].bytes == 0 || value->text[i].data);
        else if (real)
            (void)gguf_array_real(value, i);
        else if (value->item_type != GGUF_BOOL && value->item_type != GGUF_ARRAY)
            (void)gguf_array_int(value, i);
    }
}

static void read_keys(const struct gguf *gguf, struct arena *arena) {
    for (size_t i = 0; i < gguf->values; i++) {
        const struct gguf_value *value = &gguf->value[i];
        int64_t whole;
        double real;
        bool flag;
        const char *text;
        MUST(gguf_find(gguf, value->key) == value);
        bool fits = gguf_get_int(gguf, value->key, -100, 100, &whole) == STATUS_OK;
        MUST(!fits || (whole >= -100 && whole <= 100));
        if (gguf_get_real_or(gguf, value->key, 0, &real) != STATUS_OK) MUST(*status_message());
        if (gguf_get_bool_or(gguf, value->key, false, &flag) != STATUS_OK) MUST(*status_message());
        if (gguf_get_text_or(gguf, arena, value->key, &text) == STATUS_OK)
            MUST(text && strlen(text) < SIZE_MAX);
        if (value->type == GGUF_ARRAY) read_array(value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static struct model_desc desc;
    char path[] = "fuzz.gguf";
    struct file_map map = {.data = data, .bytes = (int64_t)bytes, .path = path};
    struct arena arena = {0};
    struct gguf gguf = {0};
    struct tensor_list list = {0};
    enum status status = gguf_parse(&map, &arena, &gguf, &list);
    if (status == STATUS_OK) status = tensor_list_sort(&list);
    if (status == STATUS_OK) {
        tensor_walk(&list, &map);
        read_keys(&gguf, &arena);
        if (model_desc_from_gguf(&desc, &gguf) != STATUS_OK) MUST(*status_message());
    } else {
        MUST(strstr(status_message(), path));
    }
    tensor_list_free(&list);
    arena_free(&arena);
    return 0;
}
