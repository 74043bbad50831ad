#include "calendar.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

int ms_tournament_init(ms_tournament *self, int32_t players)
{
    int32_t leaves = 4;
    while (leaves < players) {
        leaves *= 2;
    }
    *self = (ms_tournament){.players = players, .leaves = leaves, .rival_of = -1};
    self->values = malloc((size_t)leaves * sizeof *self->values);
    self->orders = malloc((size_t)leaves * sizeof *self->orders);
    self->winners = malloc((size_t)leaves * sizeof *self->winners);
    if (self->values == NULL || self->orders == NULL || self->winners == NULL) {
        ms_tournament_free(self);
        return MS_ERR_MEMORY;
    }
    for (int32_t i = 0; i < leaves; i++) {
        self->values[i] = INFINITY;
        self->orders[i] = UINT64_MAX;
    }
    for (int32_t node = leaves - 1; node >= 1; node--) {
        self->winners[node] = 2 * node >= leaves ? 2 * node - leaves : self->winners[2 * node];
    }
    return 0;
}

void ms_tournament_free(ms_tournament *self)
{
    free(self->values);
    free(self->orders);
    free(self->winners);
    *self = (ms_tournament){0};
}

/* ---- few players: look at all, two side by side -------------------------------------------------------------
 *
 * Compilers do not see that the loops below can be. By hand a scan of 8 players takes a fifth fewer instructions, and
 * that for a rival half of them. */

#if defined(__SSE2__)
typedef __m128d pair;

static inline pair load(const double *values)
{
    return _mm_loadu_pd(values);
}

static inline pair lesser(pair a, pair b)
{
    return _mm_min_pd(a, b);
}

static inline pair greater(pair a, pair b)
{
    return _mm_max_pd(a, b);
}

static inline double least_of(pair a)
{
    return _mm_cvtsd_f64(_mm_min_sd(a, _mm_unpackhi_pd(a, a)));
}

/* A bit for each of the two that is `value`. */
static inline uint32_t equals(pair a, double value)
{
    return (uint32_t)_mm_movemask_pd(_mm_cmpeq_pd(a, _mm_set1_pd(value)));
}
#else
typedef struct pair {
    double first, second;
} pair;

static inline pair load(const double *values)
{
    return (pair){values[0], values[1]};
}

static inline pair lesser(pair a, pair b)
{
    return (pair){a.first < b.first ? a.first : b.first, a.second < b.second ? a.second : b.second};
}

static inline pair greater(pair a, pair b)
{
    return (pair){a.first > b.first ? a.first : b.first, a.second > b.second ? a.second : b.second};
}

static inline double least_of(pair a)
{
    return a.first < a.second ? a.first : a.second;
}

static inline uint32_t equals(pair a, double value)
{
    return (uint32_t)(a.first == value) | (uint32_t)(a.second == value) << 1;
}
#endif

/* At MS_SCAN_MOST - player it lies over the values so that the player's alone becomes infinite. */
static const double all_but_one[2 * MS_SCAN_MOST] = {[0 ... MS_SCAN_MOST - 1] = -INFINITY,
                                                     [MS_SCAN_MOST] = INFINITY,
                                                     [MS_SCAN_MOST + 1 ... 2 * MS_SCAN_MOST - 1] = -INFINITY};

/* The best of all players but one. Branch-free but for ties: which player it is cannot be foretold, that it is one alone
 * nearly always can. Two minima side by side, so that neither waits for the one before. */
static int32_t scan_rivals(const ms_tournament *self, int32_t player)
{
    const double *v = self->values, *cover = all_but_one + MS_SCAN_MOST - player;
    pair a = greater(load(v), load(cover)), b = greater(load(v + 2), load(cover + 2));
    for (int32_t i = 4; i < self->leaves; i += 4) {
        a = lesser(a, greater(load(v + i), load(cover + i)));
        b = lesser(b, greater(load(v + i + 2), load(cover + i + 2)));
    }
    const double least = least_of(lesser(a, b));
    uint32_t first = 0;
    for (int32_t i = 0; i < self->leaves; i += 2) {
        first |= equals(load(v + i), least) << i;
    }
    first &= ~((uint32_t)1 << player);
    int32_t best = __builtin_ctz(first);
    for (first &= first - 1; first != 0; first &= first - 1) {
        const int32_t other = __builtin_ctz(first);
        best = self->orders[other] < self->orders[best] ? other : best;
    }
    return best;
}

/* The same, looked for once while nobody else moves. */
static int32_t rival_of(ms_tournament *self, int32_t player)
{
    if (self->rival_of != player) {
        self->rival_of = player;
        self->rival = scan_rivals(self, player);
    }
    return self->rival;
}

/* ---- many players: a tree of winners ------------------------------------------------------------------------ */

static int beats(const ms_tournament *self, int32_t a, int32_t b)
{
    const double x = self->values[a], y = self->values[b];
    return x != y ? x < y : self->orders[a] < self->orders[b];
}

/* Whoever stands at a node: a player itself below the leaves' parents, the winner of its subtree above. */
static int32_t contender(const ms_tournament *self, int32_t node)
{
    return node >= self->leaves ? node - self->leaves : self->winners[node];
}

/* Whoever is best can lose to one player alone, whom all but the best's own moves leave as it is. */
static void set_one_of_few(ms_tournament *self, int32_t player, double value, uint64_t order)
{
    const int32_t other = player == self->best ? rival_of(self, player) : self->best;
    self->values[player] = value;
    self->orders[player] = order;
    self->best = beats(self, other, player) || (other < player && !beats(self, player, other)) ? other : player;
    self->rival_of = self->rival_of == player ? player : -1;
}

void ms_tournament_set(ms_tournament *self, int32_t player, double value, uint64_t order)
{
    if (self->players <= MS_SCAN_MOST) {
        set_one_of_few(self, player, value, order);
        return;
    }
    self->values[player] = value;
    self->orders[player] = order;
    for (int32_t node = (player + self->leaves) / 2; node >= 1; node /= 2) {
        const int32_t left = contender(self, 2 * node), right = contender(self, 2 * node + 1);
        const int32_t winner = beats(self, right, left) ? right : left;
        if (winner == self->winners[node] && winner != player) {
            return; /* somebody else wins here as before: nothing changes above */
        }
        self->winners[node] = winner;
    }
}

int32_t ms_tournament_best(const ms_tournament *self)
{
    return self->players <= MS_SCAN_MOST ? self->best : self->winners[1];
}

double ms_tournament_rival(ms_tournament *self, int32_t player)
{
    if (self->players <= MS_SCAN_MOST) {
        return self->values[rival_of(self, player)];
    }
    double least = INFINITY;
    for (int32_t node = player + self->leaves; node > 1; node /= 2) {
        const double other = self->values[contender(self, node ^ 1)];
        least = other < least ? other : least;
    }
    return least;
}

void ms_heap_free(ms_heap *self)
{
    free(self->events);
    *self = (ms_heap){0};
}

ms_event *ms_heap_push(ms_heap *self, double time_s, uint64_t order, uint64_t suborder)
{
    const ms_moment when = {time_s, order, suborder};
    if (self->length == self->room) {
        const int64_t room = self->room == 0 ? 64 : 2 * self->room;
        ms_event *events = realloc(self->events, (size_t)room * sizeof *events);
        if (events == NULL) {
            return NULL;
        }
        self->events = events;
        self->room = room;
    }
    int64_t at = self->length++;
    while (at > 0) {
        const int64_t parent = (at - 1) / 2;
        if (!ms_before(&when, &self->events[parent].when)) {
            break;
        }
        self->events[at] = self->events[parent];
        at = parent;
    }
    self->events[at].when = when;
    return &self->events[at];
}

/* Lets an event sink from `at`, whose own event is taken out, to where it belongs. */
static void sink(ms_heap *self, int64_t at, const ms_event *event)
{
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= self->length) {
            break;
        }
        if (child + 1 < self->length &&
            ms_before(&self->events[child + 1].when, &self->events[child].when)) {
            child++;
        }
        if (!ms_before(&self->events[child].when, &event->when)) {
            break;
        }
        self->events[at] = self->events[child];
        at = child;
    }
    self->events[at] = *event;
}

void ms_heap_pop(ms_heap *self)
{
    const ms_event last = self->events[--self->length];
    if (self->length > 0) {
        sink(self, 0, &last);
    }
}

/* The first `length` events become a heap again, if there were more. */
static void shorten(ms_heap *self, int64_t length)
{
    const int is_shorter = length < self->length;
    self->length = length;
    for (int64_t at = length / 2 - 1; at >= 0 && is_shorter; at--) {
        const ms_event event = self->events[at];
        sink(self, at, &event);
    }
}

int64_t ms_heap_withdraw(ms_heap *self, enum ms_errand errand, uint64_t order, double after_s)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < self->length; i++) {
        const ms_event event = self->events[i];
        if (event.errand == (int32_t)errand && event.when.order == order && event.when.time_s > after_s) {
            continue;
        }
        self->events[i] = self->events[kept];
        self->events[kept++] = event;
    }
    const int64_t withdrawn = self->length - kept;
    shorten(self, kept);
    return withdrawn;
}

void ms_heap_take_back(ms_heap *self, enum ms_errand errand, const void *subject)
{
    int64_t at = 0;
    while (at < self->length && (self->events[at].errand != (int32_t)errand || self->events[at].subject != subject)) {
        at++;
    }
    if (at < self->length) {
        self->events[at] = self->events[self->length - 1];
        shorten(self, self->length - 1);
    }
}
