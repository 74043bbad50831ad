/* A store of equal blocks that reuses what was given back: it grows to the most blocks alive at once. */
#ifndef MS_STORE_H
#define MS_STORE_H

#include <stddef.h>
#include <string.h>

typedef struct ms_store {
    size_t block_bytes;
    struct ms_slab *slabs; /* the newest first */
    void *unused;          /* a list through the first word of each block that was given back */
} ms_store;

void ms_store_init(ms_store *self, size_t block_bytes);
void ms_store_free(ms_store *self);
void *ms_store_take(ms_store *self); /* its content is undefined; NULL when memory ran out */
void ms_store_give(ms_store *self, void *block);

/* A new block of so many bytes, a constant, is like this one. In pieces: of a whole structure compilers make one string
 * instruction, which takes long to begin. */
static inline void ms_store_begin(void *block, const void *like, size_t bytes)
{
    enum { PIECE = 64 };
    size_t at = 0;
    for (; at + PIECE <= bytes; at += PIECE) {
        memcpy((char *)block + at, (const char *)like + at, PIECE);
    }
    memcpy((char *)block + at, (const char *)like + at, bytes - at);
}

#endif
