#include "standings.h"

#include <math.h>
#include <string.h>

#include "check.h"

enum { MOST = 80, WITHOUT_PREFILL = 1 << MS_TERM_WAITING | 1 << MS_TERM_UNFINISHED | 1 << MS_TERM_USAGE,
       OF_TOKENS = 1 << MS_TERM_PREFILL | 1 << MS_TERM_USAGE };

static uint32_t state = 1;

static int32_t below(int32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (int32_t)((state >> 8) % (uint32_t)n);
}

/* What is in the tree, in the plainest way. */
static ms_terms terms_at[MOST];
static double until_at[MOST];
static int is_in[MOST];

static int32_t before_by_looking(const ms_terms *terms, int32_t place)
{
    int32_t n = 0;
    for (int32_t i = 0; i < place; i++) {
        n += is_in[i] && ms_terms_are_same(&terms_at[i], terms);
    }
    return n;
}

static void lower(ms_terms *least, const ms_terms *terms)
{
    for (int k = 0; k < MS_TERMS; k++) {
        least->of[k] = fmin(least->of[k], terms->of[k]);
    }
}

/* All from one place to another: what their node has to know. `next` is the least of the others'. */
static void check_node(const ms_standings *self, uint32_t columns, int32_t at, int32_t from, int32_t to)
{
    const ms_terms its_least = ms_standings_least(self, at), its_next = ms_standings_next(self, at);
    ms_terms least, next;
    double until_s = INFINITY, most = -INFINITY;
    int32_t count = 0;
    for (int k = 0; k < MS_TERMS; k++) {
        least.of[k] = next.of[k] = columns >> k & 1 ? INFINITY : 0.0;
    }
    for (int32_t i = from; i < to; i++) {
        if (is_in[i]) {
            lower(&least, &terms_at[i]);
            most = fmax(most, terms_at[i].of[MS_TERM_WAITING]);
        }
    }
    for (int32_t i = from; i < to; i++) {
        const int is_least = is_in[i] && ms_terms_are_same(&terms_at[i], &least);
        if (is_in[i] && !is_least) {
            lower(&next, &terms_at[i]);
        }
        count += is_least;
        until_s = is_least ? fmin(until_s, until_at[i]) : until_s;
    }
    CHECK(ms_terms_are_same(&its_least, &least) && ms_terms_are_same(&its_next, &next));
    CHECK(self->count[at] == count && self->until_s[at] == until_s);
    CHECK(self->most[at] == most || (columns & 1 << MS_TERM_WAITING) == 0);
    CHECK(ms_terms_are_nobodys(&its_next) == (next.of[MS_TERM_USAGE] == INFINITY));
}

static void check_all(const ms_standings *self, uint32_t columns, int32_t places, const ms_terms *others)
{
    for (int32_t level = 0; level <= self->tree.top; level++) {
        const int32_t span = 1 << 3 * level;
        for (int32_t i = 0; i * span < places; i++) {
            const int32_t to = (i + 1) * span < places ? (i + 1) * span : places;
            check_node(self, columns, self->tree.first[level] + i, i * span, to);
        }
    }
    for (int32_t i = 0; i < places; i++) {
        const int32_t rank = before_by_looking(&terms_at[i], i);
        CHECK(!is_in[i] || ms_standings_before(self, &terms_at[i], i) == rank);
        CHECK(!is_in[i] || ms_standings_at(self, &terms_at[i], rank) == i);
        CHECK(ms_standings_before(self, others, i) == before_by_looking(others, i));
    }
    check_node(self, columns, ms_eights_root(&self->tree), 0, places);
}

/* With `kinds` values of each term: many are alike, or few. */
static void check_trees(uint32_t columns, int32_t apart)
{
    for (int32_t places = 1; places <= MOST; places += apart) {
        const int32_t kinds = 1 + places % 4;
        ms_standings standings;
        CHECK(ms_standings_init(&standings, places, columns) == 0);
        memset(is_in, 0, sizeof is_in);
        for (int turn = 0; turn < 300; turn++) {
            const int32_t place = below(places);
            ms_terms terms = {{below(kinds), below(kinds), below(kinds), below(kinds) / 8.0}};
            for (int k = 0; k < MS_TERMS; k++) {
                terms.of[k] *= columns >> k & 1;
            }
            if (below(4) == 0) {
                ms_standings_remove(&standings, place);
                is_in[place] = 0;
            } else {
                until_at[place] = below(3) == 0 ? (double)below(5) : INFINITY;
                terms_at[place] = terms;
                is_in[place] = 1;
                ms_standings_put(&standings, place, &terms, until_at[place]);
            }
            check_all(&standings, columns, places, &terms);
        }
        ms_standings_free(&standings);
        CHECK(standings.until_s == NULL);
    }
}

static void a_node_knows_of_all_below_it(void)
{
    check_trees(WITHOUT_PREFILL, 3);
    check_trees(OF_TOKENS, 9);
}

/* What stands may stand where it is not known any more, and nothing has fallen since. */
static void what_has_only_risen_is_bound(void)
{
    const ms_terms terms = {{2.0, 3.0, 40.0, 0.5}};
    ms_standings standings;
    CHECK(ms_standings_init(&standings, 9, 15) == 0);
    ms_standings_put(&standings, 8, &terms, 5.0);
    CHECK(ms_standings_bound(&standings, 8, &terms, 5.5) && !ms_standings_bound(&standings, 8, &terms, 5.0));
    for (int k = 0; k < MS_TERMS; k++) {
        ms_terms more = terms, less = terms;
        more.of[k] += 0.25;
        less.of[k] -= 0.25;
        CHECK(ms_standings_bound(&standings, 8, &more, 5.5) == (k != MS_TERM_WAITING));
        CHECK(!ms_standings_bound(&standings, 8, &less, 5.5));
    }
    ms_standings_remove(&standings, 8);
    CHECK(!ms_standings_bound(&standings, 8, &terms, 5.5));
    ms_standings_free(&standings);
}

int main(void)
{
    RUN(a_node_knows_of_all_below_it);
    RUN(what_has_only_risen_is_bound);
    return report();
}
