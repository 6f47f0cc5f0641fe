/* tokenizer_train.c - from texts to the two files of a tokenizer. Ids are control tokens first, then the bytes in the order of
 * the printable alphabet, then merges. */
#include "train/tokenizer_train.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "base/file_write.h"
#include "text/pretokenize.h"
#include "text/utf8.h"
#include "train/corpus.h"
#include "train/merge_learn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What the chat templates of DeepSeek V3 and R1 use (the tokenizer_config.json of those models). */
static const struct {
    const char *content;
    bool special;
} control[] = {{"<｜begin▁of▁sentence｜>", true},
               {"<｜end▁of▁sentence｜>", true},
               {"<｜▁pad▁｜>", true},
               {"<｜User｜>", true},
               {"<｜Assistant｜>", true},
               {"<think>", false},
               {"</think>", false}};
enum { CONTROLS = sizeof control / sizeof *control, SPECIALS_MOST = 4096 };

struct job {
    const struct tokenizer_train_options *options;
    struct tokenizer_train_result *result;
    struct pretokenizer *pretokenizer;
    json_t *description; /* of the pre-tokenizer */
    struct piece_counts counts;
    struct merges merges;
};

/* ---- reading ---- */

static json_t *split(const char *pattern) {
    return json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex", pattern, "behavior",
                     "Isolated", "invert", 0);
}

/* As DeepSeek-V3's tokenizer.json describes it, but for the digits. */
static json_t *describe_pretokenizer(int digits) {
    char number[32] = "\\p{N}";
    if (digits > 1) snprintf(number, sizeof number, "\\p{N}{1,%d}", digits);
    return json_pack("{s:s, s:[o, o, o, {s:s, s:b, s:b, s:b}]}", "type", "Sequence", "pretokenizers",
                     split(number), split("[一-龥぀-ゟ゠-ヿ]+"),
                     split("[!\"#$%&'()*+,\\-./"
                           ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
                           "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
                     "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 0);
}

static enum status count_piece(void *context, const unsigned char *piece, size_t bytes) {
    struct job *job = context;
    job->result->pieces++;
    return piece_counts_add(&job->counts, piece, bytes);
}

static enum status count_text(void *context, const char *text, size_t bytes) {
    struct job *job = context;
    struct arena arena = {0};
    struct buffer repaired = {0};
    job->result->bytes += (int64_t)bytes;
    if (utf8_valid_bytes(text, bytes) < bytes) utf8_repair(&repaired, text, bytes);
    enum status status = buffer_check(&repaired, "a text");
    const char *whole = repaired.data ? repaired.data : text;
    size_t count = repaired.data ? repaired.bytes : bytes;
    if (status == STATUS_OK && count)
        status = pretokenizer_run(job->pretokenizer, (const unsigned char *)whole, count, &arena, count_piece,
                                  job);
    buffer_free(&repaired);
    arena_free(&arena);
    return status;
}

static enum status read_texts(struct job *job) {
    const struct tokenizer_train_options *options = job->options;
    struct corpus corpus = {0}; /* stays empty */
    struct corpus_options reading = {.progress = options->progress,
                                     .progress_context = options->progress_context,
                                     .text = count_text,
                                     .text_context = job};
    job->description = describe_pretokenizer(options->digits);
    if (!job->description) return fail(STATUS_MEMORY, "out of memory");
    TRY(pretokenizer_from_json(&job->pretokenizer, job->description, PRETOKENIZE_FAST, "tokenizer"));
    for (int i = 0; i < options->datas; i++) TRY(corpus_add(&corpus, options->data[i], &reading));
    job->result->different = (int64_t)job->counts.pieces;
    return STATUS_OK;
}

/* ---- writing ---- */

/* The character that stands for a byte: printable ones of Latin-1 for themselves, the others from U+0100 on, in order. */
static uint32_t letter_of(int byte) {
    uint32_t beyond = 0x100;
    for (int b = 0; b <= byte; b++) {
        bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        if (b == byte) return printable ? (uint32_t)b : beyond;
        beyond += !printable;
    }
    return beyond;
}

/* Place of each byte in the order of its letters. */
static void rank_bytes(uint8_t rank[256]) {
    for (int b = 0; b < 256; b++) {
        int before = 0;
        for (int c = 0; c < 256; c++) before += letter_of(c) < letter_of(b);
        rank[b] = (uint8_t)before;
    }
}

static void spell(const struct merge_symbol *symbol, char text[2 * MERGE_SYMBOL_BYTES + 1]) {
    size_t bytes = 0;
    for (int i = 0; i < symbol->bytes; i++) {
        unsigned char letter[4];
        int length = utf8_encode(letter_of(symbol->byte[i]), letter);
        memcpy(text + bytes, letter, (size_t)length);
        bytes += (size_t)length;
    }
    text[bytes] = 0;
}

static json_t *added_token(int id, const char *content, bool special) {
    return json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", content, "single_word", 0,
                     "lstrip", 0, "rstrip", 0, "normalized", 0, "special", (int)special);
}

static json_t *added_tokens(const struct tokenizer_train_options *options) {
    json_t *list = json_array();
    for (int i = 0; i < CONTROLS + options->specials; i++) {
        bool own = i >= CONTROLS;
        json_array_append_new(list, added_token(i, own ? options->special[i - CONTROLS] : control[i].content,
                                                own || control[i].special));
    }
    return list;
}

static json_t *bpe_model(const struct job *job, const uint8_t rank[256]) {
    char text[2 * MERGE_SYMBOL_BYTES + 1], both[4 * MERGE_SYMBOL_BYTES + 4];
    json_t *vocab = json_object(), *list = json_array();
    const struct merges *merges = &job->merges;
    int first = CONTROLS + job->options->specials;
    for (int place = 0; place < 256; place++)
        for (int b = 0; b < 256; b++) {
            if (rank[b] != place) continue;
            spell(&merges->symbol[b], text);
            json_object_set_new(vocab, text, json_integer(first + place));
        }
    for (int i = 256; i < merges->symbols; i++) {
        spell(&merges->symbol[i], text);
        json_object_set_new(vocab, text, json_integer(first + i));
    }
    for (int i = 0; i < merges->pairs; i++) {
        spell(&merges->symbol[merges->pair[i].left], both);
        spell(&merges->symbol[merges->pair[i].right], text);
        strcat(strcat(both, " "), text);
        json_array_append_new(list, json_string(both));
    }
    return json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout",
                     "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0,
                     "byte_fallback", 0, "ignore_merges", 0, "vocab", vocab, "merges", list);
}

/* Takes `root` over. */
static enum status write_json(const char *directory, const char *name, json_t *root) {
    char path[4096];
    struct file_writer file = {0};
    char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    if (!text) return fail(STATUS_MEMORY, "%s: out of memory", name);
    enum status status = STATUS_OK;
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        status = fail(STATUS_USAGE, "%.64s...: the name is too long", directory);
    if (status == STATUS_OK) status = file_writer_open(&file, path);
    if (status == STATUS_OK) status = file_writer_append(&file, text, strlen(text));
    if (status == STATUS_OK) status = file_writer_append(&file, "\n", 1);
    if (status == STATUS_OK) status = file_writer_finish(&file);
    file_writer_close(&file);
    free(text);
    return status;
}

static enum status write_files(const struct job *job, const uint8_t rank[256]) {
    const struct tokenizer_train_options *options = job->options;
    static const char *const level = "ByteLevel";
    if (mkdir(options->output, 0777) && errno != EEXIST)
        return fail(STATUS_IO, "%s: cannot create: %s", options->output, strerror(errno));
    json_t *decoder = json_pack("{s:s, s:b, s:b, s:b}", "type", level, "add_prefix_space", 1, "trim_offsets",
                                1, "use_regex", 1);
    TRY(write_json(options->output, "tokenizer.json",
                   json_pack("{s:s, s:n, s:n, s:o, s:n, s:O, s:n, s:o, s:o}", "version", "1.0", "truncation",
                             "padding", "added_tokens", added_tokens(options), "normalizer", "pre_tokenizer",
                             job->description, "post_processor", "decoder", decoder, "model",
                             bpe_model(job, rank))));
    return write_json(options->output, "tokenizer_config.json",
                      json_pack("{s:b, s:b, s:s, s:s, s:s, s:I, s:b, s:s}", "add_bos_token", 1,
                                "add_eos_token", 0, "bos_token", control[0].content, "eos_token",
                                control[1].content, "pad_token", control[2].content, "model_max_length",
                                (json_int_t)options->context, "clean_up_tokenization_spaces", 0,
                                "tokenizer_class", "LlamaTokenizerFast"));
}

/* ---- the job ---- */

static enum status check_options(const struct tokenizer_train_options *options) {
    MUST(options->digits >= 1 && options->digits <= 3);
    if (options->specials > SPECIALS_MOST)
        return fail(STATUS_LIMIT, "%d control tokens: at most %d", options->specials, SPECIALS_MOST);
    for (int i = 0; i < options->specials; i++) {
        bool known = !*options->special[i];
        for (int j = 0; j < CONTROLS; j++) known = known || !strcmp(options->special[i], control[j].content);
        for (int j = 0; j < i; j++) known = known || !strcmp(options->special[i], options->special[j]);
        if (known) return fail(STATUS_USAGE, "'%.64s' is no new control token", options->special[i]);
    }
    int least = CONTROLS + options->specials + 256;
    if (options->tokens >= least) return STATUS_OK;
    return fail(STATUS_USAGE, "%d tokens: bytes and control tokens alone are %d", options->tokens, least);
}

enum status tokenizer_train(const struct tokenizer_train_options *options,
                            struct tokenizer_train_result *result) {
    struct job job = {.options = options, .result = result};
    uint8_t rank[256];
    *result = (struct tokenizer_train_result){0};
    TRY(check_options(options));
    rank_bytes(rank);
    enum status status = read_texts(&job);
    int controls = CONTROLS + options->specials;
    if (status == STATUS_OK)
        status = merges_learn(&job.merges, &job.counts, rank, options->tokens - controls);
    if (status == STATUS_OK) status = write_files(&job, rank);
    result->ids = job.merges.ids;
    result->tokens = controls + job.merges.symbols;
    merges_free(&job.merges);
    piece_counts_free(&job.counts);
    pretokenizer_close(job.pretokenizer);
    json_decref(job.description);
    return status;
}
