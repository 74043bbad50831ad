#include "ties.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"

static void join(ms_ties *self, int32_t node)
{
    const int32_t a = 2 * node, b = a + 1;
    const double left = self->values[a], right = self->values[b];
    self->values[node] = right < left ? right : left;
    self->counts[node] = (left <= right ? self->counts[a] : 0) + (right <= left ? self->counts[b] : 0);
}

static void join_all(ms_ties *self)
{
    for (int32_t node = self->leaves - 1; node >= 1; node--) {
        join(self, node);
    }
}

int ms_ties_init(ms_ties *self, int32_t players)
{
    *self = (ms_ties){.players = players, .leaves = 1};
    while (self->leaves < players) {
        self->leaves *= 2;
    }
    self->values = malloc(2 * (size_t)self->leaves * sizeof(double));
    self->counts = malloc(2 * (size_t)self->leaves * sizeof(int32_t));
    if (self->values == NULL || self->counts == NULL) {
        return MS_ERR_MEMORY;
    }
    for (int32_t i = 0; i < self->leaves; i++) {
        self->values[self->leaves + i] = INFINITY;
        self->counts[self->leaves + i] = i < players;
    }
    join_all(self);
    return 0;
}

void ms_ties_free(ms_ties *self)
{
    free(self->values);
    free(self->counts);
    *self = (ms_ties){0};
}

void ms_ties_set(ms_ties *self, int32_t player, double value)
{
    int32_t node = self->leaves + player;
    if (self->values[node] == value) {
        return;
    }
    self->values[node] = value;
    for (node /= 2; node >= 1; node /= 2) {
        const double before = self->values[node];
        const int32_t count = self->counts[node];
        join(self, node);
        if (self->values[node] == before && self->counts[node] == count) {
            return;
        }
    }
}

void ms_ties_fill(ms_ties *self, const double *values)
{
    for (int32_t i = 0; i < self->players; i++) {
        self->values[self->leaves + i] = values[i];
    }
    join_all(self);
}

int32_t ms_ties_pick(const ms_ties *self, int32_t k)
{
    int32_t node = 1;
    while (node < self->leaves) {
        const double least = self->values[node];
        node *= 2;
        const int32_t here = self->values[node] == least ? self->counts[node] : 0;
        if (k >= here) {
            k -= here;
            node++;
        }
    }
    return node - self->leaves;
}

int32_t ms_ties_rank(const ms_ties *self, int32_t player)
{
    int32_t rank = 0;
    for (int32_t node = self->leaves + player; node > 1; node /= 2) {
        const int is_right = node % 2;
        rank += is_right && self->values[node - 1] == self->values[1] ? self->counts[node - 1] : 0;
    }
    return rank;
}
