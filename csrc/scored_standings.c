#include "scored_standings.h"

#include <math.h>

#include "maths.h"
#include "outlook.h"

enum { SOON = 4 }; /* so many later what is asked for now has come */

static const ms_terms NOTHING = {{0}};
static const ms_sent NOTHING_SENT = {0, 0};

/* ---- terms ---------------------------------------------------------------------------------------------- */

/* As far as they have a weight; those that score alike have the same. */
static ms_terms terms_of(const ms_choice *self, int32_t replica, double *until_s)
{
    const ms_fleet *fleet = self->fleet;
    const ms_score_weights *weights = &fleet->dispatch.weights;
    const int is_polled = fleet->looks.delay_s > 0.0;
    ms_terms terms = NOTHING;
    *until_s = INFINITY;
    if (weights->queue > 0.0 || weights->load > 0.0) {
        const int64_t q = ms_choice_waiting(self, replica);
        terms.of[MS_TERM_WAITING] = (double)(weights->queue > 0.0 || q < MS_LOAD_MOST ? q : MS_LOAD_MOST);
    }
    if (weights->active > 0.0) {
        const int64_t unfinished = ms_view_unfinished(fleet, replica);
        terms.of[MS_TERM_UNFINISHED] = (double)(unfinished > fleet->dispatch.idle_requests ? unfinished : 0);
    }
    if (weights->token_load > 0.0) {
        terms.of[MS_TERM_PREFILL] = (double)fleet->prefill_tokens[replica];
    }
    if (weights->kv_cache > 0.0 && (is_polled || ms_choice_is_api(self, replica))) {
        terms.of[MS_TERM_USAGE] = ms_choice_usage(self, replica);
        *until_s = is_polled ? ms_looks_until_s(&fleet->looks, replica) : INFINITY;
    } else if (weights->kv_cache > 0.0) {
        terms.of[MS_TERM_USAGE] = ms_outlook_kv_usage_until(&fleet->replica[replica], self->t_s, until_s);
    }
    return terms;
}

/* What one of these terms costs that was sent so many blocks of the prompt, and has the session or has not, by such extremes. */
static double cost_with(const ms_choice *self, const ms_terms *terms, ms_sent sent, int64_t total, ms_range queue, int64_t busiest)
{
    const ms_dispatch_plan *plan = &self->fleet->dispatch;
    const int64_t there = sent.blocks * self->servers->texts.unit_tokens;
    const int64_t to_come = (int64_t)terms->of[MS_TERM_PREFILL] + self->job->prompt_tokens - there;
    const double engine = ms_score_engine(&plan->weights, (int64_t)terms->of[MS_TERM_WAITING], terms->of[MS_TERM_USAGE], queue);
    const double score = engine + ms_score_prompt(plan, sent.blocks, total, to_come);
    return -(score + ms_score_router(plan, sent.is_bound, (int64_t)terms->of[MS_TERM_UNFINISHED], busiest, 0.5));
}

static double cost_by(const ms_choice *self, const ms_terms *terms, int64_t total, ms_range queue, int64_t busiest)
{
    return cost_with(self, terms, NOTHING_SENT, total, queue, busiest);
}

static double cost_of_terms(const ms_choice *self, const ms_terms *terms, int64_t total)
{
    return cost_by(self, terms, total, ms_score_measure(self->servers), self->servers->busiest);
}

/* The least that one below a node can cost; infinite: there is nobody. */
static double least_cost(const ms_choice *self, const ms_standings *standings, int32_t node, int64_t total)
{
    const ms_terms least = ms_standings_least(standings, node);
    return ms_terms_are_nobodys(&least) ? INFINITY : cost_of_terms(self, &least, total);
}

/* ---- what is known of them ------------------------------------------------------------------------------ */

/* Whether there is nothing to do at a replica that is up: it has all its terms at 0. */
static int is_idle(const ms_choice *self, int32_t replica, double *until_s)
{
    const ms_score_weights *weights = &self->fleet->dispatch.weights;
    const int asks_queue = weights->queue > 0.0 || weights->load > 0.0;
    const int asks_memory = weights->kv_cache > 0.0 && !(self->fleet->looks.delay_s > 0.0) && !ms_choice_is_api(self, replica);
    if (self->fleet->failures[replica] > 0 || (asks_queue && ms_choice_waiting(self, replica) > 0) ||
        (asks_memory && ms_outlook_decodes(&self->fleet->replica[replica]))) {
        return 0;
    }
    const ms_terms terms = terms_of(self, replica, until_s);
    return ms_terms_are_same(&terms, &NOTHING);
}

/* Who has nothing to do for long is no longer stale. Where engines are polled a look tells when that ends (view.c). */
void ms_scored_standings_update(const ms_choice *self)
{
    ms_servers *servers = self->servers;
    int32_t left = 0;
    servers->busiest = ms_score_busiest(self);
    for (int32_t i = 0; i < servers->n_stale; i++) {
        const int32_t replica = servers->stale[i], place = self->fleet->place_of[replica];
        double until_s = INFINITY;
        const int is_free = is_idle(self, replica, &until_s);
        const int is_stale = is_free && until_s < INFINITY && !(self->fleet->looks.delay_s > 0.0);
        ms_members_set(&servers->idle, place, is_free);
        servers->stale[left] = replica;
        left += is_stale;
        servers->behind[servers->n_behind] = replica;
        servers->n_behind += (servers->lag[place] & MS_BEHIND) == 0;
        servers->lag[place] = (int8_t)(MS_BEHIND | (is_stale ? MS_STALE : 0));
    }
    servers->n_stale = left;
}

/* Whose terms have only risen since they were known, but for who waits, may stand where it stands: it will be looked at before it
 * is chosen. */
static void stand_anew(const ms_choice *self, int32_t replica, int32_t place)
{
    ms_servers *servers = self->servers;
    double until_s;
    const ms_terms terms = terms_of(self, replica, &until_s);
    const int has_queue = terms.of[MS_TERM_WAITING] > 0.0;
    ms_standings *own = &servers->standings[has_queue], *other = &servers->standings[!has_queue];
    if (self->fleet->failures[replica] > 0 || ms_members_has(&servers->idle, place)) {
        ms_standings_remove(own, place);
        ms_standings_remove(other, place);
    } else if (!ms_standings_bound(own, place, &terms, ms_choice_as_of_s(self))) {
        ms_standings_remove(other, place);
        ms_standings_put(own, place, &terms, until_s);
    }
}

void ms_scored_standings_know_all(const ms_choice *self)
{
    ms_servers *servers = self->servers;
    if (!ms_servers_stand(servers)) {
        return;
    }
    for (int32_t i = 0; i < servers->n_behind; i++) {
        if (i + SOON < servers->n_behind) {
            ms_standings_expect(&servers->standings[0], self->fleet->place_of[servers->behind[i + SOON]]);
        }
        const int32_t replica = servers->behind[i], place = self->fleet->place_of[replica];
        servers->lag[place] &= ~MS_BEHIND;
        stand_anew(self, replica, place);
    }
    servers->n_behind = 0;
    const int32_t root = ms_eights_root(&servers->standings[0].tree);
    const ms_terms unqueued = ms_standings_least(&servers->standings[0], root);
    const ms_terms queued = ms_standings_least(&servers->standings[1], root);
    const int is_short = servers->idle.count > 0 || !ms_terms_are_nobodys(&unqueued);
    servers->least_waiting = is_short ? 0 : (int64_t)queued.of[MS_TERM_WAITING];
    servers->most_waiting = ms_terms_are_nobodys(&queued) ? 0 : (int64_t)servers->standings[1].most[root];
}

int ms_scored_standings_prefer_idle(const ms_choice *self, ms_sent sent, int64_t total)
{
    const ms_dispatch_plan *plan = &self->fleet->dispatch;
    const ms_range queue = {0, INT32_MAX};
    const double idle = cost_with(self, &NOTHING, sent, total, queue, INT32_MAX);
    const int64_t tokens = self->servers->most_memory_tokens;
    ms_terms least[MS_TERMS] = {{{0}}};
    least[MS_TERM_WAITING].of[MS_TERM_WAITING] = least[MS_TERM_PREFILL].of[MS_TERM_PREFILL] = 1.0;
    least[MS_TERM_UNFINISHED].of[MS_TERM_UNFINISHED] = 1.0 + (double)plan->idle_requests;
    least[MS_TERM_USAGE].of[MS_TERM_USAGE] = 1.0 / (double)(tokens > 0 ? tokens : 1);
    const uint32_t terms = ms_view_terms(&plan->weights);
    int is_best = 1;
    for (int k = 0; k < MS_TERMS; k++) {
        is_best &= (terms >> k & 1) == 0 || cost_with(self, &least[k], sent, total, queue, INT32_MAX) > idle;
    }
    return is_best;
}

/* Whether the longest queue matters for what one of those listed costs. */
static int is_measured(const ms_choice *self, ms_listed listed)
{
    int32_t i = 0;
    if (!(self->fleet->dispatch.weights.queue > 0.0)) {
        return 0;
    }
    while (i < listed.n &&
           (ms_scored_is_idle(self, listed.replica[i]) || ms_choice_waiting(self, listed.replica[i]) == 0)) {
        i++;
    }
    return i < listed.n;
}

int ms_scored_standings_know(const ms_choice *self, ms_listed listed, int64_t total)
{
    ms_servers *servers = self->servers;
    if (servers->idle.count == 0 || is_measured(self, listed) || !ms_scored_standings_prefer_idle(self, NOTHING_SENT, total)) {
        ms_scored_standings_know_all(self);
        return 1;
    }
    servers->least_waiting = servers->most_waiting = 0; /* of who matters nobody has a queue */
    return 0;
}

double ms_scored_standings_below(const ms_choice *self, int32_t level, int32_t i, int64_t total)
{
    const ms_servers *servers = self->servers;
    const int64_t from = (int64_t)i << 3 * level, past = (int64_t)(i + 1) << 3 * level;
    const int32_t to = (int32_t)(past < servers->replicas ? past : servers->replicas);
    if (servers->idle.count > 0 && ms_members_any(&servers->idle, (int32_t)from, to)) {
        return cost_of_terms(self, &NOTHING, total);
    }
    const int32_t node = servers->standings[0].tree.first[level] + i;
    ms_terms least = ms_standings_least(&servers->standings[0], node);
    const ms_terms queued = ms_standings_least(&servers->standings[1], node);
    if (ms_terms_are_nobodys(&least)) {
        return cost_of_terms(self, &queued, total);
    }
    for (int k = 0; k < MS_TERMS; k++) { /* one cost for both: it is no more than the least of either */
        least.of[k] = ms_less(least.of[k], queued.of[k]);
    }
    return cost_of_terms(self, &least, total);
}

/* ---- search --------------------------------------------------------------------------------------------- */

typedef struct ms_search {
    const ms_choice *choice;
    int64_t total;
    double as_of_s;
    double best;
    ms_terms terms; /* of those who cost that, */
    int32_t count;  /* so many */
    int32_t is_mixed; /* others cost the same by other terms */
} ms_search;

static void note(ms_search *self, double cost, const ms_terms *terms, int32_t count)
{
    if (cost < self->best || self->count == 0) {
        self->best = cost;
        self->terms = *terms;
        self->count = self->is_mixed = 0;
    }
    self->is_mixed |= !ms_terms_are_same(&self->terms, terms);
    self->count += count;
}

/* Who costs no more than the best so far by what is known, which is the least. */
static void look_at(ms_search *self, ms_standings *standings, int32_t place)
{
    double until_s;
    const ms_terms terms = terms_of(self->choice, self->choice->servers->replica[place], &until_s);
    const double cost = cost_of_terms(self->choice, &terms, self->total);
    ms_standings_put(standings, place, &terms, until_s);
    if (cost <= self->best) {
        note(self, cost, &terms, 1);
    }
}

/* Whether all who cost so little below a node are those with the least of all terms, as they are now. */
static int are_least(const ms_search *self, const ms_standings *standings, int32_t node, double cost)
{
    if (standings->count[node] == 0 || standings->until_s[node] < self->as_of_s) {
        return 0;
    }
    const ms_terms next = ms_standings_next(standings, node);
    return ms_terms_are_nobodys(&next) || cost_of_terms(self->choice, &next, self->total) > cost;
}

/* Below a node whose least of each term would cost so much, no more than the best so far: the best of its eight comes first. */
static void weigh_below(ms_search *self, ms_standings *standings, int32_t level, int32_t i, double cost)
{
    const int32_t node = standings->tree.first[level] + i;
    if (are_least(self, standings, node, cost)) {
        const ms_terms least = ms_standings_least(standings, node);
        note(self, cost, &least, standings->count[node]);
        return;
    }
    if (level == 0) {
        look_at(self, standings, i);
        return;
    }
    const int32_t below = standings->tree.first[level - 1] + 8 * i;
    double costs[8];
    int32_t first = 0;
    for (int32_t k = 0; k < 8; k++) {
        costs[k] = least_cost(self->choice, standings, below + k, self->total);
        first = costs[k] < costs[first] ? k : first;
    }
    for (int32_t k = 0; k < 8; k++) {
        const int32_t next = k == 0 ? first : k <= first ? k - 1 : k;
        if (costs[next] <= self->best && costs[next] < INFINITY) {
            weigh_below(self, standings, level - 1, 8 * i + next, costs[next]);
        }
    }
}

static void search_all(ms_search *self, int are_known)
{
    const ms_choice *choice = self->choice;
    ms_servers *servers = choice->servers;
    if (servers->idle.count > 0) {
        const double cost = cost_of_terms(choice, &NOTHING, self->total);
        if (cost <= self->best) {
            note(self, cost, &NOTHING, servers->idle.count);
        }
    }
    for (int k = 0; k < 2 && are_known; k++) {
        ms_standings *standings = &servers->standings[k];
        const double cost = least_cost(choice, standings, ms_eights_root(&standings->tree), self->total);
        if (cost <= self->best && cost < INFINITY) {
            weigh_below(self, standings, standings->tree.top, 0, cost);
        }
    }
}

/* ---- any of the best ------------------------------------------------------------------------------------ */

/* Of those listed, who cost as little as the best and would not without the prompt or the session: puts their places into
 * `scratch`, in order; returns how many. */
static int32_t gather_listed(const ms_search *self, ms_listed listed)
{
    const ms_choice *choice = self->choice;
    ms_fleet *fleet = choice->fleet;
    double until_s;
    int32_t equal = 0;
    for (int32_t i = 0; i < listed.n; i++) {
        const int32_t replica = listed.replica[i];
        if (fleet->costs[i] != self->best) {
            continue;
        }
        const ms_terms terms = ms_scored_is_idle(choice, replica) ? NOTHING : terms_of(choice, replica, &until_s);
        if (cost_of_terms(choice, &terms, self->total) > self->best) {
            int32_t at = equal++;
            for (; at > 0 && fleet->scratch[at - 1] > fleet->place_of[replica]; at--) {
                fleet->scratch[at] = fleet->scratch[at - 1];
            }
            fleet->scratch[at] = fleet->place_of[replica];
        }
    }
    return equal;
}

/* How many of the best without the prompt stand before a place; and the place of the k-th. */
static int32_t count_before(const ms_search *self, int32_t place)
{
    const ms_servers *servers = self->choice->servers;
    if (self->count == 0) {
        return 0;
    }
    return ms_terms_are_same(&self->terms, &NOTHING)
               ? ms_members_before(&servers->idle, place)
               : ms_standings_before(&servers->standings[self->terms.of[MS_TERM_WAITING] > 0.0], &self->terms, place);
}

static int32_t place_at(const ms_search *self, int32_t k)
{
    const ms_servers *servers = self->choice->servers;
    return ms_terms_are_same(&self->terms, &NOTHING)
               ? ms_members_at(&servers->idle, k)
               : ms_standings_at(&servers->standings[self->terms.of[MS_TERM_WAITING] > 0.0], &self->terms, k);
}

/* Any one of them and of `matched` places in `scratch`. */
static int32_t pick_equal(const ms_search *self, int32_t matched)
{
    const ms_servers *servers = self->choice->servers;
    const int32_t *places = self->choice->fleet->scratch;
    const int32_t k = ms_choice_draw(self->choice, 0, self->count + matched);
    int32_t passed = 0;
    for (; passed < matched; passed++) {
        const int32_t before = count_before(self, places[passed]) + passed;
        if (k == before) {
            return servers->replica[places[passed]];
        }
        if (k < before) {
            break;
        }
    }
    return servers->replica[place_at(self, k - passed)];
}

int32_t ms_scored_standings_best(const ms_choice *self, ms_listed listed, int64_t total, double best, int are_known)
{
    ms_search search = {.choice = self, .total = total, .as_of_s = ms_choice_as_of_s(self), .best = best};
    search_all(&search, are_known);
    return search.is_mixed ? -1 : pick_equal(&search, gather_listed(&search, listed));
}
