#include "store.h"

#include <stdint.h>

#include "memory.h"

/* Slabs grow twofold: the cache of a replica that holds little has few blocks, and where they are many they stand in huge
 * pages. */
enum { FIRST_BLOCKS = 16, MOST_BYTES = 4 << 20, LINE_BYTES = 64 };

/* Its blocks begin with the next line. */
struct ms_slab {
    struct ms_slab *next;
    size_t blocks;
    size_t fresh; /* the last so many were never taken */
};

/* A block of nearly a line of the processor's cache or more takes whole lines, so that none is read for its edge alone. */
static size_t unit_of(size_t block_bytes)
{
    return 2 * block_bytes > LINE_BYTES ? LINE_BYTES : sizeof(max_align_t);
}

void ms_store_init(ms_store *self, size_t block_bytes)
{
    const size_t unit = unit_of(block_bytes);
    *self = (ms_store){.block_bytes = (block_bytes + unit - 1) / unit * unit};
}

void ms_store_free(ms_store *self)
{
    while (self->slabs != NULL) {
        struct ms_slab *next = self->slabs->next;
        ms_memory_give(self->slabs);
        self->slabs = next;
    }
    self->unused = NULL;
}

void ms_store_give(ms_store *self, void *block)
{
    memcpy(block, &self->unused, sizeof self->unused);
    self->unused = block;
}

static int grow(ms_store *self)
{
    const size_t last = self->slabs != NULL ? self->slabs->blocks : 0, twice = 2 * last;
    const size_t blocks = last == 0 ? FIRST_BLOCKS : twice * self->block_bytes <= MOST_BYTES ? twice : last;
    struct ms_slab *slab = ms_memory_take(LINE_BYTES + blocks * self->block_bytes);
    if (slab == NULL) {
        return 0;
    }
    *slab = (struct ms_slab){.next = self->slabs, .blocks = blocks, .fresh = blocks};
    self->slabs = slab;
    return 1;
}

/* In the order in which they stand. */
static void *take_fresh(ms_store *self)
{
    if ((self->slabs == NULL || self->slabs->fresh == 0) && !grow(self)) {
        return NULL;
    }
    struct ms_slab *slab = self->slabs;
    return (char *)slab + LINE_BYTES + (slab->blocks - slab->fresh--) * self->block_bytes;
}

void *ms_store_take(ms_store *self)
{
    if (self->unused == NULL) {
        return take_fresh(self);
    }
    void *block = self->unused;
    memcpy(&self->unused, block, sizeof self->unused);
    return block;
}
