#include "bindings.h"

#include <stdlib.h>

#include "error.h"
#include "hash.h"

enum { FIRST_BUCKETS = 64 };

typedef struct ms_binding {
    int64_t session;
    int32_t replica;
    double used_s;
    struct ms_binding *next; /* in its bucket */
    struct ms_binding *older;
    struct ms_binding *newer;
} ms_binding;

void ms_bindings_init(ms_bindings *self)
{
    *self = (ms_bindings){0};
    ms_store_init(&self->store, sizeof(ms_binding));
}

void ms_bindings_free(ms_bindings *self)
{
    free(self->bucket);
    ms_store_free(&self->store);
    *self = (ms_bindings){0};
}

static ms_binding **place_of(const ms_bindings *self, int64_t session)
{
    ms_binding **at = &self->bucket[ms_hash((uint64_t)session) & (uint64_t)(self->buckets - 1)];
    while (*at != NULL && (*at)->session != session) {
        at = &(*at)->next;
    }
    return at;
}

static int widen(ms_bindings *self)
{
    const int64_t buckets = self->buckets > 0 ? 2 * self->buckets : FIRST_BUCKETS;
    ms_binding **bucket = calloc((size_t)buckets, sizeof(ms_binding *));
    if (bucket == NULL) {
        return MS_ERR_MEMORY;
    }
    free(self->bucket);
    self->bucket = bucket;
    self->buckets = buckets;
    for (ms_binding *b = self->oldest; b != NULL; b = b->newer) {
        ms_binding **at = &bucket[ms_hash((uint64_t)b->session) & (uint64_t)(buckets - 1)];
        b->next = *at;
        *at = b;
    }
    return 0;
}

static void unlink_use(ms_bindings *self, ms_binding *b)
{
    *(b->older != NULL ? &b->older->newer : &self->oldest) = b->newer;
    *(b->newer != NULL ? &b->newer->older : &self->newest) = b->older;
}

static void link_newest(ms_bindings *self, ms_binding *b)
{
    b->older = self->newest;
    b->newer = NULL;
    *(self->newest != NULL ? &self->newest->newer : &self->oldest) = b;
    self->newest = b;
}

void ms_bindings_expire(ms_bindings *self, double before_s)
{
    for (ms_binding *b = self->oldest; b != NULL && b->used_s < before_s; b = self->oldest) {
        *place_of(self, b->session) = b->next;
        unlink_use(self, b);
        ms_store_give(&self->store, b);
        self->count--;
    }
}

int32_t ms_bindings_find(const ms_bindings *self, int64_t session)
{
    const ms_binding *b = self->buckets > 0 ? *place_of(self, session) : NULL;
    return b != NULL ? b->replica : -1;
}

int ms_bindings_bind(ms_bindings *self, int64_t session, int32_t replica, double t_s)
{
    ms_binding *b = self->buckets > 0 ? *place_of(self, session) : NULL;
    if (b != NULL) {
        unlink_use(self, b);
    } else {
        if (self->count == self->buckets) {
            MS_TRY(widen(self));
        }
        b = ms_store_take(&self->store);
        if (b == NULL) {
            return MS_ERR_MEMORY;
        }
        ms_binding **at = place_of(self, session);
        *b = (ms_binding){.session = session};
        *at = b;
        self->count++;
    }
    b->replica = replica;
    b->used_s = t_s;
    link_newest(self, b);
    return 0;
}
