#include "ties.h"

#include <math.h>

#include "error.h"
#include "memory.h"

/* Of those of eight that have a bit. All are looked at: which they are cannot be foretold. */
static int32_t count_of(const int32_t *counts, uint32_t who)
{
    int32_t count = 0;
    for (int32_t k = 0; k < 8; k++) {
        count += counts[k] & -(int32_t)(who >> k & 1);
    }
    return count;
}

/* Works out node i of a level, above the leaves. */
static void join(ms_ties *self, int32_t level, int32_t i)
{
    const int32_t at = self->tree.first[level] + i, from = self->tree.first[level - 1] + 8 * i;
    uint32_t who;
    self->values[at] = ms_eights_least(self->values + from, &who);
    self->counts[at] = count_of(self->counts + from, who);
}

static void join_all(ms_ties *self)
{
    for (int32_t level = 1; level <= self->tree.top; level++) {
        const int32_t nodes = (self->tree.first[level] - self->tree.first[level - 1]) / 8;
        for (int32_t i = 0; i < nodes; i++) {
            join(self, level, i);
        }
    }
}

int ms_ties_init(ms_ties *self, int32_t players)
{
    *self = (ms_ties){.players = players, .tree = ms_eights_of(players)};
    const size_t nodes = (size_t)ms_eights_size(&self->tree);
    self->values = ms_memory_take(nodes * sizeof *self->values);
    self->counts = ms_memory_take(nodes * sizeof *self->counts);
    if (self->values == NULL || self->counts == NULL) {
        return MS_ERR_MEMORY;
    }
    for (size_t i = 0; i < nodes; i++) {
        self->values[i] = INFINITY;
        self->counts[i] = (int32_t)i < players;
    }
    join_all(self);
    return 0;
}

void ms_ties_free(ms_ties *self)
{
    ms_memory_give(self->values);
    ms_memory_give(self->counts);
    *self = (ms_ties){0};
}

void ms_ties_set(ms_ties *self, int32_t player, double value)
{
    if (self->values[player] == value) {
        return;
    }
    int32_t i = player, count = 1;
    for (int32_t level = 0; level < self->tree.top; level++, i /= 8) {
        const int32_t node = self->tree.first[level] + i, from = node - i % 8;
        uint32_t who;
        const double least = ms_eights_least_with(self->values + from, i % 8, value, &who);
        const int32_t others = count_of(self->counts + from, who & ~((uint32_t)1 << i % 8));
        const int is_new = self->values[node] != value || self->counts[node] != count;
        self->values[node] = value;
        self->counts[node] = count;
        if (!is_new) {
            return;
        }
        count = others + (who >> i % 8 & 1 ? count : 0);
        value = least;
    }
    self->values[ms_eights_root(&self->tree)] = value;
    self->counts[ms_eights_root(&self->tree)] = count;
}

void ms_ties_fill(ms_ties *self, const double *values)
{
    for (int32_t i = 0; i < self->players; i++) {
        self->values[i] = values[i];
    }
    join_all(self);
}

int32_t ms_ties_pick(const ms_ties *self, int32_t k)
{
    const double least = ms_ties_least(self);
    int32_t i = 0;
    for (int32_t level = self->tree.top; level > 0; level--) {
        i *= 8;
        for (int32_t at = self->tree.first[level - 1] + i;; at++, i++) {
            const int32_t here = self->values[at] == least ? self->counts[at] : 0;
            if (k < here) {
                break;
            }
            k -= here;
        }
    }
    return i;
}

int32_t ms_ties_rank(const ms_ties *self, int32_t player)
{
    const double least = ms_ties_least(self);
    int32_t rank = 0, i = player;
    for (int32_t level = 0; level < self->tree.top; level++, i /= 8) {
        const int32_t first = self->tree.first[level];
        for (int32_t at = first + i / 8 * 8; at < first + i; at++) {
            rank += self->values[at] == least ? self->counts[at] : 0;
        }
    }
    return rank;
}

/* Those below node i of a level, from the n-th on. */
static int32_t gather_below(const ms_ties *self, int32_t level, int32_t i, double value, int32_t *players, int32_t n)
{
    if (!(self->values[self->tree.first[level] + i] < value)) {
        return n;
    }
    if (level == 0) {
        players[n] = i;
        return n + 1;
    }
    for (int32_t k = 8 * i; k < 8 * i + 8; k++) {
        n = gather_below(self, level - 1, k, value, players, n);
    }
    return n;
}

int32_t ms_ties_below(const ms_ties *self, double value, int32_t *players)
{
    return gather_below(self, self->tree.top, 0, value, players, 0);
}
