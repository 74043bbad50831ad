/* The least of each term of what scores are made of, over many places: a tree by place. */
#ifndef MS_MINIMA_H
#define MS_MINIMA_H

#include "eights.h"
#include "standings.h"

typedef struct ms_minima {
    ms_eights tree;
    ms_terms *node; /* by node, places first; NULL: they are not kept */
} ms_minima;

/* Of so many places, none of which has terms: those are infinite. Returns 0 or an error. */
int ms_minima_init(ms_minima *self, int32_t places);
void ms_minima_free(ms_minima *self);

/* A place has these terms; NULL: it has none. */
void ms_minima_set(ms_minima *self, int32_t place, const ms_terms *terms);

#endif
