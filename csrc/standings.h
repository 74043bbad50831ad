/* Many replicas in the order of what their scores are made of, so that the best is found without looking at all of them.
 *
 * A binary tree, in order of the terms, one after another, and of equals by place. Of all below it a node knows the least of
 * each term, whether they are alike, and until when their terms hold; later they are no less. It is balanced by chance: no
 * child has a higher priority than its parent, and those are numbers that look random (Seidel and Aragon, Randomized
 * search trees, Algorithmica 16, 1996). */
#ifndef MS_STANDINGS_H
#define MS_STANDINGS_H

#include <stdint.h>

/* In this order. */
enum ms_term { MS_TERM_WAITING, MS_TERM_UNFINISHED, MS_TERM_PREFILL, MS_TERM_USAGE, MS_TERMS };

typedef struct ms_terms {
    double of[MS_TERMS];
} ms_terms;

typedef struct ms_standing {
    ms_terms terms;
    ms_terms least; /* of each, its own and of all below */
    double until_s; /* its terms hold */
    double earliest_s; /* the same of it and all below */
    int32_t left, right; /* 0: nobody */
    int32_t size;        /* with all below */
    uint32_t priority;
    int8_t is_alike;     /* it and all below have the same terms */
    int8_t is_in;        /* the tree */
} ms_standing;

typedef struct ms_standings {
    ms_standing *node; /* [places + 1] place i is at i + 1, 0 is nobody; NULL: they are not kept */
    int32_t *path; /* [places + 1] of who is taken out, from the root on */
    int32_t root;
} ms_standings;

/* Of so many places, none of which is in the tree. Returns 0 or an error. */
int ms_standings_init(ms_standings *self, int32_t places);
void ms_standings_free(ms_standings *self);

/* A place has these terms; or it has none. */
void ms_standings_put(ms_standings *self, int32_t place, const ms_terms *terms, double until_s);
void ms_standings_remove(ms_standings *self, int32_t place);

/* How many come before one of these terms at this place, whether it is there or not; and the place of the k-th, from 0 on. */
int32_t ms_standings_rank(const ms_standings *self, const ms_terms *terms, int32_t place);
int32_t ms_standings_at(const ms_standings *self, int32_t k);

/* The terms of the last, who has the most of the first term; there is somebody. */
const ms_terms *ms_standings_last(const ms_standings *self);

static inline int ms_terms_are_same(const ms_terms *a, const ms_terms *b)
{
    return a->of[0] == b->of[0] && a->of[1] == b->of[1] && a->of[2] == b->of[2] && a->of[3] == b->of[3];
}

#endif
