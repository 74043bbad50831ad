/* Three indices, by what there is to rank by.
 *
 * Where engines are polled, what they tell changes with a look only: until then all are ranked by it, as who was sent nothing
 * of the prompt is. Where nothing but the tokens that are to come matters, these are ranked. Else the sum depends on the
 * request, or on time, or on extremes that change with every event: then trees know the terms of their sums (scored_standings.h),
 * and what a whole part of a tree can cost at least is the cost of the least of each of its terms. It needs
 * no margin for rounding, as sums are rounded up and down together with their parts.
 *
 * Who was sent some of the prompt, or has the session, is looked at by itself. */
#include "scored_index.h"

#include <math.h>

#include "expect.h"
#include "scored_standings.h"

/* ---- ranked by what was polled --------------------------------------------------------------------------- */

static double unmatched(const ms_choice *self, int32_t place)
{
    const ms_servers *servers = self->servers;
    const int32_t replica = servers->replica[place];
    ms_known known = {.bound = -1, .most = servers->busiest};
    if (self->fleet->failures[replica] > 0) {
        return INFINITY;
    }
    const double score = ms_score_of_engine(self, replica, ms_score_measure(servers));
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
    const int64_t busiest = ms_score_busiest(self);
    const int is_ranked = servers->is_ranked && busiest == servers->busiest;
    servers->busiest = busiest;
    for (int32_t i = 0; i < servers->n_stale; i++) {
        const int32_t place = self->fleet->place_of[servers->stale[i]];
        servers->lag[place] = 0;
        if (is_ranked) {
            ms_ties_set(&servers->loads, place, unmatched(self, place));
        }
    }
    servers->n_stale = 0;
    if (!is_ranked) {
        rank(self);
    }
}

/* All n in `matches`, if the prompt matters, and where the session is. */
static ms_listed list_of(const ms_choice *self, int32_t n, const ms_known *known)
{
    ms_fleet *fleet = self->fleet;
    const ms_score_weights *weights = &fleet->dispatch.weights;
    const int32_t first = weights->prefix > 0.0 || weights->token_load > 0.0 ? 0 : n;
    const int is_more = known->bound >= 0 && (first == n || fleet->matched[known->bound] == 0);
    if (is_more) {
        fleet->matches[n] = known->bound;
    }
    return (ms_listed){fleet->matches + first, n - first + is_more};
}

/* The first of those who cost the least that one of them can, `costs`, and have nothing to do; -1: nobody. */
static int32_t first_idle(const ms_choice *self, ms_listed listed, double least)
{
    for (int32_t i = 0; i < listed.n; i++) {
        if (self->fleet->costs[i] == least && ms_scored_is_idle(self, listed.replica[i])) {
            return i;
        }
    }
    return -1;
}

/* Those who have nothing to do and cost as much as the first of these, and who may cost no more though they have: who was sent more
 * of the prompt and has as many more tokens to come costs the same. */
static ms_listed keep_idle(const ms_choice *self, ms_listed listed, int32_t idle, int64_t total, const ms_known *known)
{
    ms_fleet *fleet = self->fleet;
    ms_sent asked = {-1, 0};
    int32_t n = 0, are_dearer = 0;
    for (int32_t i = 0; i < listed.n; i++) {
        const int32_t replica = listed.replica[i];
        if (fleet->costs[i] > fleet->costs[idle]) {
            continue;
        }
        const int is_idle = ms_scored_is_idle(self, replica);
        const ms_sent sent = {fleet->matched[replica], replica == known->bound};
        if (!is_idle && (sent.blocks != asked.blocks || sent.is_bound != asked.is_bound)) {
            are_dearer = ms_scored_standings_prefer_idle(self, sent, total);
            asked = sent;
        }
        const int is_counted = fleet->dispatch.weights.token_load > 0.0 && fleet->prefill_tokens[replica] > 0;
        fleet->sticky[n] = replica;
        n += is_idle || is_counted || !are_dearer;
    }
    return (ms_listed){fleet->sticky, n};
}

/* Who would cost more than another of them even with nothing to do there is left out, mostly unseen: of a large fleet many were
 * sent the start of a prompt that many share, and few the rest of it. With a queue at that other what it costs is yet to be known. */
static ms_listed shorten(const ms_choice *self, ms_listed listed, int64_t total, ms_known *known)
{
    ms_fleet *fleet = self->fleet;
    int32_t first = 0, n = 0;
    for (int32_t i = 0; i < listed.n; i++) {
        fleet->costs[i] = ms_score_least(self, listed.replica[i], total, known);
        first = fleet->costs[i] < fleet->costs[first] ? i : first;
    }
    if (listed.n < 2) {
        return listed;
    }
    const int32_t idle = first_idle(self, listed, fleet->costs[first]);
    if (idle >= 0) {
        return keep_idle(self, listed, idle, total, known);
    }
    if (fleet->failures[listed.replica[first]] > 0 || ms_choice_waiting(self, listed.replica[first]) > 0) {
        return listed;
    }
    const double best = ms_score_cost(self, listed.replica[first], MS_ALL_ALIKE, total, known);
    for (int32_t i = 0; i < listed.n; i++) {
        if (fleet->costs[i] <= best) {
            ms_expect_replica(fleet, listed.replica[i]);
            fleet->sticky[n++] = listed.replica[i];
        }
    }
    return (ms_listed){fleet->sticky, n};
}

/* What one of them costs. */
static double price_of(const ms_choice *self, int32_t replica, int64_t total, ms_known *known)
{
    if (ms_scored_is_idle(self, replica)) {
        return ms_score_least(self, replica, total, known);
    }
    const ms_range queue = ms_score_measure(self->servers);
    return self->fleet->failures[replica] == 0 ? ms_score_cost(self, replica, queue, total, known) : INFINITY;
}

/* What they cost, into `costs`; returns the least. */
static double price(const ms_choice *self, ms_listed listed, int64_t total, ms_known *known)
{
    ms_fleet *fleet = self->fleet;
    double best = INFINITY;
    for (int32_t i = 0; i < listed.n; i++) {
        fleet->costs[i] = price_of(self, listed.replica[i], total, known);
        best = fleet->costs[i] < best ? fleet->costs[i] : best;
    }
    return best;
}

/* The best of those in `matches` and where the session is, and of all others, who cost `least` each by that tree. */
static int32_t best_with(const ms_choice *self, int32_t n, int64_t total, const ms_ties *others, double least, ms_known *known)
{
    const ms_listed listed = list_of(self, n, known);
    const double best = price(self, listed, total, known);
    if (best < least) {
        return ms_choice_cheapest(self, listed.replica, self->fleet->costs, listed.n);
    }
    if (best == least) {
        return -1;
    }
    return self->servers->replica[ms_ties_pick(others, ms_choice_draw(self, 0, ms_ties_count(others)))];
}

/* ---- where nobody was sent any of the prompt --------------------------------------------------------------- */

/* Who got no such request comes first, in order, so that whoever stands further right, or was asked later, has less. */
typedef struct ms_coldest {
    const ms_choice *choice;
    int64_t total;
    ms_known known;
    double best;
    int32_t n; /* as good as that, in `matches` */
} ms_coldest;

enum { COLD_PARTS_MOST = 8 * MS_EIGHTS_LEVELS };

/* More than a part of what is added up by which sums in another order differ. */
static const double ROUNDING = 1e-12;

/* The least that one below this node of the trees by place costs without a rank; somebody there is up. */
static double cost_below(const ms_choice *self, int32_t level, int32_t i, int64_t total)
{
    const ms_servers *servers = self->servers;
    return ms_servers_stand(servers) ? ms_scored_standings_below(self, level, i, total)
                                     : servers->loads.values[servers->loads.tree.first[level] + i];
}

/* The least that one of this rank can cost, if one of those without a rank costs so much. */
static double cold_at_least(const ms_coldest *self, double cost, int32_t rank)
{
    const double weight = self->choice->fleet->dispatch.weights.no_hit_lru;
    const double score = 1.0 - (double)rank / (double)(self->choice->n - 1);
    return cost - weight * ((score > 0.0 ? score : 0.0) - 0.5) - ROUNDING * (weight - cost);
}

static void weigh(ms_coldest *self, int32_t place, int32_t rank)
{
    const ms_choice *choice = self->choice;
    const int32_t replica = choice->servers->replica[place];
    self->known.passed = rank;
    const double cost = ms_score_cost(choice, replica, ms_score_measure(choice->servers), self->total, &self->known);
    if (cost < self->best) {
        self->best = cost;
        self->n = 0;
    }
    if (cost == self->best) {
        choice->fleet->matches[self->n++] = replica;
    }
}

/* Where the session is costs less than its terms do, so that no bound tells of it. */
static void weigh_bound(ms_coldest *self)
{
    ms_servers *servers = self->choice->servers;
    const int32_t replica = self->known.bound;
    if (replica < 0 || self->choice->fleet->failures[replica] > 0) {
        return;
    }
    const int32_t place = self->choice->fleet->place_of[replica];
    if (servers->cold.position[place] >= 0) {
        ms_cold_number(&servers->cold);
    }
    weigh(self, place, ms_ties_rank(&servers->nevers, place));
}

/* A node of the trees by place, and how many of those without a request stand before it. */
typedef struct part_of_tree {
    int32_t level, i, rank;
} part_of_tree;

/* The parts of one that has somebody without a request, the first of them last; returns how many there are now. */
static int32_t take_apart(const ms_ties *nevers, part_of_tree whole, part_of_tree *parts, int32_t n)
{
    const int32_t from = nevers->tree.first[whole.level - 1] + 8 * whole.i, most = n + 8;
    for (int32_t k = 0; k < 8; k++) {
        parts[most - 1 - k] = (part_of_tree){whole.level - 1, 8 * whole.i + k, whole.rank};
        whole.rank += nevers->values[from + k] > 0.0 ? 0 : nevers->counts[from + k];
    }
    return most;
}

static void weigh_nevers(ms_coldest *self)
{
    const ms_ties *nevers = &self->choice->servers->nevers;
    part_of_tree parts[COLD_PARTS_MOST] = {{nevers->tree.top, 0, 0}};
    for (int32_t n = 1; n > 0;) {
        const part_of_tree part = parts[--n];
        const int32_t node = nevers->tree.first[part.level] + part.i;
        if (nevers->values[node] > 0.0 ||
            cold_at_least(self, cost_below(self->choice, part.level, part.i, self->total), part.rank) > self->best) {
            continue;
        }
        if (part.level > 0) {
            n = take_apart(nevers, part, parts, n);
        } else if (self->choice->servers->replica[part.i] != self->known.bound) {
            weigh(self, part.i, part.rank);
        }
    }
}

static int32_t coldest(const ms_choice *self, int64_t total, const ms_known *known)
{
    const ms_servers *servers = self->servers;
    ms_cold *cold = &self->servers->cold;
    const double least = cost_below(self, servers->nevers.tree.top, 0, total);
    int32_t k = 0;
    ms_coldest search = {.choice = self, .total = total, .known = *known, .best = INFINITY};
    search.known.never = ms_ties_least(&servers->nevers) > 0.0 ? 0 : ms_ties_count(&servers->nevers);
    weigh_bound(&search);
    weigh_nevers(&search);
    for (int32_t place = cold->oldest; place >= 0; place = cold->next[place]) {
        if (cold_at_least(&search, least, search.known.never + k) > search.best) {
            break; /* the others need no number */
        }
        cold->position[place] = k++;
        if (self->fleet->failures[servers->replica[place]] == 0 && servers->replica[place] != known->bound) {
            weigh(&search, place, 0);
        }
    }
    for (int32_t i = 0; i < search.n; i++) {
        self->fleet->costs[i] = search.best;
    }
    return ms_choice_cheapest(self, self->fleet->matches, self->fleet->costs, search.n);
}

/* ---- all of them ------------------------------------------------------------------------------------------ */

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
        return -1; /* others may cost as much that have more to come */
    }
    return best_with(self, n, total, others, costs[0], &known);
}

/* The best of those in `matches` and where the session is, and of all that stand. */
static int32_t best_standing(const ms_choice *self, int32_t n, int64_t total, ms_known *known)
{
    const ms_listed listed = shorten(self, list_of(self, n, known), total, known);
    const int are_known = ms_scored_standings_know(self, listed, total);
    return ms_scored_standings_best(self, listed, total, price(self, listed, total, known), are_known);
}

int32_t ms_scored_index_best(const ms_choice *self, int32_t n, int64_t total)
{
    const ms_score_weights *weights = &self->fleet->dispatch.weights;
    ms_servers *servers = self->servers;
    const int are_standing = ms_servers_stand(servers);
    if (ms_weights_are_of_tokens_alone(weights)) {
        return by_prefills(self, n, total);
    }
    if (are_standing) {
        ms_scored_standings_update(self);
    } else {
        update(self);
    }
    ms_known known = {.bound = ms_score_bound(self), .most = servers->busiest};
    known.is_cold = weights->no_hit_lru > 0.0 && n == 0; /* who is down is in no match */
    if (known.is_cold) {
        ms_scored_standings_know_all(self);
        return coldest(self, total, &known);
    }
    return are_standing ? best_standing(self, n, total, &known)
                        : best_with(self, n, total, &servers->loads, ms_ties_least(&servers->loads), &known);
}
