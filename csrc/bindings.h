/* Which replica each session was sent to last: bindings that are not used for a while are forgotten. */
#ifndef MS_BINDINGS_H
#define MS_BINDINGS_H

#include <stdint.h>

#include "store.h"

typedef struct ms_bindings {
    int64_t count;
    int64_t buckets; /* a power of two; 0: there are none yet */
    struct ms_binding **bucket;
    struct ms_binding *oldest; /* use */
    struct ms_binding *newest;
    ms_store store;
} ms_bindings;

void ms_bindings_init(ms_bindings *self);
void ms_bindings_free(ms_bindings *self);

/* Forgets those that were used last before a time. */
void ms_bindings_expire(ms_bindings *self, double before_s);

/* The replica of a session; -1: none. */
int32_t ms_bindings_find(const ms_bindings *self, int64_t session);

/* The session was sent to a replica at t_s, the latest time so far. Returns 0 or an error. */
int ms_bindings_bind(ms_bindings *self, int64_t session, int32_t replica, double t_s);

#endif
