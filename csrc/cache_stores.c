#include "cache_stores.h"

#include <stdlib.h>

#include "cache_state.h"

void ms_cache_stores_init(ms_cache_stores *self)
{
    ms_store_init(&self->nodes, sizeof(ms_node));
    ms_store_init(&self->stretches, sizeof(ms_cache_stretch));
    ms_store_init(&self->holds, sizeof(ms_hold));
}

void ms_cache_stores_free(ms_cache_stores *self)
{
    ms_store_free(&self->nodes);
    ms_store_free(&self->stretches);
    ms_store_free(&self->holds);
}

ms_cache_stores *ms_cache_stores_make(void)
{
    ms_cache_stores *self = malloc(sizeof *self);
    if (self != NULL) {
        ms_cache_stores_init(self);
    }
    return self;
}

void ms_cache_stores_drop(ms_cache_stores *self)
{
    if (self != NULL) {
        ms_cache_stores_free(self);
    }
    free(self);
}

void ms_cache_stores_give(ms_cache_stores *self, ms_node *node)
{
    for (ms_hold *hold = node->holds, *next; hold != NULL; hold = next) {
        next = hold->next;
        ms_store_give(&self->holds, hold);
    }
    for (ms_cache_stretch *stretch = node->shallowest, *next; stretch != NULL; stretch = next) {
        next = stretch->deeper;
        if (stretch != &node->own) {
            ms_store_give(&self->stretches, stretch);
        }
    }
    ms_store_give(&self->nodes, node);
}
