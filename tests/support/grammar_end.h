/* grammar_end.h - for fuzz targets: where a matcher is, the shortest text to the end must be one, and as long as was said. */
#ifndef HADAL_TESTS_SUPPORT_GRAMMAR_END_H
#define HADAL_TESTS_SUPPORT_GRAMMAR_END_H

#include "text/grammar.h"

void check_grammar_end(struct matcher *matcher);

#endif
