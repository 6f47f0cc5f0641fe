/* arena.h - memory that is freed whole: one per parse or request. Owned by one thread. */
#ifndef HADAL_BASE_ARENA_H
#define HADAL_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;
struct arena {
    struct arena_chunk *chunk;
    size_t used_bytes, limit_bytes; /* limit 0: none */
};

/* 64-byte aligned and zeroed; NULL when memory or the limit is exhausted. */
void *arena_take(struct arena *arena, size_t bytes);
char *arena_copy(struct arena *arena, const char *text, size_t bytes); /* NUL-terminated copy */
void arena_free(struct arena *arena);

#endif
