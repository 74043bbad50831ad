#include "standings.h"

#include <math.h>

#include "error.h"
#include "memory.h"

static const ms_terms NONE = {INFINITY, INFINITY, INT32_MAX, INT32_MAX};
static const ms_standing NOBODY = {.least = {INFINITY, INFINITY, INT32_MAX, INT32_MAX},
                                   .next = {INFINITY, INFINITY, INT32_MAX, INT32_MAX},
                                   .until_s = INFINITY,
                                   .most_waiting = -1};

int ms_standings_init(ms_standings *self, int32_t places)
{
    *self = (ms_standings){.tree = ms_eights_of(places)};
    const int32_t nodes = ms_eights_size(&self->tree);
    self->node = ms_memory_take((size_t)nodes * sizeof *self->node);
    if (self->node == NULL) {
        return MS_ERR_MEMORY;
    }
    for (int32_t i = 0; i < nodes; i++) {
        self->node[i] = NOBODY;
    }
    return 0;
}

void ms_standings_free(ms_standings *self)
{
    ms_memory_give(self->node);
    *self = (ms_standings){0};
}

/* ---- changing ------------------------------------------------------------------------------------------- */

static double lesser(double a, double b)
{
    return b < a ? b : a;
}

static int32_t fewer(int32_t a, int32_t b)
{
    return b < a ? b : a;
}

static void lower(ms_terms *least, const ms_terms *terms)
{
    least->usage = lesser(least->usage, terms->usage);
    least->prefill = lesser(least->prefill, terms->prefill);
    least->waiting = fewer(least->waiting, terms->waiting);
    least->unfinished = fewer(least->unfinished, terms->unfinished);
}

static int is_same(const ms_standing *a, const ms_standing *b)
{
    return ms_terms_are_same(&a->least, &b->least) && ms_terms_are_same(&a->next, &b->next) && a->until_s == b->until_s &&
           a->most_waiting == b->most_waiting && a->count == b->count;
}

/* What a node knows of the eight below it. */
static ms_standing joined(const ms_standing *below)
{
    ms_standing made = NOBODY;
    for (int32_t i = 0; i < 8; i++) {
        lower(&made.least, &below[i].least);
        made.most_waiting = below[i].most_waiting > made.most_waiting ? below[i].most_waiting : made.most_waiting;
    }
    for (int32_t i = 0; i < 8; i++) {
        if (ms_terms_are_same(&below[i].least, &made.least)) {
            lower(&made.next, &below[i].next);
            made.count += below[i].count;
            made.until_s = lesser(made.until_s, below[i].until_s);
        } else {
            lower(&made.next, &below[i].least);
        }
    }
    return made;
}

/* The least of several, one of which was this and is another now. Returns whether that can be told without the others;
 * is_held: one of them is known to have the least still. */
static int follow(double *least, double was, double is, int is_held)
{
    if (is <= *least) {
        *least = is;
        return 1;
    }
    return is_held || was > *least || was == is;
}

/* The same of each term. */
static int follow_terms(ms_terms *least, const ms_terms *was, const ms_terms *is, int is_held)
{
    double waiting = least->waiting, unfinished = least->unfinished;
    const int are_told = follow(&least->usage, was->usage, is->usage, is_held) &&
                         follow(&least->prefill, was->prefill, is->prefill, is_held) &&
                         follow(&waiting, was->waiting, is->waiting, is_held) &&
                         follow(&unfinished, was->unfinished, is->unfinished, is_held);
    least->waiting = (int32_t)waiting;
    least->unfinished = (int32_t)unfinished;
    return are_told;
}

/* What a node knows once one below it is another: the other seven need not be read where nothing that only it had has gone,
 * and the least of all terms stays. Returns whether that is so. */
static int follow_one(ms_standing *self, const ms_standing *was, const ms_standing *is)
{
    const int was_least = ms_terms_are_same(&was->least, &self->least);
    const int is_least = ms_terms_are_same(&is->least, &self->least);
    const int32_t others = self->count - (was_least ? was->count : 0);
    ms_terms least = self->least;
    double until_s = self->until_s, fewest = -self->most_waiting;
    if (!follow_terms(&least, &was->least, &is->least, others > 0) || !ms_terms_are_same(&least, &self->least) ||
        !follow_terms(&self->next, was_least ? &was->next : &was->least, is_least ? &is->next : &is->least, 0) ||
        !follow(&until_s, was_least ? was->until_s : INFINITY, is_least ? is->until_s : INFINITY, 0) ||
        !follow(&fewest, -was->most_waiting, -is->most_waiting, 0)) {
        return 0;
    }
    self->until_s = until_s;
    self->most_waiting = (int32_t)-fewest;
    self->count = others + (is_least ? is->count : 0);
    return 1;
}

static void set(ms_standings *self, int32_t place, ms_standing here)
{
    int32_t i = place;
    for (int32_t level = 0; !is_same(&self->node[self->tree.first[level] + i], &here); level++) {
        const ms_standing was = self->node[self->tree.first[level] + i];
        self->node[self->tree.first[level] + i] = here;
        if (level == self->tree.top) {
            return;
        }
        i /= 8;
        ms_standing above = self->node[self->tree.first[level + 1] + i];
        here = follow_one(&above, &was, &here) ? above : joined(&self->node[self->tree.first[level] + 8 * i]);
    }
}

void ms_standings_put(ms_standings *self, int32_t place, const ms_terms *terms, double until_s)
{
    const ms_standing one = {
        .least = *terms, .next = NONE, .until_s = until_s, .count = 1, .most_waiting = terms->waiting};
    set(self, place, one);
}

void ms_standings_remove(ms_standings *self, int32_t place)
{
    set(self, place, NOBODY);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static int is_at_most(const ms_terms *a, const ms_terms *b)
{
    return a->usage <= b->usage && a->prefill <= b->prefill && a->waiting <= b->waiting && a->unfinished <= b->unfinished;
}

/* Of those with these terms below node i of a level, the ones at places before this. */
static int32_t count_below(const ms_standings *self, int32_t level, int32_t i, const ms_terms *terms, int32_t place)
{
    const ms_standing *here = &self->node[self->tree.first[level] + i];
    const int is_least = ms_terms_are_same(&here->least, terms);
    const int64_t from = (int64_t)i << 3 * level, to = (int64_t)(i + 1) << 3 * level;
    if (from >= place || !is_at_most(&here->least, terms) || (!is_least && !is_at_most(&here->next, terms))) {
        return 0;
    }
    if (to <= place && is_least) {
        return here->count;
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
