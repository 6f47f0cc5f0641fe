/* synth_vocabulary.c - the tokens and merges of synth_vocabulary.h, and their keys in GGUF. */
#include "model/synth_vocabulary.h"

#include "model/synth_family.h"

#include <stdio.h>
#include <string.h>

enum {
    CONSONANTS = 21,
    VOWELS = 5,
    SYLLABLES = CONSONANTS * VOWELS,
    WORDS = SYLLABLES * SYLLABLES,  /* of two syllables */
    LONG_WORDS = WORDS * SYLLABLES, /* of three */
    TOKEN_BYTES = 12,
    MERGE_BYTES = 16 /* longest, with what ends them */
};
#define SPACE "Ġ" /* the byte-level alphabet's name for a space */

/* ---- the byte-level alphabet: printable bytes are themselves, the others follow from U+0100 on ---- */

static bool is_printable(int byte) {
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

static size_t put_character(char *text, int code) {
    if (code < 0x80) {
        text[0] = (char)code;
        return 1;
    }
    text[0] = (char)(0xc0 | code >> 6);
    text[1] = (char)(0x80 | (code & 63));
    return 2;
}

/* Printable bytes in order, then the others in order: the usual order of vocabularies. */
static int alphabet_code(int index) {
    int others = 0;
    for (int byte = 0; byte < 256; byte++)
        if (is_printable(byte) && index-- == 0) return byte;
    for (int byte = 0; byte < 256; byte++)
        if (!is_printable(byte) && others++ == index) return 0x100 + index;
    return 0;
}

/* ---- words ---- */

static void syllable(int64_t index, char text[3]) {
    text[0] = "bcdfghjklmnpqrstvwxyz"[index / VOWELS];
    text[1] = "aeiou"[index % VOWELS];
    text[2] = 0;
}

/* Word `index`: its left and right part under BPE. First the syllables, then those behind a space, then words of two and
 * of three syllables. False behind the last. */
static bool word_parts(int64_t index, char left[TOKEN_BYTES], char right[4]) {
    char first[3], second[3];
    if (index < SYLLABLES) {
        syllable(index, first);
        snprintf(left, TOKEN_BYTES, "%c", first[0]);
        snprintf(right, 4, "%c", first[1]);
        return true;
    }
    if ((index -= SYLLABLES) < SYLLABLES) {
        syllable(index, right);
        snprintf(left, TOKEN_BYTES, SPACE);
        return true;
    }
    if ((index -= SYLLABLES) < WORDS) {
        syllable(index / SYLLABLES, first);
        syllable(index % SYLLABLES, right);
        snprintf(left, TOKEN_BYTES, SPACE "%s", first);
        return true;
    }
    if ((index -= WORDS) >= LONG_WORDS) return false;
    index = index * 1000003 % LONG_WORDS; /* coprime: each once, in no visible order */
    syllable(index / WORDS, first);
    syllable(index / SYLLABLES % SYLLABLES, second);
    syllable(index % SYLLABLES, right);
    snprintf(left, TOKEN_BYTES, SPACE "%s%s", first, second);
    return true;
}

static struct gguf_text keep(char **pool, const char *text, size_t bytes) {
    struct gguf_text kept = {*pool, bytes};
    memcpy(*pool, text, bytes);
    *pool += bytes;
    return kept;
}

static void put_word(struct synth_vocabulary *vocabulary, int64_t id, int64_t index, char **pool) {
    char left[TOKEN_BYTES], right[4], text[MERGE_BYTES];
    if (!word_parts(index, left, right)) {
        int bytes = snprintf(text, sizeof text, "[PAD%lld]", (long long)id);
        vocabulary->token[id] = keep(pool, text, (size_t)bytes);
        vocabulary->type[id] = SYNTH_UNUSED;
        return;
    }
    int bytes = snprintf(text, sizeof text, "%s %s", left, right);
    vocabulary->merge[vocabulary->merges++] = keep(pool, text, (size_t)bytes);
    bytes = snprintf(text, sizeof text, "%s%s", left, right);
    vocabulary->token[id] = keep(pool, text, (size_t)bytes);
    vocabulary->type[id] = SYNTH_WORD;
}

/* ---- the vocabulary ---- */

/* At the published id, or at the highest free one where the vocabulary is too short for it. */
static int32_t place_special(struct synth_vocabulary *vocabulary, const struct synth_special *special,
                             int64_t wanted) {
    int64_t id = wanted;
    if (id < 0 || id >= vocabulary->size || vocabulary->type[id])
        for (id = vocabulary->size - 1; id > 0 && vocabulary->type[id]; id--) {}
    vocabulary->token[id] = (struct gguf_text){special->content, strlen(special->content)};
    vocabulary->type[id] = special->hidden ? SYNTH_CONTROL : SYNTH_ADDED;
    return (int32_t)id;
}

static void place_specials(struct synth_vocabulary *vocabulary, const struct model_desc *desc) {
    const struct synth_special *special = vocabulary->family->special;
    vocabulary->bos = place_special(vocabulary, &special[0], desc->bos >= 0 ? desc->bos : special[0].id);
    vocabulary->eos = place_special(vocabulary, &special[1], desc->eos_count ? desc->eos[0] : special[1].id);
    vocabulary->pad = special[2].id == special[1].id ? vocabulary->eos
                                                     : place_special(vocabulary, &special[2], special[2].id);
    for (int i = 3; i < SYNTH_SPECIALS && special[i].content; i++)
        place_special(vocabulary, &special[i], special[i].id);
}

static enum status take_memory(struct synth_vocabulary *vocabulary, char **pool) {
    size_t size = (size_t)vocabulary->size; /* at most MODEL_MAX_VOCAB */
    vocabulary->token = arena_take(&vocabulary->arena, size * sizeof *vocabulary->token);
    vocabulary->type = arena_take(&vocabulary->arena, size * sizeof *vocabulary->type);
    vocabulary->merge = arena_take(&vocabulary->arena, size * sizeof *vocabulary->merge);
    *pool = arena_take(&vocabulary->arena, size * (TOKEN_BYTES + MERGE_BYTES));
    if (vocabulary->token && vocabulary->type && vocabulary->merge && *pool) return STATUS_OK;
    return fail(STATUS_MEMORY, "no memory for a vocabulary of %zu tokens", size);
}

static void fill(struct synth_vocabulary *vocabulary, char *pool) {
    int64_t placed = 0;
    for (int64_t id = 0; id < vocabulary->size; id++) {
        if (vocabulary->type[id]) continue;
        if (placed < 256) {
            char text[2];
            vocabulary->token[id] = keep(&pool, text, put_character(text, alphabet_code((int)placed)));
            vocabulary->type[id] = SYNTH_WORD;
        } else {
            put_word(vocabulary, id, placed - 256, &pool);
        }
        placed++;
    }
}

enum status synth_vocabulary_open(struct synth_vocabulary *vocabulary, const struct model_desc *desc,
                                  const char *name) {
    char *pool;
    *vocabulary = (struct synth_vocabulary){.size = desc->vocab};
    vocabulary->family = synth_family_find(desc->architecture, name);
    MUST(vocabulary->family);
    if (desc->vocab < 256 + SYNTH_SPECIALS)
        return fail(STATUS_INPUT, "vocab_size %lld has no room for 256 bytes and %d special tokens",
                    (long long)desc->vocab, SYNTH_SPECIALS);
    enum status status = take_memory(vocabulary, &pool);
    if (status != STATUS_OK) {
        synth_vocabulary_close(vocabulary);
        return status;
    }
    place_specials(vocabulary, desc);
    fill(vocabulary, pool);
    return STATUS_OK;
}

void synth_vocabulary_close(struct synth_vocabulary *vocabulary) {
    arena_free(&vocabulary->arena);
    *vocabulary = (struct synth_vocabulary){0};
}

void synth_vocabulary_to_gguf(const struct synth_vocabulary *vocabulary, struct gguf_writer *writer) {
    gguf_writer_text(writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_text(writer, "tokenizer.ggml.pre", vocabulary->family->gguf_pre);
    gguf_writer_texts(writer, "tokenizer.ggml.tokens", vocabulary->token, (size_t)vocabulary->size);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", vocabulary->type, (size_t)vocabulary->size);
    gguf_writer_texts(writer, "tokenizer.ggml.merges", vocabulary->merge, vocabulary->merges);
    gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", (uint32_t)vocabulary->bos);
    gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", (uint32_t)vocabulary->eos);
    gguf_writer_u32(writer, "tokenizer.ggml.padding_token_id", (uint32_t)vocabulary->pad);
    gguf_writer_bool(writer, "tokenizer.ggml.add_bos_token", true);
    gguf_writer_bool(writer, "tokenizer.ggml.add_eos_token", false);
    if (vocabulary->family->jinja)
        gguf_writer_text(writer, "tokenizer.chat_template", vocabulary->family->jinja);
}
