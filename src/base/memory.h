/* memory.h - how much memory this process may still take, and the size of its larger pages. */
#ifndef HADAL_BASE_MEMORY_H
#define HADAL_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

enum { HUGE_PAGE_BYTES = 2 << 20 };

/* The smaller of what the machine and the process's control group have available, in bytes; INT64_MAX when neither can
 * be read. Page cache counts as available. */
int64_t memory_available(void);

/* "12.3 GB" with decimal units; returns text. */
const char *bytes_text(int64_t bytes, char text[32]);

#endif
