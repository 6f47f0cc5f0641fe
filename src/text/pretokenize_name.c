/* pretokenize_name.c - which of GGUF's names stands for a pre-tokenizer. Files write the same rules in many
 * ways, so that what they do is compared, not how they are written. */
#include "base/buffer.h"
#include "text/pretokenize.h"

#include <string.h>

/* Each differs from its neighbours in what some family of patterns treats apart: digits, scripts, case, marks, signs,
 * line ends, spaces. */
static const char *const samples[] = {
    "Hello world, hello  World",
    "it's IT'S we'll WE'LL don't x'y",
    "1 12 123 1234 1234567",
    "a1b22c333d4444",
    "one\ntwo\r\nthree\n\n\nfour",
    " \n \n x",
    "tab\tand  \t mixed   ",
    "trailing   ",
    "   leading",
    "snake_case camelCase HTTPServer",
    "foo(bar); x=y+1 <z> |a| $5 ^2 `q`",
    "!!!wow ...and-so-on #tag @name",
    "print(\"hi\")\n    return",
    "中文字符和汉字 中文",
    "中文12中文abc中文",
    "ひらがなカタカナ漢字",
    "한국어 문장",
    "Привет мир ёж",
    "Ελληνικά γράμματα",
    "مرحبا بالعالم",
    "שלום עולם",
    "हिन्दी भाषा",
    "ไทย ไทย",
    "café naïve Ångström ß",
    "e\u0301 combining a\u0308",
    "١٢٣٤٥ ½ ⅷ ²",
    "“quoted” — dash … «guille»",
    "，。！？、；：「」",
    "Ａｂｃ１２３！",
    "emoji 😀😁 ❤ ©®™",
    "€100 £5 ¥7 5% ±2",
    "𝔸𝕓 𐐀 𞤀",
    "\u00a0nbsp\u2003em\u3000wide",
};

static enum status add_piece(void *context, const unsigned char *piece, size_t bytes) {
    struct buffer *pieces = context;
    buffer_append(pieces, piece, bytes);
    buffer_append_char(pieces, 0); /* no sample has one */
    return STATUS_OK;
}

static enum status cut(const struct pretokenizer *pretokenizer, const char *text, struct buffer *pieces) {
    struct arena arena = {0};
    buffer_clear(pieces);
    enum status status =
        pretokenizer_run(pretokenizer, (const unsigned char *)text, strlen(text), &arena, add_piece, pieces);
    if (status == STATUS_OK) status = buffer_check(pieces, "samples of text");
    arena_free(&arena);
    return status;
}

static enum status count_differences(const struct pretokenizer *a, const struct pretokenizer *b, int *count) {
    struct buffer pieces[2] = {{0}, {0}};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < COUNT_OF(samples) && status == STATUS_OK; i++) {
        status = cut(a, samples[i], &pieces[0]);
        if (status == STATUS_OK) status = cut(b, samples[i], &pieces[1]);
        if (status != STATUS_OK) break;
        *count += pieces[0].bytes != pieces[1].bytes ||
                  memcmp(pieces[0].data, pieces[1].data, pieces[0].bytes) != 0;
    }
    buffer_free(&pieces[0]);
    buffer_free(&pieces[1]);
    return status;
}

enum status pretokenizer_name_of(const struct pretokenizer *pretokenizer, bool composes, bool whole_words,
                                 const char **name, bool *exact) {
    int fewest = -1;
    *name = NULL;
    for (int i = 0; pretokenizer_preset_name(i); i++) {
        struct pretokenizer *other;
        const struct pretokenizer_preset *preset;
        TRY(pretokenizer_from_name(&other, &preset, pretokenizer_preset_name(i), "samples of text"));
        int count = (preset->composes != composes) + (preset->whole_words != whole_words);
        enum status status = count_differences(pretokenizer, other, &count);
        pretokenizer_close(other);
        TRY(status);
        if (fewest >= 0 && count >= fewest) continue;
        fewest = count;
        *name = preset->name;
    }
    *exact = fewest == 0;
    return STATUS_OK;
}
