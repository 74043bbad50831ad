#include "calendar.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"

static int key_before(const ms_key *a, const ms_key *b)
{
    return a->value != b->value ? a->value < b->value : a->order < b->order;
}

int ms_tournament_init(ms_tournament *self, int32_t players)
{
    int32_t leaves = 2;
    while (leaves < players) {
        leaves *= 2;
    }
    *self = (ms_tournament){.players = players, .leaves = leaves};
    self->keys = malloc((size_t)leaves * sizeof *self->keys);
    self->winners = malloc((size_t)leaves * sizeof *self->winners);
    if (self->keys == NULL || self->winners == NULL) {
        ms_tournament_free(self);
        return MS_ERR_MEMORY;
    }
    for (int32_t i = 0; i < leaves; i++) {
        self->keys[i] = (ms_key){INFINITY, (uint64_t)i};
    }
    for (int32_t node = leaves - 1; node >= 1; node--) {
        self->winners[node] = 2 * node >= leaves ? 2 * node - leaves : self->winners[2 * node];
    }
    return 0;
}

void ms_tournament_free(ms_tournament *self)
{
    free(self->keys);
    free(self->winners);
    *self = (ms_tournament){0};
}

/* Whoever stands at a node: a player itself below the leaves' parents, the winner of its subtree above. */
static int32_t contender(const ms_tournament *self, int32_t node)
{
    return node >= self->leaves ? node - self->leaves : self->winners[node];
}

void ms_tournament_set(ms_tournament *self, int32_t player, double value, uint64_t order)
{
    self->keys[player] = (ms_key){value, order};
    for (int32_t node = (player + self->leaves) / 2; node >= 1; node /= 2) {
        const int32_t left = contender(self, 2 * node), right = contender(self, 2 * node + 1);
        const int32_t winner = key_before(&self->keys[right], &self->keys[left]) ? right : left;
        if (winner == self->winners[node] && winner != player) {
            return; /* somebody else wins here as before: nothing changes above */
        }
        self->winners[node] = winner;
    }
}

ms_key ms_tournament_rival(const ms_tournament *self, int32_t player)
{
    ms_key least = {INFINITY, UINT64_MAX};
    for (int32_t node = player + self->leaves; node > 1; node /= 2) {
        const ms_key *beside = &self->keys[contender(self, node ^ 1)];
        if (key_before(beside, &least)) {
            least = *beside;
        }
    }
    return least;
}

void ms_heap_free(ms_heap *self)
{
    free(self->events);
    *self = (ms_heap){0};
}

int ms_heap_push(ms_heap *self, const ms_event *event)
{
    if (self->length == self->room) {
        const int64_t room = self->room == 0 ? 64 : 2 * self->room;
        ms_event *events = realloc(self->events, (size_t)room * sizeof *events);
        if (events == NULL) {
            return MS_ERR_MEMORY;
        }
        self->events = events;
        self->room = room;
    }
    int64_t at = self->length++;
    while (at > 0) {
        const int64_t parent = (at - 1) / 2;
        if (!ms_before(&event->when, &self->events[parent].when)) {
            break;
        }
        self->events[at] = self->events[parent];
        at = parent;
    }
    self->events[at] = *event;
    return 0;
}

void ms_heap_pop(ms_heap *self)
{
    const ms_event last = self->events[--self->length];
    int64_t at = 0;
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= self->length) {
            break;
        }
        if (child + 1 < self->length &&
            ms_before(&self->events[child + 1].when, &self->events[child].when)) {
            child++;
        }
        if (!ms_before(&self->events[child].when, &last.when)) {
            break;
        }
        self->events[at] = self->events[child];
        at = child;
    }
    if (self->length > 0) {
        self->events[at] = last;
    }
}
