/* What the scores of many replicas are made of, so that the best is found without looking at all of them.
 *
 * A tree by place (eights.h). Of all below it a node knows the least of each term; how many have the least of all terms, and
 * until when they do: later their terms are no less; and the least of each term among the others. Where the least costs less
 * than the others can, nobody below need be looked at. */
#ifndef MS_STANDINGS_H
#define MS_STANDINGS_H

#include <stdint.h>

#include "eights.h"

typedef struct ms_terms {
    double usage;
    double prefill;
    int32_t waiting;
    int32_t unfinished;
} ms_terms;

/* Of a place, or of all below a node: a line of the processor's cache. */
typedef struct ms_standing {
    ms_terms least;
    ms_terms next;        /* among those whose terms are others; infinite: there are none */
    double until_s;       /* until when those with the least of all terms have them, */
    int32_t count;        /* so many; 0: nobody has all of it */
    int32_t most_waiting; /* -1: nobody */
} ms_standing;

typedef struct ms_standings {
    ms_eights tree;
    ms_standing *node; /* by node, places first; NULL: they are not kept */
} ms_standings;

/* Of so many places, none of which has terms: theirs are infinite. Returns 0 or an error. */
int ms_standings_init(ms_standings *self, int32_t places);
void ms_standings_free(ms_standings *self);

/* A place has these terms; or it has none. */
void ms_standings_put(ms_standings *self, int32_t place, const ms_terms *terms, double until_s);
void ms_standings_remove(ms_standings *self, int32_t place);

/* Whether what is known of a place holds no more, but none of these terms is less, and as many wait. */
static inline int ms_standings_bound(const ms_standings *self, int32_t place, const ms_terms *terms, double as_of_s)
{
    const ms_standing *one = &self->node[place];
    return one->until_s < as_of_s && one->least.waiting == terms->waiting && one->least.unfinished <= terms->unfinished &&
           one->least.prefill <= terms->prefill && one->least.usage <= terms->usage;
}

/* How many with these terms stand before a place; and the place of the k-th, from 0 on, of more than k. */
int32_t ms_standings_before(const ms_standings *self, const ms_terms *terms, int32_t place);
int32_t ms_standings_at(const ms_standings *self, const ms_terms *terms, int32_t k);

static inline const ms_standing *ms_standings_root(const ms_standings *self)
{
    return &self->node[ms_eights_root(&self->tree)];
}

/* Whether there is nobody. */
static inline int ms_terms_are_nobodys(const ms_terms *terms)
{
    return terms->waiting == INT32_MAX;
}

static inline int ms_terms_are_same(const ms_terms *a, const ms_terms *b)
{
    return a->usage == b->usage && a->prefill == b->prefill && a->waiting == b->waiting && a->unfinished == b->unfinished;
}

#endif
