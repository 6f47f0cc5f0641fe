/* *.jsonl to train on: any bytes are either refused with a sentence that names file and line, or become texts of the
 * tokenizer's ids that packing hands out whole. */
#include "base/json.h"
#include "train/dialogue.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Two letters and what joins them. */
static const char tokenizer_text[] =
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]},"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false},"
    "\"decoder\":{\"type\":\"ByteLevel\"},\"added_tokens\":[]}";

static struct tokenizer *open_tokenizer(void) {
    struct tokenizer *tokenizer;
    json_t *root;
    MUST(json_parse(tokenizer_text, strlen(tokenizer_text), "tokenizer", &root) == STATUS_OK);
    MUST(tokenizer_from_json(&tokenizer, root, NULL, "tokenizer") == STATUS_OK);
    json_decref(root);
    return tokenizer;
}

static void pack(const struct corpus *corpus, enum packing_way way) {
    struct packing packing;
    struct packed_batch packed;
    if (packing_open(&packing, corpus, 1, 8, way) != STATUS_OK) return;
    MUST(packed_batch_open(&packed, 8) == STATUS_OK);
    for (int64_t i = 0; i < packing.sequences && i < 4; i++) {
        packed_batch_clear(&packed);
        packing_append(&packing, i, &packed);
        MUST(way == PACK_CUT ? packed.batch.rows == packing.rows : packed.batch.rows <= packing.rows);
    }
    packed_batch_close(&packed);
    packing_close(&packing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct tokenizer *tokenizer = open_tokenizer();
    struct corpus corpus = {0};
    struct dialogue_form form = {.render = {.template = TEMPLATE_DEEPSEEK_R1}, .plain = bytes % 4 == 0};
    struct corpus_options options = {.tokenizer = tokenizer, .dialogue = &form};
    if (corpus_add_lines(&corpus, (const char *)data, bytes, "fuzz.jsonl", &options) != STATUS_OK)
        MUST(strstr(status_message(), "fuzz.jsonl"));
    for (size_t i = 0; i < corpus.tokens.count; i++)
        MUST(corpus.tokens.id[i] >= 0 && corpus.tokens.id[i] < tokenizer_vocabulary(tokenizer));
    pack(&corpus, PACK_CUT);
    pack(&corpus, PACK_WHOLE);
    corpus_close(&corpus);
    tokenizer_close(tokenizer);
    return 0;
}
