/* amx_trap.h - matrix tiles on a processor without them: their instructions end in a signal, whose handler does what
 * the instruction would have done, so that the very objects that ship can be tested. On a processor that has tiles,
 * and after permission to use them, the handler is never called.
 *
 * Tiles and their configuration belong to a thread, as those of a processor. What Intel's manual forbids is refused as
 * the processor refuses it; the reason is kept for amx_trap_try(), and without one ends the program. */
#ifndef HADAL_TESTS_SUPPORT_AMX_TRAP_H
#define HADAL_TESTS_SUPPORT_AMX_TRAP_H

#include <stdbool.h>
#include <stdint.h>

/* False where the kernels of the level cannot run at all: another family, or no AVX-512 with what such processors have besides. */
bool amx_trap_install(void);

/* Instructions of this thread that the handler carried out. */
int64_t amx_trap_instructions(void);
/* Has this thread tiles configured? */
bool amx_trap_configured(void);

/* Runs work(context). NULL, or the rule that an instruction of it broke; it ends there. */
const char *amx_trap_try(void (*work)(void *context), void *context);

#endif
