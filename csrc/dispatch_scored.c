/* The best weighted sum of scores: llm-d's router (llm-d/llm-d-router@ebab6879; pkg/epp/config/loader/defaults.go for the
 * weights, pkg/epp/framework/plugins for the rest). Of equals any one.
 *
 *     queue       (most - q) / (most - least), q the waiting requests of the engine; 1 if all are alike
 *     kv_cache    1 - share of the memory that the batch holds
 *     load        (1 - min(q, 128) / 128) / 2
 *     prefix      share of the prompt's blocks that the router has sent there, by a list of blocks of its own
 *     token_load  1 - min(1, tokens / 4,194,304), tokens those whose prefill is to come there, the new ones included
 *     session     1 where the session was sent last, within the time that `session` remembers it; else 0
 *     active      1 with at most `idle_requests` unfinished ones, else most_busy_score (most - n) / most; known at once
 *     no_hit_lru  0.5; where nobody was sent any of the prompt, from 1 down to 0 by place in a row: first who never got such
 *                 a request, in order, then the others, who got one longest ago first
 *
 * "Sticky until saturated": of those to whom at least `affinity` of the prompt was sent, if there are any, unless the least
 * of their prefills to come takes more than `most_penalty_s` longer, at `peak_prefill` tokens a second, than the least of
 * all others'.
 *
 * Of many replicas an index is kept (scored_index.c). */
#include <math.h>

#include "accounts.h"
#include "dispatch_rules.h"
#include "early.h"
#include "error.h"
#include "expect.h"
#include "prompt.h"
#include "scored_index.h"
#include "scores.h"

enum { UNKNOWN_BLOCKS = 31250 };

static const int64_t MS_UNLIMITED_TOKENS = (int64_t)1 << 31; /* of a replica of whose memory nothing is said */

/* ---- blocks of the prompt that the router has sent where ------------------------------------------------ */

/* How far from `from` on there is somebody who has each unit. */
static int64_t reach_of(const ms_text_node *node, int64_t from, int64_t to)
{
    int64_t reach = from, before = from - 1;
    while (reach < to && reach > before) {
        before = reach;
        for (int32_t k = 0; k < node->n && reach < to; k++) {
            const ms_text_entry *entry = &node->entries[k];
            reach = entry->from <= reach && entry->to > reach ? entry->to : reach;
        }
    }
    return reach < to ? reach : to;
}

/* Blocks of the prompt by replica into `matched`, and who has any into `matches`; returns how many they are. */
static int32_t match(const ms_choice *self, int64_t *total)
{
    ms_fleet *fleet = self->fleet;
    const ms_texts *texts = &self->servers->texts;
    int32_t n = 0;
    ms_part part;
    int is_over = 0;
    *total = 0;
    for (int32_t i = 0; ms_prompt_part(self->job, i, &part); i++) {
        const int64_t from = ms_texts_units(texts, part.from), to = ms_texts_units(texts, part.to);
        *total = to;
        if (from == to || is_over) {
            continue;
        }
        const ms_text_node *node = ms_texts_find(texts, part.id);
        const int64_t reach = node != NULL ? reach_of(node, from, to) : from;
        for (int32_t k = 0; reach > from && k < node->n; k++) {
            const ms_text_entry *entry = &node->entries[k];
            const int64_t first = entry->from > from ? entry->from : from, last = entry->to < reach ? entry->to : reach;
            if (last > first) { /* not of nobody's */
                const int32_t replica = self->servers->replica[entry->replica];
                fleet->matches[n] = replica;
                n += fleet->matched[replica] == 0;
                fleet->matched[replica] += last - first;
            }
        }
        is_over = reach < to;
    }
    return n;
}

/* Blocks of the prompt that it has sent to one. */
static int64_t matched_at(const ms_choice *self, int32_t place)
{
    const ms_texts *texts = &self->servers->texts;
    int64_t matched = 0;
    ms_part part;
    for (int32_t i = 0; ms_prompt_part(self->job, i, &part); i++) {
        const int64_t from = ms_texts_units(texts, part.from), to = ms_texts_units(texts, part.to);
        if (from == to) {
            continue;
        }
        const ms_text_node *node = ms_texts_find(texts, part.id);
        const int64_t reach = node != NULL ? reach_of(node, from, to) : from;
        const ms_text_entry *entry = reach > from ? ms_texts_find_at(texts, node, place) : NULL;
        if (entry != NULL) {
            const int64_t first = entry->from > from ? entry->from : from, last = entry->to < reach ? entry->to : reach;
            matched += last > first ? last - first : 0;
        }
        if (reach < to) {
            break;
        }
    }
    return matched;
}

static void forget_matches(const ms_choice *self, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        self->fleet->matched[self->fleet->matches[i]] = 0;
    }
}

/* ---- sticky until saturated ----------------------------------------------------------------------------- */

static int is_sticky(const ms_choice *self, int32_t replica, int64_t total)
{
    return (double)self->fleet->matched[replica] / (double)total >= self->fleet->dispatch.affinity;
}

/* Puts those that are left into the scratch list; returns how many, all where stickiness is of no use. */
static int32_t narrow(const ms_choice *self, int64_t total)
{
    const ms_dispatch_plan *plan = &self->fleet->dispatch;
    double least_s[2] = {INFINITY, INFINITY};
    int32_t n = 0;
    for (int32_t i = 0; i < self->n && total > 0; i++) {
        const int sticky = is_sticky(self, self->up[i], total);
        const double time_s = (double)self->fleet->prefill_tokens[self->up[i]] / plan->peak_prefill;
        least_s[sticky] = time_s < least_s[sticky] ? time_s : least_s[sticky];
        n += sticky;
    }
    if (n == 0 || n == self->n || (plan->most_penalty_s > 0.0 && least_s[1] - least_s[0] > plan->most_penalty_s)) {
        return self->n;
    }
    n = 0;
    for (int32_t i = 0; i < self->n; i++) {
        if (is_sticky(self, self->up[i], total)) {
            self->fleet->sticky[n++] = self->up[i];
        }
    }
    return n;
}

/* ---- picking -------------------------------------------------------------------------------------------- */

static int32_t best_of(const ms_choice *self, int32_t matched, int64_t total)
{
    const ms_range queue = ms_score_range(self);
    ms_known known = ms_score_known(self, matched);
    for (int32_t i = 0; i < self->n; i++) {
        const double score = ms_score_of_engine(self, self->up[i], queue) + ms_score_of_prompt(self, self->up[i], total);
        self->fleet->costs[i] = -(score + ms_score_of_router(self, self->up[i], &known));
    }
    return ms_choice_cheapest(self, self->up, self->fleet->costs, self->n);
}

static int32_t scan(const ms_choice *self, int32_t matched, int64_t total)
{
    ms_choice left = *self;
    if (self->fleet->dispatch.is_sticky) {
        left.n = narrow(self, total);
        left.up = left.n < self->n ? self->fleet->sticky : self->up;
    }
    return best_of(&left, matched, total);
}

/* ---- among many ------------------------------------------------------------------------------------------ */

/* Puts those to whom enough of the prompt was sent into the sticky list; returns how many, 0 where that is of no use. */
static int32_t narrow_matched(const ms_choice *self, int32_t matched, int64_t total)
{
    ms_fleet *fleet = self->fleet;
    ms_ties *prefills = &self->servers->prefills;
    int32_t n = 0;
    int64_t least = INT64_MAX;
    for (int32_t i = 0; i < matched; i++) {
        const int32_t replica = fleet->matches[i];
        if (ms_choice_has(self, replica) && is_sticky(self, replica, total)) {
            int32_t at = n++;
            for (; at > 0 && fleet->place_of[fleet->sticky[at - 1]] > fleet->place_of[replica]; at--) {
                fleet->sticky[at] = fleet->sticky[at - 1];
            }
            fleet->sticky[at] = replica;
            least = fleet->prefill_tokens[replica] < least ? fleet->prefill_tokens[replica] : least;
        }
    }
    if (n == 0 || n == self->n) {
        return 0;
    }
    for (int32_t i = 0; i < n; i++) {
        ms_ties_set(prefills, fleet->place_of[fleet->sticky[i]], INFINITY);
    }
    const double elsewhere_s = ms_ties_least(prefills) / fleet->dispatch.peak_prefill;
    for (int32_t i = 0; i < n; i++) {
        ms_ties_set(prefills, fleet->place_of[fleet->sticky[i]], (double)fleet->prefill_tokens[fleet->sticky[i]]);
    }
    const double penalty_s = (double)least / fleet->dispatch.peak_prefill - elsewhere_s;
    return fleet->dispatch.most_penalty_s > 0.0 && penalty_s > fleet->dispatch.most_penalty_s ? 0 : n;
}

static int32_t among_many(const ms_choice *self, int32_t n, int64_t total)
{
    const int32_t sticky = self->fleet->dispatch.is_sticky ? narrow_matched(self, n, total) : 0;
    if (sticky > 0) {
        ms_choice left = *self;
        left.n = sticky;
        left.up = self->fleet->sticky;
        return best_of(&left, n, total);
    }
    const int32_t replica = ms_scored_index_best(self, n, total);
    return replica >= 0 ? replica : scan(self, n, total);
}

static int32_t pick(const ms_choice *self)
{
    int64_t total;
    if (self->fleet->replicas > MS_SMALL_FLEET) {
        ms_texts_expect(&self->servers->texts, self->job);
    }
    const int32_t n = match(self, &total);
    const int32_t replica = ms_scored_index_is_kept(self) ? among_many(self, n, total) : scan(self, n, total);
    forget_matches(self, n);
    return replica;
}

/* Blocks that the replica's memory has, in as many as which the router keeps in mind what it sent there. */
static int64_t most_units(const ms_choice *self, int32_t replica)
{
    const ms_limits *limits = &ms_pool_of(self->fleet, replica)->plan.limits;
    const int64_t block = limits->kv_block_tokens > 1 ? limits->kv_block_tokens : 1;
    const int64_t configured = self->fleet->dispatch.index_blocks;
    const int is_known = limits->kv_capacity_tokens < MS_UNLIMITED_TOKENS;
    return configured > 0 ? configured : is_known ? limits->kv_capacity_tokens / block : UNKNOWN_BLOCKS;
}

/* What it is charged with afterwards takes it out of `nevers` (view.c). */
static void note_cold(const ms_choice *self, int32_t place)
{
    ms_servers *servers = self->servers;
    ms_cold *cold = &servers->cold;
    const int32_t dropped = cold->position[place] < 0 && cold->length == cold->most ? cold->oldest : -1;
    ms_cold_touch(cold, place);
    if (dropped >= 0) {
        ms_ties_set(&servers->nevers, dropped, self->fleet->failures[servers->replica[dropped]] == 0 ? 0.0 : INFINITY);
    }
}

static int is_cold(const ms_choice *self)
{
    int64_t total;
    const int32_t n = match(self, &total);
    const int nobody_has_any = ms_score_is_cold(self, n);
    forget_matches(self, n);
    return nobody_has_any;
}

static int sent(const ms_choice *self, int32_t replica)
{
    const int32_t place = self->fleet->place_of[replica];
    ms_early(&self->servers->texts.list[place]);
    const int64_t there = matched_at(self, place) * self->servers->texts.unit_tokens;
    if (self->fleet->dispatch.weights.no_hit_lru > 0.0 && is_cold(self)) {
        note_cold(self, place);
    }
    if (self->fleet->dispatch.weights.session > 0.0 && self->job->session >= 0) {
        MS_TRY(ms_bindings_bind(&self->servers->sessions, self->job->session, replica, self->t_s));
    }
    ms_accounts_charge(self->fleet, self->job, replica, self->job->prompt_tokens - there);
    MS_TRY(ms_texts_add(&self->servers->texts, self->job, place));
    ms_texts_trim(&self->servers->texts, place, most_units(self, replica));
    return 0;
}

const ms_dispatch_rule ms_scored = {.pick = pick, .sent = sent};
