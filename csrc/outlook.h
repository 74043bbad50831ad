/* A look at a replica from outside: what its engine would tell a router. Changes nothing. */
#ifndef MS_OUTLOOK_H
#define MS_OUTLOOK_H

#include "jump.h"

/* Share of its memory that the batch holds in the iteration under way at t_s. */
double ms_outlook_kv_usage(const ms_replica *self, double t_s);

/* Whether that is more than 0 for certain, whatever the time: who decodes holds a block at least. */
static inline int ms_outlook_decodes(const ms_replica *self)
{
    return self->sequences.decoders > 0 && self->sequences.capacity_blocks > 0;
}

/* The same share, and until when it is no other; after that it is no less. Both end with whatever happens to the replica. */
double ms_outlook_kv_usage_until(const ms_replica *self, double t_s, double *until_s);

/* Tokens of a job's prompt, in whole blocks, that its prefix cache holds since the last change of its batch; where it is polled
 * (ms_cache_poll), those that it held at the last look. */
int64_t ms_outlook_cached_tokens(const ms_replica *self, const ms_job *job);

#endif
