/* pretokenize_stage.h - one stage of a pre-tokenizer; shared by the pretokenize_*.c files only. */
#ifndef HADAL_TEXT_PRETOKENIZE_STAGE_H
#define HADAL_TEXT_PRETOKENIZE_STAGE_H

#define PCRE2_CODE_UNIT_WIDTH 8

#include "text/pretokenize.h"

#include <pcre2.h>

struct stage;

/* What PCRE2 needs for one text. `left` is the work that it may still do: steps through a pattern and over characters. */
struct regex_run {
    pcre2_match_data *match_data;
    pcre2_match_context *context;
    pcre2_jit_stack *jit_stack;
    uint64_t left;
    size_t at; /* where the last step was */
};

/* The piece of text that a stage works on. */
struct stage_input {
    const struct unicode_classes *classes;
    const unsigned char *begin, *end;
    struct regex_run *regex;
    enum status status; /* set by a matcher that had to give up */
};

struct match {
    const unsigned char *begin, *end;
};

/* Finds the first match that begins at `from` or behind it; false when there is none (or input->status is set). */
typedef bool stage_match(const struct stage *stage, struct stage_input *input, const unsigned char *from,
                         struct match *match);

enum split_behaviour {
    SPLIT_ISOLATED,
    SPLIT_REMOVED,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
    SPLIT_CONTIGUOUS
};

struct stage {
    stage_match *match; /* NULL: the stage puts a space in front of a piece that has none */
    enum split_behaviour behaviour;
    bool invert; /* what the pattern leaves over is the match */
    /* match_class_run: an optional space, then 1 to `longest` characters of a class in `mask` */
    bool space_first;
    bool ascii_free; /* no ASCII character is in the class */
    uint16_t mask;
    int longest;
    int digits;       /* match_words: in one piece, at most */
    uint16_t numbers; /* match_words_gpt2: its digits; its letters are `mask` */
    pcre2_code *code; /* match_regex */
    char *pattern;    /* for sentences */
};

enum { STAGES = 32 };

struct pretokenizer {
    struct unicode_classes classes;
    struct stage stage[STAGES];
    int stages;
    bool uses_pcre2;
    struct code_range_list custom[CLASS_CUSTOM_COUNT]; /* while opening */
    int customs;
    enum pretokenizer_engine engine;
    const char *origin; /* while opening */
};

/* pretokenize_match.c: linear, each character is looked at a bounded number of times */
stage_match match_class_run, match_trailing_space, match_words_deepseek, match_words, match_words_gpt2;
/* pretokenize_regex.c */
stage_match match_regex;
must_use enum status regex_run_open(struct regex_run *run, size_t text_bytes);
void regex_run_close(struct regex_run *run); /* a zeroed one too */
must_use enum status stage_compile(struct stage *stage, const char *pattern, bool literal,
                                   const char *origin);

/* pretokenize_pattern.c: adds the stage that a "Split" pattern means. */
must_use enum status pretokenizer_add_pattern(struct pretokenizer *pretokenizer, const char *pattern,
                                              enum split_behaviour behaviour, bool invert);

/* Takes the next stage; STATUS_LIMIT when there are too many. */
must_use enum status pretokenizer_add_stage(struct pretokenizer *pretokenizer, struct stage **stage);

#endif
