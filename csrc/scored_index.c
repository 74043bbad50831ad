/* Three indices, by what there is to rank by.
 *
 * Where engines are polled, what they tell changes with a look only: until then all are ranked by it, as who was sent nothing
 * of the prompt is. Where nothing but the tokens that are to come matters, these are ranked. Else the sum depends on the
 * request, or on time, or on extremes that change with every event: then a tree knows the terms of their sums (standings.h), and
 * what a whole part of that tree can cost at least is the cost of the least of each of its terms. It needs
 * no margin for rounding, as sums are rounded up and down together with their parts.
 *
 * Who was sent some of the prompt, or has the session, is looked at by itself. */
#include "scored_index.h"

#include <math.h>

#include "maths.h"
#include "outlook.h"
#include "scores.h"

/* What replicas are measured by. */
static ms_range range_of(const ms_servers *servers)
{
    return (ms_range){servers->least_waiting, servers->most_waiting};
}

/* What is stale of unfinished requests is put right first. */
static int64_t busiest_of(const ms_choice *self)
{
    const ms_fleet *fleet = self->fleet;
    ms_servers *servers = self->servers;
    if (!(fleet->dispatch.weights.active > 0.0)) {
        return 0;
    }
    for (int32_t i = 0; i < servers->n_stale; i++) {
        const int32_t place = servers->stale[i], replica = servers->replica[place];
        const double unfinished = (double)ms_view_unfinished(fleet, replica);
        ms_ties_set(&servers->heights, place, fleet->failures[replica] == 0 ? -unfinished : INFINITY);
    }
    return (int64_t)-ms_ties_least(&servers->heights);
}

static double cost_of(const ms_choice *self, int32_t replica, int64_t total, ms_known *known)
{
    const double score = ms_score_of_engine(self, replica, range_of(self->servers)) + ms_score_of_prompt(self, replica, total);
    return -(score + ms_score_of_router(self, replica, known));
}

/* ---- ranked by what was polled --------------------------------------------------------------------------- */

static double unmatched(const ms_choice *self, int32_t place)
{
    const ms_servers *servers = self->servers;
    const int32_t replica = servers->replica[place];
    ms_known known = {.bound = -1, .most = servers->busiest};
    if (self->fleet->failures[replica] > 0) {
        return INFINITY;
    }
    const double score = ms_score_of_engine(self, replica, range_of(servers));
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
    const int64_t busiest = busiest_of(self);
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

/* Who is looked at by itself: part of `matches`. */
typedef struct ms_listed {
    const int32_t *replica;
    int32_t n;
} ms_listed;

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

/* What they cost, into `costs`; returns the least. */
static double price(const ms_choice *self, ms_listed listed, int64_t total, ms_known *known)
{
    ms_fleet *fleet = self->fleet;
    double best = INFINITY;
    for (int32_t i = 0; i < listed.n; i++) {
        const int32_t replica = listed.replica[i];
        fleet->costs[i] = fleet->failures[replica] == 0 ? cost_of(self, replica, total, known) : INFINITY;
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

/* ---- in order of what their scores are made of ------------------------------------------------------------ */

/* As far as they have a weight; those that score alike have the same. */
static ms_terms terms_of(const ms_choice *self, int32_t replica, double *until_s)
{
    const ms_fleet *fleet = self->fleet;
    const ms_score_weights *weights = &fleet->dispatch.weights;
    const int is_polled = fleet->looks.delay_s > 0.0;
    ms_terms terms = {{0}};
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
    if (weights->kv_cache > 0.0 && (is_polled || ms_fleet_is_api(fleet, replica))) {
        terms.of[MS_TERM_USAGE] = ms_choice_usage(self, replica);
        *until_s = is_polled ? ms_looks_until_s(&fleet->looks, replica) : INFINITY;
    } else if (weights->kv_cache > 0.0) {
        terms.of[MS_TERM_USAGE] = ms_outlook_kv_usage_until(&fleet->replica[replica], self->t_s, until_s);
    }
    return terms;
}

/* Whose terms have only risen since they were known, but for who waits, may stand where it stands: it will be looked at before it
 * is chosen. */
static void stand_anew(const ms_choice *self, int32_t place)
{
    ms_servers *servers = self->servers;
    const int32_t replica = servers->replica[place];
    const int is_up = self->fleet->failures[replica] == 0, is_wanted = servers->is_stale[place] == MS_LOOKED_AT;
    double until_s;
    const ms_terms terms = terms_of(self, replica, &until_s);
    servers->is_stale[place] = 0;
    if (is_up && !is_wanted && ms_standings_bound(&servers->standings, place, &terms, ms_choice_as_of_s(self))) {
        return;
    }
    if (is_up) {
        ms_standings_put(&servers->standings, place, &terms, until_s);
    } else {
        ms_standings_remove(&servers->standings, place);
    }
}

static void update_standings(const ms_choice *self)
{
    ms_servers *servers = self->servers;
    servers->busiest = busiest_of(self);
    for (int32_t i = 0; i < servers->n_stale; i++) {
        stand_anew(self, servers->stale[i]);
    }
    servers->n_stale = 0;
    const ms_standing *all = ms_standings_root(&servers->standings);
    servers->least_waiting = (int64_t)all->least.of[MS_TERM_WAITING];
    servers->most_waiting = (int64_t)all->most;
}

/* What one of these terms costs, with nothing of the prompt nor the session. */
static double cost_of_terms(const ms_choice *self, const ms_terms *terms, int64_t total)
{
    const ms_servers *servers = self->servers;
    const ms_dispatch_plan *plan = &self->fleet->dispatch;
    const int64_t to_come = (int64_t)terms->of[MS_TERM_PREFILL] + self->job->prompt_tokens;
    const double engine = ms_score_engine(&plan->weights, (int64_t)terms->of[MS_TERM_WAITING], terms->of[MS_TERM_USAGE],
                                          range_of(servers));
    const double score = engine + ms_score_prompt(plan, 0, total, to_come);
    return -(score + ms_score_router(plan, 0, (int64_t)terms->of[MS_TERM_UNFINISHED], servers->busiest, 0.5));
}

typedef struct ms_search {
    const ms_choice *choice;
    int64_t total;
    double as_of_s;
    double best;
    ms_terms terms; /* of those who cost that, */
    int32_t count;  /* so many */
    int32_t is_mixed; /* others cost the same by other terms */
} ms_search;

static void note(ms_search *self, double cost, const ms_standing *some)
{
    if (cost < self->best || self->count == 0) {
        self->best = cost;
        self->terms = some->least;
        self->count = self->is_mixed = 0;
    }
    self->is_mixed |= !ms_terms_are_same(&self->terms, &some->least);
    self->count += (int32_t)some->count;
}

/* Who costs no more than the best so far by what is known, which is the least: who is stale is looked at. The search begins
 * anew then; with what this one costs it ends the sooner. */
static void look_at(ms_search *self, int32_t place)
{
    const ms_choice *choice = self->choice;
    double until_s;
    const ms_terms terms = terms_of(choice, choice->servers->replica[place], &until_s);
    self->best = ms_less(self->best, cost_of_terms(choice, &terms, self->total));
    ms_servers_mark(choice->servers, place);
    choice->servers->is_stale[place] = MS_LOOKED_AT;
}

/* Whether all who cost so little below a node are those with the least of all terms, as they are now. */
static int are_least(const ms_search *self, const ms_standing *here, double cost)
{
    const int is_known = here->count > 0 && here->until_s >= self->as_of_s;
    return is_known &&
           (ms_terms_are_nobodys(&here->next) || cost_of_terms(self->choice, &here->next, self->total) > cost);
}

static void weigh_below(ms_search *self, int32_t level, int32_t i)
{
    const ms_standings *standings = &self->choice->servers->standings;
    const ms_standing *here = &standings->node[standings->tree.first[level] + i];
    if (ms_terms_are_nobodys(&here->least)) {
        return;
    }
    const double cost = cost_of_terms(self->choice, &here->least, self->total);
    if (cost > self->best) {
        return;
    }
    if (are_least(self, here, cost)) {
        note(self, cost, here);
        return;
    }
    if (level == 0) {
        look_at(self, i);
        return;
    }
    for (int32_t k = 0; k < 8; k++) {
        weigh_below(self, level - 1, 8 * i + k);
    }
}

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
        const ms_terms terms = terms_of(choice, replica, &until_s);
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

/* Any one of them and of `matched` places in `scratch`. */
static int32_t pick_equal(const ms_search *self, int32_t matched)
{
    const ms_servers *servers = self->choice->servers;
    const int32_t *places = self->choice->fleet->scratch;
    const int32_t k = ms_choice_draw(self->choice, 0, self->count + matched);
    int32_t passed = 0;
    for (; passed < matched; passed++) {
        const int32_t alike = self->count > 0 ? ms_standings_before(&servers->standings, &self->terms, places[passed]) : 0;
        const int32_t before = alike + passed;
        if (k == before) {
            return servers->replica[places[passed]];
        }
        if (k < before) {
            break;
        }
    }
    return servers->replica[ms_standings_at(&servers->standings, &self->terms, k - passed)];
}

static int32_t best_standing(const ms_choice *self, int32_t n, int64_t total, ms_known *known)
{
    const ms_listed listed = list_of(self, n, known);
    const double best = price(self, listed, total, known);
    const ms_search anew = {.choice = self, .total = total, .as_of_s = ms_choice_as_of_s(self), .best = best};
    ms_search search = anew;
    weigh_below(&search, self->servers->standings.tree.top, 0);
    while (self->servers->n_stale > 0) {
        update_standings(self);
        search = anew;
        weigh_below(&search, self->servers->standings.tree.top, 0);
    }
    return search.is_mixed ? -1 : pick_equal(&search, gather_listed(&search, listed));
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
static double cost_below(const ms_choice *self, int32_t node, int64_t total)
{
    const ms_servers *servers = self->servers;
    if (servers->standings.node == NULL) {
        return servers->loads.values[node];
    }
    return cost_of_terms(self, &servers->standings.node[node].least, total);
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
    const double cost = cost_of(choice, replica, self->total, &self->known);
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
            cold_at_least(self, cost_below(self->choice, node, self->total), part.rank) > self->best) {
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
    const double least = cost_below(self, ms_eights_root(&servers->nevers.tree), total);
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

int32_t ms_scored_index_best(const ms_choice *self, int32_t n, int64_t total)
{
    const ms_score_weights *weights = &self->fleet->dispatch.weights;
    const ms_ties *others = &self->servers->loads;
    const int are_standing = self->servers->standings.node != NULL;
    if (ms_weights_are_of_tokens_alone(weights)) {
        return by_prefills(self, n, total);
    }
    if (are_standing) {
        update_standings(self);
    } else {
        update(self);
    }
    ms_known known = {.bound = ms_score_bound(self), .most = self->servers->busiest};
    known.is_cold = weights->no_hit_lru > 0.0 && ms_score_is_cold(self, n);
    if (known.is_cold) {
        return n == 0 ? coldest(self, total, &known) : -1;
    }
    return are_standing ? best_standing(self, n, total, &known) : best_with(self, n, total, others, ms_ties_least(others), &known);
}
