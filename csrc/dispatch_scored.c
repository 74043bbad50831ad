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
 * Of many replicas an index is kept, as long as engines are polled and not looked at for each request, and token_load stands
 * alone or with prefix and session. */
#include <math.h>

#include "accounts.h"
#include "dispatch_rules.h"
#include "error.h"
#include "prompt.h"
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
        for (const ms_text *text = node->first; text != NULL; text = text->next) {
            reach = text->from <= reach && text->to > reach ? text->to : reach;
        }
    }
    return reach < to ? reach : to;
}

/* Blocks of the prompt by replica into `matched`, and who has any into `scratch`; returns how many they are. */
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
        const ms_text_node *node = ms_texts_find(texts, part.id);
        *total = to;
        if (from == to || is_over) {
            continue;
        }
        const int64_t reach = node != NULL ? reach_of(node, from, to) : from;
        for (const ms_text *text = reach > from ? node->first : NULL; text != NULL; text = text->next) {
            const int32_t replica = self->servers->replica[text->replica];
            const int64_t first = text->from > from ? text->from : from, last = text->to < reach ? text->to : reach;
            if (last > first) {
                fleet->matches[n] = replica;
                n += fleet->matched[replica] == 0;
                fleet->matched[replica] += last - first;
            }
        }
        is_over = reach < to;
    }
    return n;
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

/* ---- among many ------------------------------------------------------------------------------------------ *
 *
 * What engines tell changes with a look only: until then all are ranked by it, as who was sent nothing of the prompt is, and
 * only who was sent some of it is looked at. */

static double unmatched(const ms_choice *self, int32_t place)
{
    const ms_servers *servers = self->servers;
    const int32_t replica = servers->replica[place];
    ms_known known = {.bound = -1, .most = servers->busiest};
    if (self->fleet->failures[replica] > 0) {
        return INFINITY;
    }
    const double score = ms_score_of_engine(self, replica, (ms_range){servers->least_waiting, servers->most_waiting});
    return -(score + ms_score_of_router(self, replica, &known));
}

static void rank(const ms_choice *self)
{
    ms_servers *servers = self->servers;
    const ms_range queue = ms_score_range(self);
    servers->least_waiting = queue.least;
    servers->most_waiting = queue.most;
    for (int32_t place = 0; place < servers->replicas; place++) {
        self->fleet->costs[place] = unmatched(self, place);
    }
    ms_ties_fill(&servers->loads, self->fleet->costs);
    servers->is_ranked = 1;
}

static void update(const ms_choice *self)
{
    ms_servers *servers = self->servers;
    const int is_active = self->fleet->dispatch.weights.active > 0.0;
    const int64_t busiest = is_active ? (int64_t)-ms_ties_least(&servers->heights) : 0;
    const int is_ranked = servers->is_ranked && busiest == servers->busiest;
    servers->busiest = busiest;
    for (int32_t i = 0; i < servers->n_stale; i++) {
        servers->is_stale[servers->stale[i]] = 0;
        if (is_ranked) {
            ms_ties_set(&servers->loads, servers->stale[i], unmatched(self, servers->stale[i]));
        }
    }
    servers->n_stale = 0;
    if (!is_ranked) {
        rank(self);
    }
}

/* The best of those in `matches` and where the session is, and of all others, who cost `least` each by that tree. */
static int32_t best_with(const ms_choice *self, int32_t n, int64_t total, const ms_ties *others, double least, ms_known *known)
{
    ms_fleet *fleet = self->fleet;
    const ms_servers *servers = self->servers;
    const ms_range queue = {servers->least_waiting, servers->most_waiting};
    const int32_t matched = n;
    double best = INFINITY;
    if (known->bound >= 0 && fleet->matched[known->bound] == 0) {
        fleet->matches[n++] = known->bound;
    }
    for (int32_t i = 0; i < n; i++) {
        const int32_t replica = fleet->matches[i];
        fleet->costs[i] = INFINITY;
        if (fleet->failures[replica] == 0) {
            const double score = ms_score_of_engine(self, replica, queue) + ms_score_of_prompt(self, replica, total);
            fleet->costs[i] = -(score + ms_score_of_router(self, replica, known));
        }
        best = fleet->costs[i] < best ? fleet->costs[i] : best;
    }
    if (best < least) {
        return ms_choice_cheapest(self, fleet->matches, fleet->costs, n);
    }
    if (best == least) {
        return scan(self, matched, total);
    }
    return servers->replica[ms_ties_pick(others, ms_choice_draw(self, 0, ms_ties_count(others)))];
}

/* Who got no such request comes first, in order, so that whoever stands further right, or was asked later, has less. */
typedef struct ms_coldest {
    const ms_choice *choice;
    ms_known known;
    double best;
    int32_t n; /* as good as that, in `matches` */
} ms_coldest;

enum { COLD_PARTS_MOST = 64 };

/* More than sums in another order differ by. */
static const double ROUNDING = 1e-9;

/* The least that one of this rank can cost, if one of those without a rank costs so much. */
static double cold_at_least(const ms_coldest *self, double cost, int32_t rank)
{
    const double score = 1.0 - (double)rank / (double)(self->choice->n - 1);
    return cost - self->choice->fleet->dispatch.weights.no_hit_lru * ((score > 0.0 ? score : 0.0) - 0.5) - ROUNDING;
}

static void weigh(ms_coldest *self, int32_t place, int32_t rank)
{
    const ms_choice *choice = self->choice;
    const ms_servers *servers = choice->servers;
    const int32_t replica = servers->replica[place];
    self->known.passed = rank;
    const double score = ms_score_of_engine(choice, replica, (ms_range){servers->least_waiting, servers->most_waiting});
    const double cost = -(score + ms_score_of_router(choice, replica, &self->known));
    if (cost < self->best) {
        self->best = cost;
        self->n = 0;
    }
    if (cost == self->best) {
        choice->fleet->matches[self->n++] = replica;
    }
}

static void weigh_nevers(ms_coldest *self)
{
    const ms_ties *nevers = &self->choice->servers->nevers, *loads = &self->choice->servers->loads;
    int32_t nodes[COLD_PARTS_MOST] = {1}, ranks[COLD_PARTS_MOST] = {0}, n = 1;
    while (n > 0) {
        const int32_t node = nodes[--n], rank = ranks[n], left = 2 * node;
        if (nevers->values[node] > 0.0 || cold_at_least(self, loads->values[node], rank) > self->best) {
            continue;
        }
        if (node >= nevers->leaves) {
            weigh(self, node - nevers->leaves, rank);
            continue;
        }
        nodes[n] = left + 1;
        ranks[n++] = rank + (nevers->values[left] > 0.0 ? 0 : nevers->counts[left]);
        nodes[n] = left;
        ranks[n++] = rank;
    }
}

static int32_t coldest(const ms_choice *self, const ms_known *known)
{
    const ms_servers *servers = self->servers;
    ms_cold *cold = &self->servers->cold;
    const double least = ms_ties_least(&servers->loads);
    int32_t k = 0;
    ms_coldest search = {.choice = self, .known = *known, .best = INFINITY};
    search.known.never = ms_ties_least(&servers->nevers) > 0.0 ? 0 : ms_ties_count(&servers->nevers);
    weigh_nevers(&search);
    for (int32_t place = cold->oldest; place >= 0; place = cold->next[place]) {
        if (cold_at_least(&search, least, search.known.never + k) > search.best) {
            break; /* the others need no number */
        }
        cold->position[place] = k++;
        if (self->fleet->failures[servers->replica[place]] == 0) {
            weigh(&search, place, 0);
        }
    }
    for (int32_t i = 0; i < search.n; i++) {
        self->fleet->costs[i] = search.best;
    }
    return ms_choice_cheapest(self, self->fleet->matches, self->fleet->costs, search.n);
}

static int32_t by_index(const ms_choice *self, int32_t n, int64_t total)
{
    update(self);
    const ms_ties *others = &self->servers->loads;
    ms_known known = {.bound = ms_score_bound(self), .most = self->servers->busiest};
    known.is_cold = self->fleet->dispatch.weights.no_hit_lru > 0.0 && ms_score_is_cold(self, n);
    if (!known.is_cold) {
        return best_with(self, n, total, others, ms_ties_least(others), &known);
    }
    return n == 0 && known.bound < 0 ? coldest(self, &known) : scan(self, n, total);
}

/* Where engines are not asked, by the prompt tokens that are to come alone. */
static int32_t by_prefills(const ms_choice *self, int32_t n, int64_t total)
{
    const ms_dispatch_plan *plan = &self->fleet->dispatch;
    const ms_ties *others = &self->servers->prefills;
    ms_known known = {.bound = ms_score_bound(self)};
    double costs[2];
    for (int32_t k = 0; k < 2; k++) {
        const double tokens = ms_ties_least(others) + (double)k + (double)self->job->prompt_tokens;
        costs[k] = -(plan->weights.token_load * (1.0 - (tokens < plan->most_load_tokens ? tokens / plan->most_load_tokens : 1.0)));
    }
    if (costs[0] == costs[1]) {
        return scan(self, n, total); /* others may cost as much that have more to come */
    }
    return best_with(self, n, total, others, costs[0], &known);
}

/* Puts those to whom enough of the prompt was sent into the sticky list; returns how many, 0 where that is of no use. */
static int32_t narrow_matched(const ms_choice *self, int32_t matched, int64_t total)
{
    ms_fleet *fleet = self->fleet;
    ms_ties *prefills = &self->servers->prefills;
    int32_t n = 0;
    int64_t least = INT64_MAX;
    for (int32_t i = 0; i < matched && total > 0; i++) {
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
    const ms_score_weights *w = &self->fleet->dispatch.weights;
    const int32_t sticky = self->fleet->dispatch.is_sticky ? narrow_matched(self, n, total) : 0;
    if (sticky > 0) {
        ms_choice left = *self;
        left.n = sticky;
        left.up = self->fleet->sticky;
        return best_of(&left, n, total);
    }
    if (!(w->token_load > 0.0)) {
        return by_index(self, n, total);
    }
    const int asks_no_other = !(w->queue > 0.0 || w->kv_cache > 0.0 || w->load > 0.0 || w->active > 0.0 || w->no_hit_lru > 0.0);
    return asks_no_other ? by_prefills(self, n, total) : scan(self, n, total);
}

static int32_t pick(const ms_choice *self)
{
    int64_t total;
    const int32_t n = match(self, &total);
    const int is_indexed = ms_choice_is_of_all(self) && self->servers->replicas > MS_SCAN_MOST && self->fleet->looks.delay_s > 0.0;
    const int32_t replica = is_indexed ? among_many(self, n, total) : scan(self, n, total);
    forget_matches(self, n);
    return replica;
}

/* Blocks that the replica's memory has, in as many as which the router keeps in mind what it sent there. */
static int64_t most_units(const ms_choice *self, int32_t replica)
{
    const ms_limits *limits = &ms_fleet_pool_of(self->fleet, replica)->plan.limits;
    const int64_t block = limits->kv_block_tokens > 1 ? limits->kv_block_tokens : 1;
    const int64_t configured = self->fleet->dispatch.index_blocks;
    const int is_known = limits->kv_capacity_tokens < MS_UNLIMITED_TOKENS;
    return configured > 0 ? configured : is_known ? limits->kv_capacity_tokens / block : UNKNOWN_BLOCKS;
}

static void note_cold(const ms_choice *self, int32_t place)
{
    ms_servers *servers = self->servers;
    ms_cold *cold = &servers->cold;
    const int32_t dropped = cold->position[place] < 0 && cold->length == cold->most ? cold->oldest : -1;
    ms_cold_touch(cold, place);
    ms_ties_set(&servers->nevers, place, INFINITY);
    if (dropped >= 0) {
        ms_ties_set(&servers->nevers, dropped, self->fleet->failures[servers->replica[dropped]] == 0 ? 0.0 : INFINITY);
    }
}

static int sent(const ms_choice *self, int32_t replica)
{
    const int32_t place = self->fleet->place_of[replica];
    int64_t total;
    const int32_t n = match(self, &total);
    const int64_t there = self->fleet->matched[replica] * self->servers->texts.unit_tokens;
    if (self->fleet->dispatch.weights.no_hit_lru > 0.0 && ms_score_is_cold(self, n)) {
        note_cold(self, place);
    }
    forget_matches(self, n);
    if (self->fleet->dispatch.weights.session > 0.0 && self->job->session >= 0) {
        MS_TRY(ms_bindings_bind(&self->servers->sessions, self->job->session, replica, self->t_s));
    }
    ms_accounts_charge(self->fleet, self->job, replica, self->job->prompt_tokens - there);
    MS_TRY(ms_texts_add(&self->servers->texts, self->job, place));
    ms_texts_trim(&self->servers->texts, place, most_units(self, replica));
    return 0;
}

const ms_dispatch_rule ms_scored = {.pick = pick, .sent = sent};
