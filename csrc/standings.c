#include "standings.h"

#include <math.h>

#include "error.h"
#include "maths.h"
#include "memory.h"

static const double INFINITE[8] = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY};

/* Nobody, by node; NULL without memory. */
static double *column_of(int32_t nodes, double nobodys)
{
    double *made = ms_memory_take((size_t)nodes * sizeof *made);
    for (int32_t i = 0; made != NULL && i < nodes; i++) {
        made[i] = nobodys;
    }
    return made;
}

int ms_standings_init(ms_standings *self, int32_t places, uint32_t terms)
{
    const uint32_t any = (uint32_t)1 << MS_TERM_USAGE; /* a column tells whether there is anybody */
    *self = (ms_standings){.tree = ms_eights_of(places)};
    terms = terms > 0 ? terms : any;
    const int32_t nodes = ms_eights_size(&self->tree);
    for (int32_t k = 0; k < MS_TERMS; k++) {
        const int is_column = (int)(terms >> k & 1);
        self->term[self->columns] = k;
        self->columns += is_column;
        self->mask[k] = -is_column;
        self->least[k] = column_of(is_column ? nodes : 1, is_column ? INFINITY : 0.0);
        self->next[k] = column_of(is_column ? nodes : 1, is_column ? INFINITY : 0.0);
        if (self->least[k] == NULL || self->next[k] == NULL) {
            return MS_ERR_MEMORY;
        }
    }
    self->until_s = column_of(nodes, INFINITY);
    self->most = column_of(nodes, -INFINITY);
    self->count = ms_memory_take((size_t)nodes * sizeof *self->count);
    return self->until_s == NULL || self->most == NULL || self->count == NULL ? MS_ERR_MEMORY : 0;
}

void ms_standings_free(ms_standings *self)
{
    for (int32_t k = 0; k < MS_TERMS; k++) {
        ms_memory_give(self->least[k]);
        ms_memory_give(self->next[k]);
    }
    ms_memory_give(self->until_s);
    ms_memory_give(self->most);
    ms_memory_give(self->count);
    *self = (ms_standings){0};
}

/* ---- changing ------------------------------------------------------------------------------------------- */

static int has_waiting(const ms_standings *self)
{
    return self->term[0] == MS_TERM_WAITING;
}

static int is_there(const ms_standings *self, int32_t node, const ms_standing *here)
{
    int is_same = (self->until_s[node] == here->until_s) & (self->count[node] == here->count);
    for (int32_t c = 0; c < self->columns; c++) {
        const int32_t k = self->term[c];
        is_same &= (self->least[k][node] == here->least.of[k]) & (self->next[k][node] == here->next.of[k]);
    }
    return is_same && (!has_waiting(self) || self->most[node] == here->most);
}

/* Each of eight that has a bit by one of these, the others by another: the least. */
static double least_of_either(const double *with, const double *without, uint32_t who)
{
    ms_eights_pair pairs[4];
    for (int k = 0; k < 4; k++) {
        pairs[k] = ms_eights_either(ms_eights_load(with + 2 * k), ms_eights_load(without + 2 * k), who >> 2 * k);
    }
    return ms_eights_least_of(ms_eights_lesser(ms_eights_lesser(pairs[0], pairs[1]), ms_eights_lesser(pairs[2], pairs[3])));
}

/* Puts what a node knows where it stands, and makes of it what the one above knows. The least is put there only after it was
 * read with its seven neighbours (eights.h). */
static void put(ms_standings *self, int32_t level, int32_t i, ms_standing *here)
{
    const int32_t node = self->tree.first[level] + i, from = node - i % 8;
    uint32_t who = 255;
    self->until_s[node] = here->until_s;
    self->count[node] = here->count;
    for (int32_t c = 0; c < self->columns; c++) {
        const int32_t k = self->term[c];
        const double own = here->least.of[k];
        uint32_t least;
        here->least.of[k] = ms_eights_least_with(self->least[k] + from, i % 8, own, &least);
        who &= least;
        self->least[k][node] = own;
        self->next[k][node] = here->next.of[k];
    }
    for (int32_t c = 0; c < self->columns; c++) { /* of a single one nothing is next */
        const int32_t k = self->term[c];
        here->next.of[k] = least_of_either(level == 0 ? INFINITE : self->next[k] + from, self->least[k] + from, who);
    }
    here->until_s = least_of_either(self->until_s + from, INFINITE, who);
    here->count = 0;
    for (int32_t k = 0; k < 8; k++) {
        here->count += self->count[from + k] & -(int32_t)(who >> k & 1);
    }
    if (has_waiting(self)) {
        self->most[node] = here->most;
        for (int32_t k = 0; k < 8; k++) {
            here->most = ms_more(self->most[from + k], here->most);
        }
    }
}

static void set(ms_standings *self, int32_t place, ms_standing *here)
{
    int32_t i = place;
    for (int32_t level = 0; level < self->tree.top; level++, i /= 8) {
        if (is_there(self, self->tree.first[level] + i, here)) {
            return;
        }
        put(self, level, i, here);
    }
    const int32_t root = ms_eights_root(&self->tree);
    self->until_s[root] = here->until_s;
    self->most[root] = here->most;
    self->count[root] = here->count;
    for (int32_t c = 0; c < self->columns; c++) {
        const int32_t k = self->term[c];
        self->least[k][root] = here->least.of[k];
        self->next[k][root] = here->next.of[k];
    }
}

static const ms_standing NOBODY = {.least = {{INFINITY, INFINITY, INFINITY, INFINITY}},
                                   .next = {{INFINITY, INFINITY, INFINITY, INFINITY}},
                                   .until_s = INFINITY,
                                   .most = -INFINITY};

void ms_standings_put(ms_standings *self, int32_t place, const ms_terms *terms, double until_s)
{
    ms_standing one = NOBODY;
    one.count = 1;
    one.until_s = until_s;
    one.most = terms->of[MS_TERM_WAITING];
    for (int32_t c = 0; c < self->columns; c++) {
        one.least.of[self->term[c]] = terms->of[self->term[c]];
    }
    set(self, place, &one);
}

void ms_standings_remove(ms_standings *self, int32_t place)
{
    ms_standing nobody = NOBODY;
    set(self, place, &nobody);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* Of those with these terms below node i of a level, the ones at places before this. */
static int32_t count_below(const ms_standings *self, int32_t level, int32_t i, const ms_terms *terms, int32_t place)
{
    const int32_t node = self->tree.first[level] + i;
    const int64_t from = (int64_t)i << 3 * level, to = (int64_t)(i + 1) << 3 * level;
    int is_least = 1, can_be = from < place, can_be_next = 1;
    for (int32_t c = 0; c < self->columns; c++) {
        const int32_t column = self->term[c];
        const double term = terms->of[column];
        is_least &= self->least[column][node] == term;
        can_be &= self->least[column][node] <= term;
        can_be_next &= self->next[column][node] <= term;
    }
    if (!can_be || (!is_least && !can_be_next)) {
        return 0;
    }
    if (to <= place && is_least) {
        return self->count[node];
    }
    int32_t count = 0;
    for (int32_t k = 0; k < 8; k++) { /* of a single one nothing is next: it does not come here */
        count += count_below(self, level - 1, 8 * i + k, terms, place);
    }
    return count;
}

int32_t ms_standings_before(const ms_standings *self, const ms_terms *terms, int32_t place)
{
    return count_below(self, self->tree.top, 0, terms, place);
}

int32_t ms_standings_at(const ms_standings *self, const ms_terms *terms, int32_t k)
{
    int32_t i = 0;
    for (int32_t level = self->tree.top; level > 0; level--) {
        i *= 8;
        for (int32_t here;; i++) {
            here = count_below(self, level - 1, i, terms, INT32_MAX);
            if (k < here) {
                break;
            }
            k -= here;
        }
    }
    return i;
}
