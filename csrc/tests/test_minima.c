#include "minima.h"

#include <math.h>

#include "check.h"

enum { MOST = 70 };

static uint32_t state = 1;

static int32_t below(int32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (int32_t)((state >> 8) % (uint32_t)n);
}

/* The least of a term over the places below a node, by looking at all of them. */
static double least_below(const ms_terms *terms, int32_t places, const ms_minima *minima, int32_t node, int term)
{
    double least = INFINITY;
    for (int32_t place = 0; place < places; place++) {
        int32_t level = 0, at = place;
        while (minima->tree.first[level] + at < node) {
            level++;
            at /= 8;
        }
        least = minima->tree.first[level] + at == node && terms[place].of[term] < least ? terms[place].of[term] : least;
    }
    return least;
}

static void a_node_has_the_least_of_each_term_below_it(void)
{
    const ms_terms none = {{INFINITY, INFINITY, INFINITY, INFINITY}};
    const int32_t sizes[] = {1, 3, 8, 9, 64, MOST};
    for (int k = 0; k < 6; k++) {
        const int32_t places = sizes[k];
        ms_minima minima;
        ms_terms terms[MOST];
        CHECK(ms_minima_init(&minima, places) == 0 && isinf(minima.node[ms_eights_root(&minima.tree)].of[0]));
        for (int32_t i = 0; i < places; i++) {
            terms[i] = none;
        }
        for (int step = 0; step < 300; step++) {
            const int32_t place = below(places);
            const int is_up = below(5) > 0;
            terms[place] = (ms_terms){{below(3), below(4), below(50), below(9)}};
            ms_minima_set(&minima, place, is_up ? &terms[place] : NULL);
            terms[place] = is_up ? terms[place] : none;
            for (int32_t node = 0; node < ms_eights_size(&minima.tree); node++) {
                for (int term = 0; term < MS_TERMS; term++) {
                    CHECK(minima.node[node].of[term] == least_below(terms, places, &minima, node, term));
                }
            }
        }
        ms_minima_free(&minima);
        CHECK(minima.node == NULL);
    }
}

int main(void)
{
    RUN(a_node_has_the_least_of_each_term_below_it);
    return report();
}
