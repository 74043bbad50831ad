#include "check.h"
#include "players.h"
#include "ties.h"

static uint32_t state = 1;

static int32_t below(int32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (int32_t)((state >> 8) % (uint32_t)n);
}

static void ties_against_looking_at_all(void)
{
    enum { MOST = 600 };
    for (int32_t players = 1; players <= MOST; players += players < 70 ? 1 : 265) {
        ms_ties ties;
        double values[MOST];
        CHECK(ms_ties_init(&ties, players) == 0);
        CHECK(ms_ties_least(&ties) == INFINITY);
        for (int32_t i = 0; i < players; i++) {
            values[i] = INFINITY;
        }
        for (int turn = 0; turn < 300; turn++) {
            const int32_t player = below(players);
            values[player] = below(5) == 0 ? INFINITY : (double)below(players < 100 ? 4 : 40);
            if (turn % 50 == 0) {
                ms_ties_fill(&ties, values);
            } else {
                ms_ties_set(&ties, player, values[player]);
            }
            double least = INFINITY;
            for (int32_t i = 0; i < players; i++) {
                least = values[i] < least ? values[i] : least;
            }
            int32_t k = 0;
            for (int32_t i = 0; i < players; i++) {
                CHECK(ms_ties_rank(&ties, i) == k);
                if (values[i] == least) {
                    CHECK(ms_ties_pick(&ties, k++) == i);
                }
            }
            int32_t who[MOST], n = 0;
            const double level = (double)below(6);
            const int32_t lower = ms_ties_below(&ties, level, who);
            for (int32_t i = 0; i < players; i++) {
                CHECK(values[i] >= level || (n < lower && who[n] == i));
                n += values[i] < level;
            }
            CHECK(lower == n);
            CHECK(ms_ties_least(&ties) == least && (least == INFINITY || ms_ties_count(&ties) == k));
            CHECK(value_of(&ties, player) == values[player]);
        }
        ms_ties_free(&ties);
    }
}

/* A mark in the root stays, unless something changes below it all the way. */
static void what_changes_nothing_above_goes_no_further(void)
{
    const double mark = -12345.0;
    ms_ties ties;
    const double values[16] = {1.0, 1.0, 5.0, 6.0, 1.0, 1.0, 5.0, 5.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0};
    CHECK(ms_ties_init(&ties, 16) == 0);
    const int32_t root = ms_eights_root(&ties.tree);
    ms_ties_fill(&ties, values);
    ties.values[root] = mark;
    ms_ties_set(&ties, 3, 7.0); /* beside a 5 */
    CHECK(ties.values[root] == mark && value_of(&ties, 3) == 7.0);
    ms_ties_set(&ties, 3, 7.0);
    CHECK(ties.values[root] == mark);
    ms_ties_set(&ties, 4, 2.0); /* one 1 less */
    CHECK(ties.values[root] == 1.0 && ms_ties_count(&ties) == 4);
    ms_ties_free(&ties);
    CHECK(ties.values == NULL && ties.counts == NULL);
}

int main(void)
{
    RUN(ties_against_looking_at_all);
    RUN(what_changes_nothing_above_goes_no_further);
    return report();
}
