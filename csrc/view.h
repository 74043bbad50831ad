/* What dispatch sees of replicas, and the indices that it keeps of them. */
#ifndef MS_VIEW_H
#define MS_VIEW_H

#include "fleet_state.h"

/* What dispatch keeps of a model's replicas, which are all up. Returns 0 or an error. */
int ms_view_prepare(ms_fleet *self, ms_servers *servers);
void ms_view_free(ms_servers *servers);

/* Unfinished jobs of a replica, those outside its GPUs included, or of the API that stands as one. */
int64_t ms_view_unfinished(const ms_fleet *self, int32_t replica);

/* The same as dispatch sees it. */
static inline int64_t ms_view_seen(const ms_fleet *self, int32_t replica)
{
    return self->looks.delay_s > 0.0 ? self->looks.unfinished[replica] : ms_view_unfinished(self, replica);
}

/* Dispatch sees the load of a replica as it is; kv_router its account. */
void ms_view_show_load(ms_fleet *self, int32_t replica);
void ms_view_show_account(ms_fleet *self, int32_t replica);

/* Before anything happens: if what is seen is polled, and something reads prefix caches, a rule of dispatch or `prices`
 * (destination.h), they are polled too. Returns 0 or an error. */
int ms_view_poll_caches(ms_fleet *self, int prices);

/* Everything that comes at t_s or later sees the last look that is due by then, before anything of its instant. Returns
 * whether there was one. */
int ms_view_look(ms_fleet *self, double t_s);

/* kv_router: what the account of a replica (accounts.h) counts for, tokens. */
static inline double ms_view_account(const ms_fleet *self, int32_t replica)
{
    return self->dispatch.prefill_load_scale * (double)self->prefill_tokens[replica] +
           (double)self->held_tokens[replica];
}

/* scored: a bit for each term that the sum of these depends on (standings.h). */
static inline uint32_t ms_view_terms(const ms_score_weights *weights)
{
    return (uint32_t)(weights->queue > 0.0 || weights->load > 0.0) << MS_TERM_WAITING |
           (uint32_t)(weights->active > 0.0) << MS_TERM_UNFINISHED | (uint32_t)(weights->token_load > 0.0) << MS_TERM_PREFILL |
           (uint32_t)(weights->kv_cache > 0.0) << MS_TERM_USAGE;
}

/* What those who watch are told by the two functions below. */
void ms_view_tell_stir(ms_fleet *self, int32_t replica);
void ms_view_tell_load(ms_fleet *self, int32_t replica);

/* Something happens to a replica, or is about to: its engine may tell of it at once, or at the next look. */
static inline void ms_view_stir(ms_fleet *self, int32_t replica)
{
    self->is_at_rest[replica] = 0;
    if (self->is_watched) {
        ms_view_tell_stir(self, replica);
    }
}

/* The load of a replica has changed. */
static inline void ms_view_note_load(ms_fleet *self, int32_t replica)
{
    self->is_at_rest[replica] = 0;
    if (self->is_watched) {
        ms_view_tell_load(self, replica);
    }
}

#endif
