/* What a router sees of its replicas where it polls them: their state as it was at the last multiple of a delay.
 *
 * A look comes before anything that happens at its instant. Between two events nothing changes but what is a function of
 * time, so a look need not be an event: it is carried out, for its own time, when the next event comes. */
#ifndef MS_LOOKS_H
#define MS_LOOKS_H

#include <math.h>
#include <stdint.h>

typedef struct ms_looks {
    double delay_s;      /* 0: there are none, everything is seen as it is */
    int64_t index;       /* of the last look, which was at index * delay_s */
    int64_t polls;       /* of prefix caches: one at each look, */
    int32_t settles;     /* and whether what has begun by then is in them */
    int64_t *unfinished; /* [replicas] as seen, as are those that follow */
    int64_t *waiting;    /* scored, and rules of one's own */
    double *usage;       /* the same */
    double *until_s;     /* [replicas] until when its engine tells no other; -INFINITY: something has happened to it since */
    int32_t *watched;    /* [n_watched] replicas of whom that is not for ever */
    int32_t n_watched;
    int32_t *changed;    /* [n_changed] replicas whose load has changed since */
    uint8_t *is_changed; /* [replicas] */
    int32_t n_changed;
} ms_looks;

int ms_looks_init(ms_looks *self, double delay_s, int32_t replicas);
void ms_looks_free(ms_looks *self);

/* The load of a replica has changed. */
void ms_looks_note(ms_looks *self, int32_t replica);

/* Something happens to a replica that its engine may tell. */
static inline void ms_looks_stir(ms_looks *self, int32_t replica)
{
    if (self->until_s[replica] == INFINITY) {
        self->watched[self->n_watched++] = replica;
    }
    self->until_s[replica] = -INFINITY;
}

/* Whether a look has come due by t_s since the last one. */
int ms_looks_due(ms_looks *self, double t_s);

/* One of those whose load has changed since the last look, which is then looked at; -1: there is none left. */
int32_t ms_looks_next(ms_looks *self);

/* When the last look was. */
static inline double ms_looks_s(const ms_looks *self)
{
    return (double)self->index * self->delay_s;
}

/* Until when what was seen of a replica's engine is what the next looks will see. */
static inline double ms_looks_until_s(const ms_looks *self, int32_t replica)
{
    return self->until_s[replica] == -INFINITY ? ms_looks_s(self) : self->until_s[replica];
}

#endif
