/* machine.h - regular languages of bytes as finite automata: what two of them have in common, and what one has and the other
 * has not. Grammars alone can say neither.
 *
 * A machine is immutable, and belongs to whoever made it. Its states are bounded: what needs more is refused. */
#ifndef HADAL_TEXT_MACHINE_H
#define HADAL_TEXT_MACHINE_H

#include "text/grammar.h"

struct machine;

/* STATUS_LIMIT: more states than MACHINE_STATES. An expression with calls of rules is none of these languages. */
enum { MACHINE_STATES = 16384 };
must_use enum status machine_open(struct machine **machine, const struct expression *expression);
void machine_close(struct machine *machine); /* NULL allowed */
/* What both have, or with `but_not` what `one` has and `other` has not. */
must_use enum status machine_combine(struct machine **machine, const struct machine *one,
                                     const struct machine *other, bool but_not);
bool machine_has(const struct machine *machine, const char *text, size_t bytes);
int machine_states(const struct machine *machine);
bool machine_is_empty(const struct machine *machine);
/* As rules of a builder. NULL: out of memory, or nothing is in it. */
const struct expression *machine_expression(const struct machine *machine, struct grammar_builder *builder);

#endif
