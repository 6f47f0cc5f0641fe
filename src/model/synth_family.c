/* synth_family.c - rows of synth_family.h: published ids and names of special tokens, regular expressions of
 * the pre-tokenizers, and short chat templates that render the same prompts as the published ones for
 * plain conversations. */
#include "model/synth_family.h"

#include "base/status.h"

#include <string.h>

#define BOS "<｜begin▁of▁sentence｜>"
#define EOS "<｜end▁of▁sentence｜>"
#define PAD "<｜▁pad▁｜>"

#define V3_PATTERNS                                                                                          \
    {                                                                                                        \
        "\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",                                                           \
            "[!\"#$%&'()*+,\\-./"                                                                            \
            ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"                  \
            " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"                                          \
    }
#define WORD_PATTERN(number)                                                                                 \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" number                                     \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

#define TOOL_TOKENS(first)                                                                                   \
    {first, "<｜tool▁calls▁begin｜>", false}, {(first) + 1, "<｜tool▁calls▁end｜>", false},                  \
        {(first) + 2, "<｜tool▁call▁begin｜>", false}, {(first) + 3, "<｜tool▁call▁end｜>", false},          \
        {(first) + 4, "<｜tool▁outputs▁begin｜>", false}, {(first) + 5, "<｜tool▁outputs▁end｜>", false},    \
        {(first) + 6, "<｜tool▁output▁begin｜>", false}, {(first) + 7, "<｜tool▁output▁end｜>", false}, {    \
        (first) + 8, "<｜tool▁sep｜>", false                                                                 \
    }

#define V3_TOKENS                                                                                            \
    {                                                                                                        \
        {0, BOS, true}, {1, EOS, true}, {2, PAD, true}, {128798, "<think>", false},                          \
            {128799, "</think>", false}, {128800, "<｜fim▁hole｜>", false},                                  \
            {128801, "<｜fim▁begin｜>", false}, {128802, "<｜fim▁end｜>", false},                            \
            {128803, "<｜User｜>", false}, {128804, "<｜Assistant｜>", false}, {128805, "<|EOT|>", true},    \
            TOOL_TOKENS(128806)                                                                              \
    }

#define MESSAGES                                                                                             \
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"                         \
    "{{ '<｜User｜>' + message['content'] }}"
#define ANSWER "{{ '<｜Assistant｜>' + message['content'].split('</think>')[-1] + eos_token }}"
#define THINK  "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}"

static const char r1_jinja[] =
    MESSAGES "{% elif message['role'] == 'assistant' and 'tool_calls' in message %}{{ '' }}"
             "{% elif message['role'] == 'assistant' %}" ANSWER
             "{% else %}{{ message['content'] }}{% endif %}{% endfor %}" THINK;
static const char distill_jinja[] =
    MESSAGES "{% elif message['content'] is none %}{{ '' }}{% elif message['role'] == 'assistant' %}" ANSWER
             "{% else %}{{ message['content'] }}{% endif %}{% endfor %}" THINK;
static const char v31_jinja[] =
    MESSAGES "{% elif message['role'] == 'assistant' %}"
             "{{ '<｜Assistant｜></think>' + message['content'].split('</think>')[-1] + eos_token }}"
             "{% elif message['role'] == 'tool' %}"
             "{{ '<｜tool▁output▁begin｜>' + message['content'] + '<｜tool▁output▁end｜>' }}"
             "{% else %}{{ message['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}"
             "{% if thinking %}{{ '<｜Assistant｜><think>' }}{% else %}{{ '<｜Assistant｜></think>' }}"
             "{% endif %}{% endif %}";

static const struct synth_family families[] = {
    {.architecture = "deepseek_v2",
     .gguf_pre = "deepseek-llm",
     /* the digits one by one */
     .pattern = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?[!-/:-~！-／：-～‘-‟　-。]+", "\\s+$", "\\p{N}"},
     .special = {{100000, BOS, true}, {100001, EOS, true}, {100001, EOS, true}},
     .temperature = 0.3},
    {.architecture = "deepseek_v3",
     .preset = "deepseek-r1",
     .gguf_pre = "deepseek-v3",
     .pattern = V3_PATTERNS,
     .special = V3_TOKENS,
     .jinja = r1_jinja,
     .temperature = 0.6},
    {.architecture = "deepseek_v3",
     .preset = "deepseek-v3.1",
     .gguf_pre = "deepseek-v3",
     .pattern = V3_PATTERNS,
     .special = V3_TOKENS,
     .jinja = v31_jinja,
     .temperature = 0.6},
    {.architecture = "deepseek_v3",
     .gguf_pre = "deepseek-v3",
     .pattern = V3_PATTERNS,
     .special = V3_TOKENS,
     .temperature = 0.3},
    {.architecture = "qwen2",
     .gguf_pre = "deepseek-r1-qwen",
     .pattern = {WORD_PATTERN("\\p{N}")},
     .compose = true,
     .special = {{151646, BOS, true},
                 {151643, EOS, true},
                 {151643, EOS, true},
                 {151644, "<｜User｜>", false},
                 {151645, "<｜Assistant｜>", false},
                 {151647, "<|EOT|>", false},
                 {151648, "<think>", false},
                 {151649, "</think>", false}},
     .jinja = distill_jinja,
     .temperature = 0.6},
    {.architecture = "llama",
     .gguf_pre = "llama-bpe",
     .pattern = {WORD_PATTERN("\\p{N}{1,3}")},
     .ignore_merges = true,
     .special = {{128000, BOS, true},
                 {128001, EOS, true},
                 {128001, EOS, true},
                 {128011, "<｜User｜>", false},
                 {128012, "<｜Assistant｜>", false},
                 {128013, "<think>", false},
                 {128014, "</think>", false}},
     .jinja = distill_jinja,
     .temperature = 0.6},
};

const struct synth_family *synth_family_find(const char *architecture, const char *preset) {
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        const struct synth_family *family = &families[i];
        if (strcmp(family->architecture, architecture) != 0) continue;
        if (!family->preset || (preset && !strcmp(preset, family->preset))) return family;
    }
    return NULL;
}
