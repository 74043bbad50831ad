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
 * all others'. */
#include <math.h>

#include "dispatch_rules.h"
#include "error.h"
#include "prompt.h"

enum { LOAD_MOST = 128, UNKNOWN_BLOCKS = 31250 };

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

/* ---- scores --------------------------------------------------------------------------------------------- */

typedef struct ms_range {
    int64_t least;
    int64_t most;
} ms_range;

static double of_engine(const ms_choice *self, int32_t replica, ms_range queue)
{
    const ms_score_weights *weights = &self->fleet->dispatch.weights;
    const int64_t q = ms_choice_waiting(self, replica);
    const double shorter = queue.most > queue.least ? (double)(queue.most - q) / (double)(queue.most - queue.least) : 1.0;
    const double load = 0.5 * (1.0 - (double)(q < LOAD_MOST ? q : LOAD_MOST) / LOAD_MOST);
    return weights->queue * shorter + weights->kv_cache * (1.0 - ms_choice_usage(self, replica)) + weights->load * load;
}

static double of_prompt(const ms_choice *self, int32_t replica, int64_t total)
{
    const ms_dispatch_plan *plan = &self->fleet->dispatch;
    const double matched = (double)self->fleet->matched[replica];
    double score = total > 0 ? plan->weights.prefix * (matched / (double)total) : 0.0;
    if (plan->weights.token_load > 0.0) {
        const int64_t there = self->fleet->matched[replica] * self->servers->texts.unit_tokens;
        const double tokens = (double)(self->fleet->prefill_tokens[replica] + self->job->prompt_tokens - there);
        score += plan->weights.token_load * (1.0 - (tokens < plan->most_load_tokens ? tokens / plan->most_load_tokens : 1.0));
    }
    return score;
}

static ms_range range_of(const ms_choice *self)
{
    ms_range range = {INT64_MAX, INT64_MIN};
    for (int32_t i = 0; i < self->n; i++) {
        const int64_t q = ms_choice_waiting(self, self->up[i]);
        range.least = q < range.least ? q : range.least;
        range.most = q > range.most ? q : range.most;
    }
    return range;
}

/* ---- what the router knows by itself ---------------------------------------------------------------------- */

/* Of those who may be chosen. */
typedef struct ms_known {
    int32_t bound; /* session: where it is; -1: nowhere */
    int64_t most;  /* active: unfinished requests */
    int32_t is_cold; /* no_hit_lru: nobody was sent any of the prompt */
    int32_t never; /* of them never got such a request, */
    int32_t passed; /* and so many of these were looked at */
} ms_known;

static int32_t bound_to(const ms_choice *self)
{
    ms_bindings *bindings = &self->servers->sessions;
    if (!(self->fleet->dispatch.weights.session > 0.0) || self->job->session < 0) {
        return -1;
    }
    ms_bindings_expire(bindings, self->t_s - self->fleet->dispatch.session_ttl_s);
    return ms_bindings_find(bindings, self->job->session);
}

static int is_cold(const ms_choice *self)
{
    int32_t i = 0;
    while (i < self->n && self->fleet->matched[self->up[i]] == 0) {
        i++;
    }
    return i == self->n;
}

static ms_known known_of(const ms_choice *self)
{
    const ms_fleet *fleet = self->fleet;
    ms_cold *cold = &self->servers->cold;
    ms_known known = {.bound = bound_to(self)};
    for (int32_t i = 0; i < self->n && fleet->dispatch.weights.active > 0.0; i++) {
        const int64_t unfinished = ms_fleet_unfinished(fleet, self->up[i]);
        known.most = unfinished > known.most ? unfinished : known.most;
    }
    known.is_cold = fleet->dispatch.weights.no_hit_lru > 0.0 && is_cold(self);
    if (known.is_cold) {
        ms_cold_number(cold);
        for (int32_t i = 0; i < self->n; i++) {
            known.never += cold->position[fleet->place_of[self->up[i]]] < 0;
        }
    }
    return known;
}

static double activity(const ms_choice *self, int32_t replica, int64_t most)
{
    const ms_dispatch_plan *plan = &self->fleet->dispatch;
    const int64_t unfinished = ms_fleet_unfinished(self->fleet, replica);
    return unfinished <= plan->idle_requests ? 1.0 : (double)(most - unfinished) / (double)most * plan->most_busy_score;
}

/* To be asked of each in order. */
static double coldness(const ms_choice *self, int32_t replica, ms_known *known)
{
    if (!known->is_cold || self->n < 2) {
        return 0.5;
    }
    const int32_t position = self->servers->cold.position[self->fleet->place_of[replica]];
    const int32_t rank = position < 0 ? known->passed++ : known->never + position;
    const double score = 1.0 - (double)rank / (double)(self->n - 1);
    return score > 0.0 ? score : 0.0;
}

static double of_router(const ms_choice *self, int32_t replica, ms_known *known)
{
    const ms_score_weights *weights = &self->fleet->dispatch.weights;
    double score = weights->session * (double)(replica == known->bound);
    score += weights->active > 0.0 ? weights->active * activity(self, replica, known->most) : 0.0;
    return score + (weights->no_hit_lru > 0.0 ? weights->no_hit_lru * coldness(self, replica, known) : 0.0);
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

static int32_t scan(const ms_choice *self, int64_t total)
{
    ms_choice left = *self;
    if (self->fleet->dispatch.is_sticky) {
        left.n = narrow(self, total);
        left.up = left.n < self->n ? self->fleet->sticky : self->up;
    }
    const ms_range queue = range_of(&left);
    ms_known known = known_of(&left);
    for (int32_t i = 0; i < left.n; i++) {
        const double score = of_engine(&left, left.up[i], queue) + of_prompt(&left, left.up[i], total);
        left.fleet->costs[i] = -(score + of_router(&left, left.up[i], &known));
    }
    return ms_choice_cheapest(&left, left.up, left.fleet->costs, left.n);
}

/* What engines tell changes with a look only: until then all are ranked by it. */
static void rank(const ms_choice *self)
{
    ms_servers *servers = self->servers;
    const ms_range queue = range_of(self);
    for (int32_t i = 0; i < servers->replicas; i++) {
        const int32_t replica = servers->replica[i];
        self->fleet->costs[i] = self->fleet->failures[replica] == 0 ? -of_engine(self, replica, queue) : INFINITY;
    }
    ms_ties_fill(&servers->loads, self->fleet->costs);
    servers->is_ranked = 1;
}

static int32_t by_index(const ms_choice *self, int32_t n, int64_t total)
{
    ms_fleet *fleet = self->fleet;
    ms_servers *servers = self->servers;
    if (!servers->is_ranked) {
        rank(self);
    }
    const double least = ms_ties_least(&servers->loads);
    ms_known known = {.bound = bound_to(self)};
    double best = INFINITY;
    if (known.bound >= 0 && fleet->matched[known.bound] == 0) {
        fleet->matches[n++] = known.bound;
    }
    for (int32_t i = 0; i < n; i++) {
        const int32_t replica = fleet->matches[i];
        const double engine = -ms_ties_value(&servers->loads, fleet->place_of[replica]);
        fleet->costs[i] = fleet->failures[replica] == 0 ? -(engine + of_prompt(self, replica, total) + of_router(self, replica, &known)) : INFINITY;
        best = fleet->costs[i] < best ? fleet->costs[i] : best;
    }
    if (best < least) {
        return ms_choice_cheapest(self, fleet->matches, fleet->costs, n);
    }
    if (best == least) {
        return scan(self, total);
    }
    return servers->replica[ms_ties_pick(&servers->loads, ms_choice_draw(self, 0, ms_ties_count(&servers->loads)))];
}

static int32_t pick(const ms_choice *self)
{
    const ms_dispatch_plan *plan = &self->fleet->dispatch;
    int64_t total;
    const int32_t n = match(self, &total);
    const int is_indexed = ms_choice_is_of_all(self) && self->servers->replicas > MS_SCAN_MOST &&
                           self->fleet->looks.delay_s > 0.0 && !plan->is_sticky && !(plan->weights.token_load > 0.0) &&
                           !(plan->weights.active > 0.0) && !(plan->weights.no_hit_lru > 0.0);
    const int32_t replica = is_indexed ? by_index(self, n, total) : scan(self, total);
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

static int sent(const ms_choice *self, int32_t replica)
{
    const int32_t place = self->fleet->place_of[replica];
    int64_t total;
    const int32_t n = match(self, &total);
    const int64_t there = self->fleet->matched[replica] * self->servers->texts.unit_tokens;
    if (self->fleet->dispatch.weights.no_hit_lru > 0.0 && is_cold(self)) {
        ms_cold_touch(&self->servers->cold, place);
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
