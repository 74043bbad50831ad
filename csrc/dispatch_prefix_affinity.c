/* Where the start of the prompt went before, as long as loads are alike: SGLang's cache-aware rule
 * (sgl-project/sglang@053b63ff, sgl-model-gateway/src/policies/cache_aware.rs and tree.rs).
 *
 * If the most loaded replica has more than `balance_abs` unfinished requests more than the least loaded one, and more than
 * `balance_rel` times as many, the least loaded one takes the copy. Else the router's tree of what it sent tells how much of
 * the prompt was sent where: if that is more than `cache_threshold` of it, the copy goes to the replica that has had this
 * text for longest, else to the least loaded one (older versions, and the words at the head of that file: the one with the
 * smallest tree). Every `eviction_s` what is beyond `tree_tokens` of a replica is forgotten,
 * the ends of what was sent least recently first. */
#include "dispatch_rules.h"
#include "prompt.h"

/* The most of a prompt that went to one of the choice, tokens, and to whom. */
static int32_t longest_match(const ms_choice *self, int64_t *matched)
{
    const ms_servers *servers = self->servers;
    int32_t best = -1;
    ms_part part;
    *matched = 0;
    for (int32_t i = 0; ms_prompt_part(self->job, i, &part); i++) {
        const ms_text_node *node = ms_texts_find(&servers->texts, part.id);
        int64_t reach = part.from;
        for (int32_t k = 0; node != NULL && k < node->n && reach < part.to; k++) {
            const ms_text_entry *entry = &node->entries[k];
            const int64_t end = entry->to < part.to ? entry->to : part.to;
            if (end > reach && ms_choice_has(self, servers->replica[entry->replica])) { /* not nobody */
                reach = end;
                best = servers->replica[entry->replica];
            }
        }
        *matched = reach;
        if (reach < part.to) {
            break;
        }
    }
    return best;
}

static int is_imbalanced(const ms_choice *self)
{
    const ms_dispatch_plan *plan = &self->fleet->dispatch;
    int64_t least, most;
    if (ms_choice_is_of_all(self) && self->servers->replicas > MS_SCAN_MOST) {
        least = (int64_t)ms_ties_least(&self->servers->loads);
        most = -(int64_t)ms_ties_least(&self->servers->heights);
    } else {
        least = most = ms_view_seen(self->fleet, self->up[0]);
        for (int32_t i = 1; i < self->n; i++) {
            const int64_t load = ms_view_seen(self->fleet, self->up[i]);
            least = load < least ? load : least;
            most = load > most ? load : most;
        }
    }
    return most - least > plan->balance_abs && (double)most > plan->balance_rel * (double)least;
}

static void evict(const ms_choice *self)
{
    ms_servers *servers = self->servers;
    const int64_t turns = (int64_t)(self->t_s / self->fleet->dispatch.eviction_s);
    if (turns > servers->evictions) {
        servers->evictions = turns;
        for (int32_t i = 0; i < servers->replicas; i++) {
            ms_texts_trim(&servers->texts, i, self->fleet->dispatch.tree_tokens);
        }
    }
}

static int32_t pick(const ms_choice *self)
{
    evict(self);
    if (!is_imbalanced(self)) {
        int64_t matched;
        const int32_t best = longest_match(self, &matched);
        if ((double)matched / (double)self->job->prompt_tokens > self->fleet->dispatch.cache_threshold) {
            return best;
        }
    }
    return ms_choice_least_loaded(self, 0);
}

static int sent(const ms_choice *self, int32_t replica)
{
    evict(self);
    return ms_texts_add(&self->servers->texts, self->job, self->fleet->place_of[replica]);
}

const ms_dispatch_rule ms_prefix_affinity = {.pick = pick, .sent = sent};
