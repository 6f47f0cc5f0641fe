/* search_prompt.h - the prompt that DeepSeek published for answers from search results (DeepSeek-R1, "Official Prompts"). Models
 * were trained on these words, and write [citation:X] behind what they took from page X. Pure, any thread. */
#ifndef HADAL_SERVER_SEARCH_SEARCH_PROMPT_H
#define HADAL_SERVER_SEARCH_SEARCH_PROMPT_H

#include "base/buffer.h"
#include "base/json.h"

#include <stdint.h>

/* The question with what was found for it: `results` as search_find() gives them, of each at most `page_bytes`; `seconds` is
 * now. A page cannot end the list of pages or begin another: its marks of the prompt lose their brackets. */
void search_prompt(struct buffer *out, const char *question, const json_t *results, size_t page_bytes,
                   int64_t seconds);

#endif
