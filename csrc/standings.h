/* What the scores of many replicas are made of, so that the best is found without looking at all of them.
 *
 * A tree by place (eights.h). Of all below it a node knows the least of each term; how many have the least of all terms, and
 * until when they do: later their terms are no less; and the least of each term among the others. Where the least costs less
 * than the others can, nobody below need be looked at. */
#ifndef MS_STANDINGS_H
#define MS_STANDINGS_H

#include <stdint.h>

#include "eights.h"

enum ms_term { MS_TERM_WAITING, MS_TERM_UNFINISHED, MS_TERM_PREFILL, MS_TERM_USAGE, MS_TERMS };

typedef struct ms_terms {
    double of[MS_TERMS];
} ms_terms;

/* Of a place, or of all below a node. */
typedef struct ms_standing {
    ms_terms least;
    int64_t count;  /* who has the least of all terms; 0: nobody, */
    double until_s; /* and until when they have them */
    double most;    /* of MS_TERM_WAITING */
    ms_terms next;  /* among those whose terms are others; infinite: there are none */
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
    return one->until_s < as_of_s && one->least.of[MS_TERM_WAITING] == terms->of[MS_TERM_WAITING] &&
           one->least.of[MS_TERM_UNFINISHED] <= terms->of[MS_TERM_UNFINISHED] &&
           one->least.of[MS_TERM_PREFILL] <= terms->of[MS_TERM_PREFILL] && one->least.of[MS_TERM_USAGE] <= terms->of[MS_TERM_USAGE];
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
    return terms->of[0] > 1e300;
}

static inline int ms_terms_are_same(const ms_terms *a, const ms_terms *b)
{
    return a->of[0] == b->of[0] && a->of[1] == b->of[1] && a->of[2] == b->of[2] && a->of[3] == b->of[3];
}

#endif
