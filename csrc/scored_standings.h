/* The rule `scored` among many of whom no single number tells who is best (scored_index.c): by trees of what scores are made of.
 *
 * Whose terms are all 0 costs least of all who were sent nothing of the prompt: among these any one is taken, and the trees need
 * not know what has happened meanwhile. Else they do: one of those where nobody waits, one of the others, since who was just
 * sent a request waits with little memory in use, and a node that knows the least of each term takes both for one replica's. */
#ifndef MS_SCORED_STANDINGS_H
#define MS_SCORED_STANDINGS_H

#include "scores.h"

/* Who is looked at by itself: part of `matches`. */
typedef struct ms_listed {
    const int32_t *replica;
    int32_t n;
} ms_listed;

/* What one of them was sent before. */
typedef struct ms_sent {
    int64_t blocks; /* of the prompt */
    int32_t is_bound; /* the session */
} ms_sent;

/* Sees who has nothing to do now. */
void ms_scored_standings_update(const ms_choice *self);

/* Then, whether a replica has nothing to do, and is up: it costs the least that it can, and need not be read to be told. */
static inline int ms_scored_is_idle(const ms_choice *self, int32_t replica)
{
    const ms_servers *servers = self->servers;
    return ms_servers_stand(servers) && ms_members_has(&servers->idle, self->fleet->place_of[replica]);
}

/* Whether one who was sent so much costs more with anything to do than with nothing, whatever the extremes. */
int ms_scored_standings_prefer_idle(const ms_choice *self, ms_sent sent, int64_t total);

/* Then, what is to be known to tell the best and those listed apart: returns whether that was all; or all. */
int ms_scored_standings_know(const ms_choice *self, ms_listed listed, int64_t total);
void ms_scored_standings_know_all(const ms_choice *self);

/* The best of all that are up, of those listed the best of whom costs so much; are_known: all is; -1: the trees do not tell. */
int32_t ms_scored_standings_best(const ms_choice *self, ms_listed listed, int64_t total, double best, int are_known);

/* Once all is known: the least that one below node i of a level of the trees costs; somebody there is up. */
double ms_scored_standings_below(const ms_choice *self, int32_t level, int32_t i, int64_t total);

#endif
