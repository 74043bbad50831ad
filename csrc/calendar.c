#include "calendar.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"
#include "memory.h"

/* Of few, 4, 8 or 16 leaves; of many whole groups of eight. */
static int32_t leaves_for(int32_t players)
{
    if (players > MS_SCAN_MOST) {
        return (players + 7) / 8 * 8;
    }
    return players <= 4 ? 4 : players <= 8 ? 8 : MS_SCAN_MOST;
}

/* All nodes above the leaves: those without players are won by nobody. */
static void begin_tree(ms_tournament *self)
{
    for (int32_t level = 1; level <= self->tree.top; level++) {
        const int32_t first = self->tree.first[level], below = self->tree.first[level - 1];
        const int32_t nodes = level < self->tree.top ? self->tree.first[level + 1] - first : 1;
        for (int32_t i = 0; i < nodes; i++) {
            const int32_t child = below + 8 * i;
            self->values[first + i] = INFINITY;
            self->winners[first + i] = child >= first ? self->leaves : level == 1 ? child : self->winners[child];
        }
    }
}

int ms_tournament_init(ms_tournament *self, int32_t players)
{
    const int32_t leaves = leaves_for(players);
    *self = (ms_tournament){.players = players, .leaves = leaves, .tree = ms_eights_of(leaves), .rival_of = -1};
    const size_t nodes = (size_t)ms_eights_size(&self->tree);
    self->values = ms_memory_take(nodes * sizeof *self->values);
    self->orders = ms_memory_take(((size_t)leaves + 1) * sizeof *self->orders);
    self->winners = ms_memory_take(nodes * sizeof *self->winners);
    if (self->values == NULL || self->orders == NULL || self->winners == NULL) {
        ms_tournament_free(self);
        return MS_ERR_MEMORY;
    }
    for (int32_t i = 0; i <= leaves; i++) {
        self->values[i] = INFINITY;
        self->orders[i] = UINT64_MAX;
    }
    begin_tree(self);
    return 0;
}

void ms_tournament_free(ms_tournament *self)
{
    ms_memory_give(self->values);
    ms_memory_give(self->orders);
    ms_memory_give(self->winners);
    *self = (ms_tournament){0};
}

/* ---- few players: look at all, two side by side -------------------------------------------------------------
 *
 * Of 8 players a scan takes a fifth fewer instructions so, and that for a rival half of them. */

/* At MS_SCAN_MOST - player it lies over the values so that the player's alone becomes infinite. */
static const double all_but_one[2 * MS_SCAN_MOST] = {[0 ... MS_SCAN_MOST - 1] = -INFINITY,
                                                     [MS_SCAN_MOST] = INFINITY,
                                                     [MS_SCAN_MOST + 1 ... 2 * MS_SCAN_MOST - 1] = -INFINITY};

static ms_eights_pair uncovered(const double *values, const double *cover)
{
    return ms_eights_greater(ms_eights_load(values), ms_eights_load(cover));
}

/* The best of all players but one. Branch-free but for ties: which player it is cannot be foretold, that it is one alone
 * nearly always can. Two minima side by side, so that neither waits for the one before. */
static int32_t scan_rivals(const ms_tournament *self, int32_t player)
{
    const double *v = self->values, *cover = all_but_one + MS_SCAN_MOST - player;
    ms_eights_pair a = uncovered(v, cover), b = uncovered(v + 2, cover + 2);
    for (int32_t i = 4; i < self->leaves; i += 4) {
        a = ms_eights_lesser(a, uncovered(v + i, cover + i));
        b = ms_eights_lesser(b, uncovered(v + i + 2, cover + i + 2));
    }
    const double least = ms_eights_least_of(ms_eights_lesser(a, b));
    uint32_t first = 0;
    for (int32_t i = 0; i < self->leaves; i += 2) {
        first |= ms_eights_equals(ms_eights_load(v + i), least) << i;
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

static int beats(const ms_tournament *self, int32_t a, int32_t b)
{
    const double x = self->values[a], y = self->values[b];
    return x != y ? x < y : self->orders[a] < self->orders[b];
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

/* ---- many players: a tree of winners ------------------------------------------------------------------------ */

/* Of those of eight nodes from `from` on that have the least value, who wins; `at` is one of them, and `player` its winner. */
static int32_t winner_of(const ms_tournament *self, int32_t from, uint32_t who, int32_t at, int32_t player)
{
    int32_t best = -1;
    for (; who != 0; who &= who - 1) {
        const int32_t node = from + __builtin_ctz(who);
        const int32_t other = node == at ? player : node < self->leaves ? node : self->winners[node];
        best = best < 0 || self->orders[other] < self->orders[best] ? other : best;
    }
    return best;
}

static void set_one_of_many(ms_tournament *self, int32_t player, double value, uint64_t order)
{
    self->orders[player] = order;
    int32_t at = player, winner = player;
    for (int32_t level = 0; level < self->tree.top; level++) {
        const int32_t node = self->tree.first[level] + at, from = node - at % 8;
        uint32_t who;
        const double least = ms_eights_least_with(self->values + from, at % 8, value, &who);
        const int32_t above = self->tree.first[level + 1] + at / 8, next = winner_of(self, from, who, node, winner);
        self->values[node] = value;
        if (level > 0) {
            self->winners[node] = winner;
        }
        if (next == self->winners[above] && next != player) {
            return; /* somebody else wins here as before: nothing changes above */
        }
        winner = next;
        value = least;
        at /= 8;
    }
    self->values[ms_eights_root(&self->tree)] = value;
    self->winners[ms_eights_root(&self->tree)] = winner;
}

/* The least of a player's group, its own way up left out at each level. */
static double rival_of_many(const ms_tournament *self, int32_t player)
{
    double rival = INFINITY;
    int32_t at = player;
    for (int32_t level = 0; level < self->tree.top; level++, at /= 8) {
        const double *v = self->values + self->tree.first[level] + at / 8 * 8, *cover = all_but_one + MS_SCAN_MOST - at % 8;
        const ms_eights_pair a = ms_eights_lesser(uncovered(v, cover), uncovered(v + 2, cover + 2));
        const ms_eights_pair b = ms_eights_lesser(uncovered(v + 4, cover + 4), uncovered(v + 6, cover + 6));
        const double least = ms_eights_least_of(ms_eights_lesser(a, b));
        rival = least < rival ? least : rival;
    }
    return rival;
}

/* ---- all ------------------------------------------------------------------------------------------------------ */

void ms_tournament_set(ms_tournament *self, int32_t player, double value, uint64_t order)
{
    if (self->players <= MS_SCAN_MOST) {
        set_one_of_few(self, player, value, order);
    } else {
        set_one_of_many(self, player, value, order);
    }
}

int32_t ms_tournament_best(const ms_tournament *self)
{
    return self->players <= MS_SCAN_MOST ? self->best : self->winners[ms_eights_root(&self->tree)];
}

int32_t ms_tournament_winner(const ms_tournament *self, int32_t player, int32_t level)
{
    return self->winners[self->tree.first[level] + (player >> 3 * level)];
}

double ms_tournament_rival(ms_tournament *self, int32_t player)
{
    return self->players <= MS_SCAN_MOST ? self->values[rival_of(self, player)] : rival_of_many(self, player);
}

/* ---- heap ----------------------------------------------------------------------------------------------------- */

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
