/* What the nodes, stretches and holds of prefix caches are taken from (cache.h). Caches that share theirs find again what another
 * has just given back, and what many of them take new stands together: of a large fleet fewer lines of the processor's cache are
 * read, and fewer pages. */
#ifndef MS_CACHE_STORES_H
#define MS_CACHE_STORES_H

#include "store.h"

typedef struct ms_cache_stores {
    ms_store nodes;
    ms_store stretches;
    ms_store holds;
} ms_cache_stores;

struct ms_node;

void ms_cache_stores_init(ms_cache_stores *self);
void ms_cache_stores_free(ms_cache_stores *self);

/* New ones, for one cache; NULL without memory. */
ms_cache_stores *ms_cache_stores_make(void);
void ms_cache_stores_drop(ms_cache_stores *self);

/* A node goes, with its holds and stretches. */
void ms_cache_stores_give(ms_cache_stores *self, struct ms_node *node);

#endif
