#include "store.h"

#include <stdlib.h>
#include <string.h>

enum { SLAB_BLOCKS = 512 };

struct ms_slab {
    struct ms_slab *next;
    max_align_t blocks[];
};

void ms_store_init(ms_store *self, size_t block_bytes)
{
    const size_t unit = sizeof(max_align_t);
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
    struct ms_slab *slab = malloc(sizeof *slab + SLAB_BLOCKS * self->block_bytes);
    if (slab == NULL) {
        return 0;
    }
    slab->next = self->slabs;
    self->slabs = slab;
    for (size_t i = SLAB_BLOCKS; i-- > 0;) {
        ms_store_give(self, (char *)slab->blocks + i * self->block_bytes);
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
