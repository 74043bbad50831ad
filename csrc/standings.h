/* What the scores of many replicas are made of, so that the best is found without looking at all of them.
 *
 * A tree by place (eights.h). Of all below it a node knows the least of each term; how many have the least of all terms, and
 * until when they do: later their terms are no less; and the least of each term among the others. Where the least costs less
 * than the others can, nobody below need be looked at. Each of these is a column of its own: what matters of eight siblings is
 * side by side, and terms that are 0 everywhere have none. */
#ifndef MS_STANDINGS_H
#define MS_STANDINGS_H

#include <stdint.h>

#include "early.h"
#include "eights.h"

enum ms_term { MS_TERM_WAITING, MS_TERM_UNFINISHED, MS_TERM_PREFILL, MS_TERM_USAGE, MS_TERMS };

typedef struct ms_terms {
    double of[MS_TERMS];
} ms_terms;

/* Of a place, or of all below a node. */
typedef struct ms_standing {
    ms_terms least; /* infinite: there is nobody */
    ms_terms next;  /* among those whose terms are others; infinite: there are none */
    double until_s; /* until when those with the least of all terms have them, */
    int32_t count;  /* so many; 0: nobody has all of it */
    double most;    /* of MS_TERM_WAITING, where that is a column */
} ms_standing;

typedef struct ms_standings {
    ms_eights tree;
    int32_t columns;
    int32_t term[MS_TERMS];  /* [columns] */
    int32_t mask[MS_TERMS];  /* by term: 0 where there is no column, but a single 0; else all bits */
    double *least[MS_TERMS]; /* by term, and by node, places first, as are all of these */
    double *next[MS_TERMS];
    double *until_s;         /* NULL: they are not kept */
    double *most;
    int32_t *count;
} ms_standings;

/* Of so many places, none of which has terms: theirs are infinite. Of these terms a bit each; others are 0.
 * Returns 0 or an error. */
int ms_standings_init(ms_standings *self, int32_t places, uint32_t terms);
void ms_standings_free(ms_standings *self);

/* A place has these terms; or it has none. */
void ms_standings_put(ms_standings *self, int32_t place, const ms_terms *terms, double until_s);
void ms_standings_remove(ms_standings *self, int32_t place);

/* How many with these terms stand before a place; and the place of the k-th, from 0 on, of more than k. */
int32_t ms_standings_before(const ms_standings *self, const ms_terms *terms, int32_t place);
int32_t ms_standings_at(const ms_standings *self, const ms_terms *terms, int32_t k);

static inline ms_terms ms_standings_read(const ms_standings *self, double *const *column, int32_t node)
{
    return (ms_terms){{column[0][node & self->mask[0]], column[1][node & self->mask[1]], column[2][node & self->mask[2]],
                       column[3][node & self->mask[3]]}};
}

static inline ms_terms ms_standings_least(const ms_standings *self, int32_t node)
{
    return ms_standings_read(self, self->least, node);
}

static inline ms_terms ms_standings_next(const ms_standings *self, int32_t node)
{
    return ms_standings_read(self, self->next, node);
}

/* Whether what is known of a place holds no more, but none of these terms is less, and as many wait. */
static inline int ms_standings_bound(const ms_standings *self, int32_t place, const ms_terms *terms, double as_of_s)
{
    int is_bound = self->until_s[place] < as_of_s;
    for (int32_t c = 0; c < self->columns; c++) {
        const int32_t k = self->term[c];
        const double was = self->least[k][place], is = terms->of[k];
        is_bound &= k == MS_TERM_WAITING ? was == is : was <= is;
    }
    return is_bound;
}

/* A place will be read before long, and the node above. */
static inline void ms_standings_expect(const ms_standings *self, int32_t place)
{
    const int32_t above = self->tree.first[1] + place / 8;
    ms_early(&self->until_s[place]);
    ms_early(&self->until_s[above]);
    ms_early(&self->count[place]);
    for (int32_t c = 0; c < self->columns; c++) {
        ms_early(&self->least[self->term[c]][place]);
        ms_early(&self->least[self->term[c]][above]);
        ms_early(&self->next[self->term[c]][above]);
    }
}

/* Whether there is nobody. */
static inline int ms_terms_are_nobodys(const ms_terms *terms)
{
    return (terms->of[0] > 1e300) | (terms->of[1] > 1e300) | (terms->of[2] > 1e300) | (terms->of[3] > 1e300);
}

static inline int ms_terms_are_same(const ms_terms *a, const ms_terms *b)
{
    return (a->of[0] == b->of[0]) & (a->of[1] == b->of[1]) & (a->of[2] == b->of[2]) & (a->of[3] == b->of[3]);
}

#endif
