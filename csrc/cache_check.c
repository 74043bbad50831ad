#include "cache_check.h"

#include "cache_state.h"
#include "error.h"

/* Adds what a node has to the totals of a cache; returns whether it follows from its uses and stretches. */
static int add_node(const ms_node *node, ms_cache *sum)
{
    int64_t held = node->first, uses = 0;
    for (const ms_hold *hold = node->holds; hold != NULL; hold = hold->next) {
        held = hold->to > held ? hold->to : held;
        uses += hold->to - node->first;
    }
    int64_t present = held;
    int follows = node->held == held;
    for (const ms_cache_stretch *s = node->shallowest; s != NULL; s = s->deeper) {
        follows = follows && s->first == present && s->to > s->first;
        present = s->to;
    }
    sum->nodes++;
    sum->twice += uses - (held - node->first);
    sum->cached += present - held;
    return follows && node->present == present;
}

int ms_cache_check(const ms_cache *self)
{
    ms_cache sum = {0};
    int adds_up = 1;
    for (int64_t i = 0; i < self->buckets; i++) {
        for (const ms_node *node = self->bucket[i]; node != NULL; node = node->next) {
            adds_up = add_node(node, &sum) && adds_up;
        }
    }
    adds_up = adds_up && sum.nodes == self->nodes && sum.twice == self->twice && sum.cached == self->cached;
    return adds_up ? 0 : MS_ERR_BLOCKS;
}
