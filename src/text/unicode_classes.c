/* unicode_classes.c - builds the table of unicode_classes.h from utf8proc's properties. */
#include "text/unicode_classes.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { CODE_POINTS = 0x110000, BLOCK = 256, BLOCKS = CODE_POINTS / BLOCK };

/* Code points that Unicode 15.1 and 16 assigned. Distributions ship a utf8proc with Unicode 15; with a newer one the
 * rows repeat what it says. So the same text gives the same ids whatever library is installed. */
enum { L = CLASS_LETTER, M = CLASS_MARK, N = CLASS_NUMBER, P = CLASS_PUNCTUATION, S = CLASS_SYMBOL };
static const struct {
    uint32_t first, last;
    uint16_t class;
} supplement[] = {
    {0x0897, 0x0897, M},   {0x1B4E, 0x1B4F, P},   {0x1B7F, 0x1B7F, P},   {0x1C89, 0x1C8A, L},
    {0x2427, 0x2429, S},   {0x2FFC, 0x2FFF, S},   {0x31E4, 0x31E5, S},   {0x31EF, 0x31EF, S},
    {0xA7CB, 0xA7CD, L},   {0xA7DA, 0xA7DC, L},   {0x105C0, 0x105F3, L}, {0x10D40, 0x10D49, N},
    {0x10D4A, 0x10D65, L}, {0x10D69, 0x10D6D, M}, {0x10D6E, 0x10D6E, P}, {0x10D6F, 0x10D85, L},
    {0x10D8E, 0x10D8F, S}, {0x10EC2, 0x10EC4, L}, {0x10EFC, 0x10EFC, M}, {0x11380, 0x11389, L},
    {0x1138B, 0x1138B, L}, {0x1138E, 0x1138E, L}, {0x11390, 0x113B5, L}, {0x113B7, 0x113B7, L},
    {0x113B8, 0x113C0, M}, {0x113C2, 0x113C2, M}, {0x113C5, 0x113C5, M}, {0x113C7, 0x113CA, M},
    {0x113CC, 0x113D0, M}, {0x113D1, 0x113D1, L}, {0x113D2, 0x113D2, M}, {0x113D3, 0x113D3, L},
    {0x113D4, 0x113D5, P}, {0x113D7, 0x113D8, P}, {0x113E1, 0x113E2, M}, {0x116D0, 0x116E3, N},
    {0x11BC0, 0x11BE0, L}, {0x11BE1, 0x11BE1, P}, {0x11BF0, 0x11BF9, N}, {0x11F5A, 0x11F5A, M},
    {0x13460, 0x143FA, L}, {0x16100, 0x1611D, L}, {0x1611E, 0x1612F, M}, {0x16130, 0x16139, N},
    {0x16D40, 0x16D6C, L}, {0x16D6D, 0x16D6F, P}, {0x16D70, 0x16D79, N}, {0x18CFF, 0x18CFF, L},
    {0x1CC00, 0x1CCEF, S}, {0x1CCF0, 0x1CCF9, N}, {0x1CD00, 0x1CEB3, S}, {0x1E5D0, 0x1E5ED, L},
    {0x1E5EE, 0x1E5EF, M}, {0x1E5F0, 0x1E5F0, L}, {0x1E5F1, 0x1E5FA, N}, {0x1E5FF, 0x1E5FF, P},
    {0x1F8B2, 0x1F8BB, S}, {0x1F8C0, 0x1F8C1, S}, {0x1FA89, 0x1FA89, S}, {0x1FA8F, 0x1FA8F, S},
    {0x1FABE, 0x1FABE, S}, {0x1FAC6, 0x1FAC6, S}, {0x1FADC, 0x1FADC, S}, {0x1FADF, 0x1FADF, S},
    {0x1FAE9, 0x1FAE9, S}, {0x1FBCB, 0x1FBEF, S}, {0x2EBF0, 0x2EE5D, L},
};

static const uint16_t class_of_category[] = {
    [UTF8PROC_CATEGORY_LU] = L,           [UTF8PROC_CATEGORY_LL] = L,
    [UTF8PROC_CATEGORY_LT] = L,           [UTF8PROC_CATEGORY_LM] = L,
    [UTF8PROC_CATEGORY_LO] = L,           [UTF8PROC_CATEGORY_MN] = M,
    [UTF8PROC_CATEGORY_MC] = M,           [UTF8PROC_CATEGORY_ME] = M,
    [UTF8PROC_CATEGORY_ND] = N,           [UTF8PROC_CATEGORY_NL] = N,
    [UTF8PROC_CATEGORY_NO] = N,           [UTF8PROC_CATEGORY_PC] = P,
    [UTF8PROC_CATEGORY_PD] = P,           [UTF8PROC_CATEGORY_PS] = P,
    [UTF8PROC_CATEGORY_PE] = P,           [UTF8PROC_CATEGORY_PI] = P,
    [UTF8PROC_CATEGORY_PF] = P,           [UTF8PROC_CATEGORY_PO] = P,
    [UTF8PROC_CATEGORY_SM] = S,           [UTF8PROC_CATEGORY_SC] = S,
    [UTF8PROC_CATEGORY_SK] = S,           [UTF8PROC_CATEGORY_SO] = S,
    [UTF8PROC_CATEGORY_ZS] = CLASS_SPACE, [UTF8PROC_CATEGORY_ZL] = CLASS_SPACE,
    [UTF8PROC_CATEGORY_ZP] = CLASS_SPACE, [UTF8PROC_CATEGORY_CO] = 0};

enum status code_range_append(struct code_range_list *list, uint32_t first, uint32_t last) {
    if (list->count == list->capacity) {
        int capacity = list->capacity ? list->capacity * 2 : 16;
        struct code_range *range = realloc(list->range, (size_t)capacity * sizeof *range);
        if (!range) return fail(STATUS_MEMORY, "no memory for a character class");
        list->range = range;
        list->capacity = capacity;
    }
    list->range[list->count++] = (struct code_range){first, last};
    return STATUS_OK;
}

/* Planes 4 to 13 are unassigned and 15, 16 private: no class, nothing to normalise. */
static bool plane_is_empty(uint32_t code_point) {
    uint32_t plane = code_point >> 16;
    return (plane >= 4 && plane <= 13) || plane >= 15;
}

/* The last code point of a canonical decomposition can join a predecessor; one whose composition is another
 * code point never stays. What has a combining class can be reordered. */
static void mark_unsettled(uint16_t *class, uint32_t code_point, const utf8proc_property_t *property) {
    enum { LONGEST = 8 };
    utf8proc_int32_t part[LONGEST];
    int boundary;
    if (property->combining_class) class[code_point] |= CLASS_UNSETTLED;
    if (property->decomp_type || property->decomp_seqindex == UINT16_MAX) return;
    utf8proc_ssize_t parts =
        utf8proc_decompose_char((utf8proc_int32_t)code_point, part, LONGEST, UTF8PROC_DECOMPOSE, &boundary);
    if (parts < 1 || parts > LONGEST) return;
    if (parts > 1) class[part[parts - 1]] |= CLASS_UNSETTLED;
    parts = utf8proc_normalize_utf32(part, parts, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (parts != 1 || (uint32_t)part[0] != code_point) class[code_point] |= CLASS_UNSETTLED;
}

static void add_range(uint16_t *class, uint32_t first, uint32_t last, uint16_t bits) {
    for (uint32_t c = first; c <= last && c < CODE_POINTS; c++) class[c] |= bits;
}

/* class: [CODE_POINTS], zeroed */
static void fill(uint16_t *class, const struct code_range_list *custom, int count) {
    for (uint32_t c = 0; c < CODE_POINTS; c++) {
        if (plane_is_empty(c)) continue;
        const utf8proc_property_t *property = utf8proc_get_property((utf8proc_int32_t)c);
        if ((size_t)property->category < sizeof class_of_category / sizeof class_of_category[0])
            class[c] |= class_of_category[property->category];
        mark_unsettled(class, c, property);
    }
    add_range(class, 0x1161, 0x1175, CLASS_UNSETTLED); /* Hangul vowels and finals join what precedes them */
    add_range(class, 0x11A8, 0x11C2, CLASS_UNSETTLED);
    add_range(class, '\t', '\r', CLASS_SPACE); /* White_Space that is not a separator */
    add_range(class, 0x85, 0x85, CLASS_SPACE);
    for (size_t i = 0; i < sizeof supplement / sizeof supplement[0]; i++)
        add_range(class, supplement[i].first, supplement[i].last, supplement[i].class);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < custom[i].count; k++)
            add_range(class, custom[i].range[k].first, custom[i].range[k].last,
                      (uint16_t)(CLASS_CUSTOM << i));
}

/* Equal blocks are stored once: most of the code space is one empty block. */
static enum status pack(struct unicode_classes *classes, uint16_t (*flat)[BLOCK]) {
    int blocks = 0;
    uint16_t(*block)[BLOCK] = malloc((size_t)BLOCKS * sizeof *block);
    if (!block) return fail(STATUS_MEMORY, "no memory for the table of character classes");
    for (int i = 0; i < BLOCKS; i++) {
        int same = 0;
        while (same < blocks && memcmp(block[same], flat[i], sizeof *block)) same++;
        if (same == blocks) memcpy(block[blocks++], flat[i], sizeof *block);
        classes->block_of[i] = (uint16_t)same;
    }
    uint16_t(*shrunk)[BLOCK] = realloc(block, (size_t)blocks * sizeof *block);
    classes->block = shrunk ? shrunk : block;
    return STATUS_OK;
}

enum status unicode_classes_open(struct unicode_classes *classes, const struct code_range_list *custom,
                                 int count) {
    MUST(count <= CLASS_CUSTOM_COUNT);
    uint16_t(*flat)[BLOCK] = calloc(BLOCKS, sizeof *flat);
    if (!flat) return fail(STATUS_MEMORY, "no memory for the table of character classes");
    fill(&flat[0][0], custom, count);
    enum status status = pack(classes, flat);
    free(flat);
    return status;
}

void unicode_classes_close(struct unicode_classes *classes) {
    free(classes->block);
    classes->block = NULL;
}

bool is_word_character(const struct unicode_classes *classes, uint32_t c) {
    if (class_of(classes, c) & (CLASS_LETTER | CLASS_MARK)) return true;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    if (category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
        category == UTF8PROC_CATEGORY_PC)
        return true;
    return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) ||
           (c >= 0x1F170 && c <= 0x1F189); /* circled letters are Alphabetic */
}
