/* What happens next: a tournament over the replicas and a heap of everything else.
 *
 * A replica has one next moment at a time, which moves when somebody arrives: its leaf of the tournament
 * changes, with a node for each power of 8 in their number, and nothing stale is left behind. Labels, retries, failures,
 * clients and reconciliations happen once: they go into a heap. Moments are ordered by time, then by `order` and `suborder`,
 * which hold the kind of the moment and whom it concerns. */
#ifndef MS_CALENDAR_H
#define MS_CALENDAR_H

#include <stdint.h>

#include "eights.h"

/* What comes first at one instant; the kind stands in the highest byte of an order. */
enum ms_kind { MS_ENDS = 1, MS_LABEL = 2, MS_RECONCILES = 3, MS_RETRIES = 4, MS_ARRIVES = 5, MS_STARTS = 6 };

typedef struct ms_moment {
    double time_s;
    uint64_t order;
    uint64_t suborder;
} ms_moment;

static inline uint64_t ms_order(enum ms_kind kind, int64_t whom)
{
    return (uint64_t)kind << 56 | (uint64_t)whom;
}

static inline int ms_kind_of(uint64_t order)
{
    return (int)(order >> 56);
}

static inline int64_t ms_whom(uint64_t order)
{
    return (int64_t)(order & (((uint64_t)1 << 56) - 1));
}

static inline int ms_before(const ms_moment *a, const ms_moment *b)
{
    if (a->time_s != b->time_s) {
        return a->time_s < b->time_s;
    }
    return a->order != b->order ? a->order < b->order : a->suborder < b->suborder;
}

/* ---- tournament: the least of a fixed number of keys, each of which changes often ---------------- */

enum { MS_SCAN_MOST = 16 }; /* up to so many players, looking at all of them beats keeping a tree */

typedef struct ms_tournament {
    int32_t players;
    int32_t leaves;   /* at least as many; the number of nobody, whose order comes last */
    ms_eights tree;   /* of the winners of many */
    double *values;   /* by node of the tree, players first; those beyond them are infinite and never win */
    uint64_t *orders; /* [leaves + 1] break ties */
    int32_t *winners; /* by node, but for leaves */
    int32_t best;     /* of few players: the champion, */
    int32_t rival;    /* and the best of all but `rival_of`; -1: unknown */
    int32_t rival_of;
} ms_tournament;

int ms_tournament_init(ms_tournament *self, int32_t players); /* all keys infinite */
void ms_tournament_free(ms_tournament *self);
void ms_tournament_set(ms_tournament *self, int32_t player, double value, uint64_t order);

/* The player of the least (value, order); among equals the lowest player. */
int32_t ms_tournament_best(const ms_tournament *self);

/* Of many: who wins the part of the tree of a level, from 1 on, in which a player is. */
int32_t ms_tournament_winner(const ms_tournament *self, int32_t player, int32_t level);

/* The least value of all players but one. */
double ms_tournament_rival(ms_tournament *self, int32_t player);

/* ---- heap: moments that happen once ---------------------------------------------------------------- */

enum ms_errand {
    MS_DO_LABEL,
    MS_DO_RETRY,
    MS_DO_CHAIN,
    MS_DO_GIVE_UP,
    MS_DO_TRY_AGAIN,
    MS_DO_FAIL,
    MS_DO_REPAIR,
    MS_DO_API,
    MS_DO_CLIENT,
    MS_DO_RECONCILE,
    MS_DO_DECIDE,
    MS_DO_FRONT_END,
    MS_DO_DETOKENIZED,
    MS_DO_TURN,
    MS_DO_SCALE,
    MS_DO_READY,
    MS_DO_TRANSFERRED,
    MS_DO_LINK
};

typedef struct ms_event {
    ms_moment when;
    void *subject;
    int32_t errand; /* enum ms_errand */
    int32_t detail;
} ms_event;

typedef struct ms_heap {
    ms_event *events;
    int64_t length;
    int64_t room;
} ms_heap;

void ms_heap_free(ms_heap *self);

/* The place of an event at this moment, where its caller writes what it is: built elsewhere it would be read back before
 * it is written. NULL without memory. */
ms_event *ms_heap_push(ms_heap *self, double time_s, uint64_t order, uint64_t suborder);

void ms_heap_pop(ms_heap *self); /* drops events[0], the first */

/* Takes out all events of an errand with this order that are later than `after_s`, in no order; returns how many. Until
 * the next push they stand in events[length], events[length + 1], ... */
int64_t ms_heap_withdraw(ms_heap *self, enum ms_errand errand, uint64_t order, double after_s);

/* Takes out the event of an errand for this subject. */
void ms_heap_take_back(ms_heap *self, enum ms_errand errand, const void *subject);

#endif
