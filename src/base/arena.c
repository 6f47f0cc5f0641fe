/* arena.c - chunked bump allocation behind arena.h. */
#include "base/arena.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 2 * 1024, MOST_BYTES = 64 * 1024, ALIGNMENT = 64 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, capacity;
    _Alignas(ALIGNMENT) char data[];
};

/* Small arenas stay small: chunks double. */
static size_t next_capacity(const struct arena_chunk *last, size_t need) {
    size_t capacity = last ? 2 * last->capacity : FIRST_BYTES;
    if (capacity > MOST_BYTES) capacity = MOST_BYTES;
    return need > capacity ? need : capacity;
}

void *arena_take(struct arena *arena, size_t bytes) {
    size_t need, total;
    if (!add_size_fits(bytes, ALIGNMENT - 1, &need)) return NULL;
    need &= ~(size_t)(ALIGNMENT - 1);
    if (arena->limit_bytes && need > arena->limit_bytes - arena->used_bytes) return NULL;
    struct arena_chunk *chunk = arena->chunk;
    if (!chunk || chunk->capacity - chunk->used < need) {
        size_t capacity = next_capacity(chunk, need);
        if (!add_size_fits(sizeof *chunk + ALIGNMENT, capacity, &total)) return NULL;
        chunk = aligned_alloc(ALIGNMENT, total & ~(size_t)(ALIGNMENT - 1));
        if (!chunk) return NULL;
        *chunk = (struct arena_chunk){.next = arena->chunk, .capacity = capacity};
        arena->chunk = chunk;
    }
    void *taken = chunk->data + chunk->used;
    chunk->used += need;
    arena->used_bytes += need;
    return memset(taken, 0, bytes);
}

char *arena_copy(struct arena *arena, const char *text, size_t bytes) {
    char *copy = arena_take(arena, bytes + 1);
    if (copy && bytes) memcpy(copy, text, bytes);
    return copy;
}

void arena_free(struct arena *arena) {
    while (arena->chunk) {
        struct arena_chunk *next = arena->chunk->next;
        free(arena->chunk);
        arena->chunk = next;
    }
    *arena = (struct arena){.limit_bytes = arena->limit_bytes};
}
