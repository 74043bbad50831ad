#include "store.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB_BLOCKS = 512, LINE_BYTES = 64 };

struct ms_slab {
    struct ms_slab *next;
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
        free(self->slabs);
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
    struct ms_slab *slab = malloc(sizeof *slab + LINE_BYTES + SLAB_BLOCKS * self->block_bytes);
    if (slab == NULL) {
        return 0;
    }
    slab->next = self->slabs;
    self->slabs = slab;
    char *blocks = (char *)slab + LINE_BYTES - (uintptr_t)slab % LINE_BYTES;
    for (size_t i = SLAB_BLOCKS; i-- > 0;) {
        ms_store_give(self, blocks + i * self->block_bytes);
    }
    return 1;
}

void *ms_store_take(ms_store *self)
{
    if (self->unused == NULL && !grow(self)) {
        return NULL;
    }
    void *block = self->unused;
    memcpy(&self->unused, block, sizeof self->unused);
    return block;
}
