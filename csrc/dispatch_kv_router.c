/* Where the least is to be computed and held: the cost of NVIDIA Dynamo's KV router (ai-dynamo/dynamo@07a6c9ce,
 * lib/kv-router/src/scheduling/selector/default.rs), in tokens instead of blocks.
 *
 * With n the prompt's tokens, p those whose prefill is still to come at a replica and c those of the prompt that its prefix
 * cache holds, the copy goes where
 *
 *     prefill_load_scale * max(0, p + n - overlap_credit * c) + held
 *
 * is least, to any one of equals; held are the tokens, in whole blocks, of all prompts there whose answers are not complete.
 * The router keeps account of p and held by itself; what caches hold it has from the last look at them, where they are polled.
 * Its terms for caches beyond the GPU, and for a temperature, are left out; a block that several hold counts for each. */
#include <stddef.h>

#include "accounts.h"
#include "dispatch_rules.h"

/* The cost of a replica beyond what the new prompt costs everywhere. */
static double cost_of(const ms_choice *self, int32_t replica, int64_t cached)
{
    const ms_dispatch_plan *plan = &self->fleet->dispatch;
    const double saved = plan->prefill_load_scale * plan->overlap_credit * (double)cached;
    const double most = plan->prefill_load_scale * (double)(self->fleet->prefill_tokens[replica] + self->job->prompt_tokens);
    return ms_view_account(self->fleet, replica) - (saved < most ? saved : most);
}

static int32_t scan(const ms_choice *self)
{
    for (int32_t i = 0; i < self->n; i++) {
        self->fleet->costs[i] = cost_of(self, self->up[i], ms_choice_cached(self, self->up[i]));
    }
    return ms_choice_cheapest(self, self->up, self->fleet->costs, self->n);
}

/* The best of those that hold something of the prompt goes before the best of all, unless that costs less. */
static int32_t by_index(const ms_choice *self)
{
    ms_fleet *fleet = self->fleet;
    const ms_servers *servers = self->servers;
    const ms_text_node *node = ms_choice_holders(self);
    const double least = ms_ties_least(&servers->loads);
    int32_t n = 0, equal = 0;
    double best = least;
    for (int32_t k = 0; node != NULL && k < node->n; k++) {
        if (node->entries[k].replica < 0) {
            continue;
        }
        const int32_t replica = servers->replica[node->entries[k].replica];
        const int64_t cached = fleet->failures[replica] == 0 ? ms_choice_cached(self, replica) : 0;
        if (cached > 0) {
            fleet->scratch[n] = replica;
            fleet->costs[n] = cost_of(self, replica, cached);
            best = fleet->costs[n] < best ? fleet->costs[n] : best;
            equal += fleet->costs[n] == least;
            n++;
        }
    }
    if (best < least) {
        return ms_choice_cheapest(self, fleet->scratch, fleet->costs, n);
    }
    if (equal > 0) {
        return scan(self);
    }
    return servers->replica[ms_ties_pick(&servers->loads, ms_choice_draw(self, 0, ms_ties_count(&servers->loads)))];
}

/* Pools whose blocks differ have no first block in common: then all are looked at. */
static int32_t pick(const ms_choice *self)
{
    const int is_indexed = ms_choice_is_of_all(self) && self->servers->replicas > MS_SCAN_MOST &&
                           self->servers->block_tokens > 0;
    return is_indexed ? by_index(self) : scan(self);
}

static int sent(const ms_choice *self, int32_t replica)
{
    const int64_t cached = ms_choice_cached(self, replica);
    ms_accounts_charge(self->fleet, self->job, replica, self->job->prompt_tokens - cached);
    return 0;
}

const ms_dispatch_rule ms_kv_router = {.pick = pick, .sent = sent};
