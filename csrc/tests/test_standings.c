#include "standings.h"

#include <math.h>
#include <string.h>

#include "check.h"

enum { MOST = 70 };

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

static int comes_before(const ms_terms *a, int32_t at_a, const ms_terms *b, int32_t at_b)
{
    for (int k = 0; k < MS_TERMS; k++) {
        if (a->of[k] != b->of[k]) {
            return a->of[k] < b->of[k];
        }
    }
    return at_a < at_b;
}

static int32_t rank_by_looking(int32_t places, const ms_terms *terms, int32_t place)
{
    int32_t rank = 0;
    for (int32_t i = 0; i < places; i++) {
        rank += is_in[i] && comes_before(&terms_at[i], i, terms, place);
    }
    return rank;
}

/* What a node knows of all below it. Returns how many they are. */
static int32_t check_below(const ms_standings *self, int32_t at)
{
    const ms_standing *here = &self->node[at];
    if (at == 0) {
        return 0;
    }
    ms_terms least = here->terms;
    double earliest_s = here->until_s;
    int is_alike = 1;
    const int32_t sides[] = {here->left, here->right};
    for (int side = 0; side < 2; side++) {
        const ms_standing *child = &self->node[sides[side]];
        if (sides[side] == 0) {
            continue;
        }
        CHECK(child->priority <= here->priority);
        CHECK(comes_before(&child->terms, sides[side], &here->terms, at) == (side == 0));
        for (int k = 0; k < MS_TERMS; k++) {
            least.of[k] = fmin(least.of[k], child->least.of[k]);
        }
        earliest_s = fmin(earliest_s, child->earliest_s);
        is_alike = is_alike && child->is_alike && ms_terms_are_same(&child->terms, &here->terms);
    }
    CHECK(ms_terms_are_same(&least, &here->least) && earliest_s == here->earliest_s && is_alike == here->is_alike);
    const int32_t size = 1 + check_below(self, here->left) + check_below(self, here->right);
    CHECK(size == here->size);
    return size;
}

static void check_reading(const ms_standings *self, int32_t places, const ms_terms *others)
{
    int32_t n = 0;
    for (int32_t i = 0; i < places; i++) {
        const int32_t rank = rank_by_looking(places, &terms_at[i], i);
        if (is_in[i]) {
            CHECK(ms_standings_rank(self, &terms_at[i], i) == rank && ms_standings_at(self, rank) == i);
        }
        n += is_in[i];
    }
    CHECK(check_below(self, self->root) == n);
    CHECK(ms_standings_rank(self, others, -1) == rank_by_looking(places, others, -1));
    if (n > 0) {
        const int32_t last = ms_standings_at(self, n - 1);
        CHECK(ms_terms_are_same(ms_standings_last(self), &terms_at[last]));
    }
}

/* With `kinds` values of each term: many are alike, or few. */
static void places_stand_in_order_of_their_terms(void)
{
    for (int32_t places = 1; places <= MOST; places += 3) {
        const int32_t kinds = 1 + places % 4;
        ms_standings standings;
        CHECK(ms_standings_init(&standings, places) == 0);
        memset(is_in, 0, sizeof is_in);
        for (int turn = 0; turn < 400; turn++) {
            const int32_t place = below(places);
            ms_terms terms = {{below(kinds), below(kinds), 0.0, below(kinds) / 8.0}};
            if (below(4) == 0) {
                ms_standings_remove(&standings, place);
                is_in[place] = 0;
            } else {
                until_at[place] = below(3) == 0 ? (double)below(5) : INFINITY;
                terms_at[place] = terms;
                is_in[place] = 1;
                ms_standings_put(&standings, place, &terms, until_at[place]);
            }
            CHECK(standings.node[place + 1].is_in == is_in[place]);
            CHECK(!is_in[place] || standings.node[place + 1].until_s == until_at[place]);
            check_reading(&standings, places, &terms);
        }
        ms_standings_free(&standings);
        CHECK(standings.node == NULL);
    }
}

static int32_t depth_below(const ms_standings *self, int32_t at)
{
    if (at == 0) {
        return 0;
    }
    const int32_t left = depth_below(self, self->node[at].left), right = depth_below(self, self->node[at].right);
    return 1 + (left > right ? left : right);
}

/* Whether all are alike or each differs, in order or against it: no more than three times as deep as at best. */
static void a_tree_of_many_is_not_deep(void)
{
    enum { PLACES = 16384 };
    for (int k = 0; k < 3; k++) {
        ms_standings standings;
        CHECK(ms_standings_init(&standings, PLACES) == 0);
        for (int32_t i = 0; i < PLACES; i++) {
            const ms_terms terms = {{0.0, 0.0, 0.0, k == 0 ? 0.0 : k == 1 ? i : -i}};
            ms_standings_put(&standings, i, &terms, INFINITY);
        }
        CHECK(standings.node[standings.root].size == PLACES && standings.node[standings.root].is_alike == (k == 0));
        CHECK(depth_below(&standings, standings.root) < 3 * 14);
        ms_standings_free(&standings);
    }
}

int main(void)
{
    RUN(places_stand_in_order_of_their_terms);
    RUN(a_tree_of_many_is_not_deep);
    return report();
}
