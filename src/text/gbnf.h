/* gbnf.h - grammars that a client writes down: GBNF, the notation of llama.cpp.
 *
 *   root  ::= "yes" | "no" reason?          # the rule `root` is the whole text
 *   reason ::= ", because " [^.\n]{1,80} "."
 *
 * Rules with names of letters, digits, '-' and '_'; alternatives '|', groups '( )', '*' '+' '?' '{m}' '{m,}' '{m,n}';
 * "text" and [sets] of characters with \n \r \t \\ \" \[ \] \xHH \uHHHH \UHHHHHHHH; '.' any character; # to the end of the
 * line. A rule ends with its line, but for lines within a group and lines that begin with '|'. */
#ifndef HADAL_TEXT_GBNF_H
#define HADAL_TEXT_GBNF_H

#include "text/grammar.h"

/* STATUS_INPUT, STATUS_LIMIT with "ORIGIN, line N: ..."; rules that begin with themselves are refused by name. */
must_use enum status gbnf_grammar(struct grammar **grammar, const char *text, size_t bytes,
                                  const char *origin);

#endif
