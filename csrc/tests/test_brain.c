#include "brain.h"

#include <string.h>

#include "check.h"
#include "error.h"

enum { MODELS = 5, FEATURES = 211, REQUESTS = 4000 };

static const double alphas[] = {0.7, 0.5, 0.9};

/* What the policy was shown last; it answers `answer`. */
static struct {
    int64_t request, step, tenant, models, dimensions, answer, calls;
    double alpha, queue, scores[MODELS], costs[MODELS], loads[MODELS], facts[MODELS], features[FEATURES];
    double uniforms[2];
} seen;

static int64_t watch(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
                     double alpha, double queue, const double *scores, const double *costs,
                     const double *loads, const double *facts, const double *features, const double *uniforms,
                     const double *params, double *state)
{
    (void)params, (void)state;
    seen.request = request;
    seen.step = step;
    seen.tenant = tenant;
    seen.dimensions = dimensions;
    seen.models = models;
    seen.alpha = alpha;
    seen.queue = queue;
    seen.calls++;
    for (int64_t m = 0; m < models; m++) {
        seen.scores[m] = scores[m];
        seen.costs[m] = costs[m];
        seen.loads[m] = loads[m];
        seen.facts[m] = facts[m];
    }
    for (int64_t j = 0; j < dimensions; j++) {
        seen.features[j] = features[j];
    }
    seen.uniforms[0] = uniforms[0];
    seen.uniforms[1] = uniforms[1];
    return seen.answer;
}

static double features[FEATURES * REQUESTS], known_costs[MODELS * REQUESTS], satisfied[MODELS * REQUESTS],
    uniforms[2 * REQUESTS];

static void fill(double *x, int n, uint64_t seed)
{
    lcg chance = {seed};
    for (int i = 0; i < n; i++) {
        x[i] = 2.0 * lcg_unit(&chance) - 1.0;
    }
}

/* Requests first ... first + n - 1 of the columns as a page of their own, packed. */
typedef struct packed {
    double features[FEATURES * REQUESTS];
    double known_costs[MODELS * REQUESTS];
    double satisfied[MODELS * REQUESTS];
    ms_page_view view;
} packed;

static void pack(packed *page, int64_t first, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        for (int j = 0; j < FEATURES; j++) {
            page->features[j * n + i] = features[j * REQUESTS + first + i];
        }
        for (int m = 0; m < MODELS; m++) {
            page->known_costs[m * n + i] = known_costs[m * REQUESTS + first + i];
            page->satisfied[m * n + i] = satisfied[m * REQUESTS + first + i];
        }
    }
    page->view = (ms_page_view){.n = n,
                                .features = page->features,
                                .known_costs = page->known_costs,
                                .uniforms = uniforms + 2 * first};
}

static void make_of(ms_brain *brain, int32_t models, int is_in_turn)
{
    CHECK(ms_brain_init(brain, models, 3, FEATURES, alphas, 1.0, 0, is_in_turn) == 0);
    brain->policy = (ms_policy){.decide = watch, .uniforms = 2};
    fill(features, FEATURES * REQUESTS, 1);
    fill(known_costs, MODELS * REQUESTS, 2);
    fill(satisfied, MODELS * REQUESTS, 3);
    fill(uniforms, 2 * REQUESTS, 4);
}

static void make(ms_brain *brain)
{
    make_of(brain, MODELS, 1);
}

static void make_learning(ms_brain *brain, ms_predictor *predictor, int32_t models, int is_in_turn)
{
    make_of(brain, models, is_in_turn);
    CHECK(ms_predictor_init(predictor, models, FEATURES) == 0);
    predictor->learning_rate = 0.3;
    brain->predictor = predictor;
}

static const double no_loads[MODELS] = {0};

/* ---- scores --------------------------------------------------------------------------------------- */

static int scored_alone(const ms_predictor *predictor, int64_t request)
{
    double alone[MODELS];
    ms_predictor_score(predictor, features + request, REQUESTS, 1, alone, 1);
    int same = 1;
    for (int m = 0; m < MODELS; m++) {
        same = same && same_bits(alone[m], seen.scores[m]);
    }
    return same;
}

/* Pages of several lengths; the predictor learns with a chance of 1 in `rarely` after a request. */
static void score_all(int64_t page_length, int64_t rarely, int is_in_turn)
{
    static packed page;
    ms_brain brain;
    ms_predictor predictor;
    make_learning(&brain, &predictor, MODELS, is_in_turn);
    lcg chance = {(uint64_t)(page_length * 1000 + rarely)};
    for (int64_t first = 0; first < REQUESTS; first += page_length) {
        const int64_t n = REQUESTS - first < page_length ? REQUESTS - first : page_length;
        pack(&page, first, n);
        ms_brain_turn_page(&brain);
        for (int64_t i = 0; i < n; i++) {
            CHECK(ms_brain_decide(&brain, &page.view, i, first + i, 0, no_loads) == seen.answer);
            CHECK(scored_alone(&predictor, first + i));
            if (lcg_between(&chance, 1, rarely) == 1) {
                double x[FEATURES], labels[MODELS];
                fill(x, FEATURES, (uint64_t)i);
                for (int m = 0; m < MODELS; m++) {
                    labels[m] = lcg_between(&chance, 0, 2) == 0 ? NAN : (double)lcg_between(&chance, 0, 1);
                }
                ms_predictor_learn(&predictor, x, labels);
            }
        }
    }
    ms_predictor_free(&predictor);
    ms_brain_free(&brain);
}

static void scores_are_made_by_the_weights_of_the_decision(void)
{
    score_all(REQUESTS, 1000000, 1);
    score_all(REQUESTS, 10, 1);
    score_all(REQUESTS, 1, 1);
    score_all(97, 30, 1);
    score_all(1, 3, 1);
    score_all(97, 30, 0);
}

static void lesson_of(int64_t request, double *x, double *labels)
{
    lcg chance = {(uint64_t)request};
    for (int j = 0; j < FEATURES; j++) {
        x[j] = features[j * REQUESTS + request];
    }
    for (int m = 0; m < MODELS; m++) {
        labels[m] = lcg_between(&chance, 0, 2) == 0 ? NAN : (double)lcg_between(&chance, 0, 1);
    }
}

/* Lessons on the request decided last, whose scores are there, and on an earlier one, before it or after. */
static void a_step_does_not_depend_on_who_scored(void)
{
    static packed page;
    ms_brain brain;
    ms_predictor own, alone;
    make(&brain);
    brain.policy = (ms_policy){.decide = watch, .uniforms = 2};
    CHECK(ms_predictor_init(&own, MODELS, FEATURES) == 0 && ms_predictor_init(&alone, MODELS, FEATURES) == 0);
    own.learning_rate = alone.learning_rate = 0.3;
    brain.predictor = &own;
    pack(&page, 0, REQUESTS);
    ms_brain_turn_page(&brain);
    lcg chance = {77};
    int same = 1;
    for (int64_t i = 1; i < REQUESTS; i++) {
        if (lcg_between(&chance, 0, 1) == 0) {
            ms_brain_decide(&brain, &page.view, i, i, 0, no_loads);
        } else {
            ms_brain_decide_again(&brain, &page.view, i, i, 0, no_loads, uniforms);
        }
        const int order = (int)lcg_between(&chance, 0, 3);
        for (int k = 0; k < 2; k++) {
            const int64_t whom = (order + k) % 2 == 0 ? i : i - 1;
            double x[FEATURES], labels[MODELS];
            lesson_of(whom, x, labels);
            if (order > 0) {
                CHECK(ms_brain_learn(&brain, whom, 0, x, labels, -1) == 0);
                ms_predictor_learn(&alone, x, labels);
            }
        }
        same = same && memcmp(own.weights, alone.weights, sizeof(double) * MODELS * FEATURES) == 0;
        same = same && memcmp(own.bias, alone.bias, sizeof(double) * MODELS) == 0;
    }
    CHECK(same);
    ms_predictor_free(&own);
    ms_predictor_free(&alone);
    ms_brain_free(&brain);
}

static int64_t first_of_all(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
                            double alpha, double queue, const double *scores, const double *costs,
                            const double *loads, const double *facts, const double *x, const double *u,
                            const double *params, double *state)
{
    (void)request, (void)step, (void)tenant, (void)models, (void)dimensions, (void)alpha, (void)queue, (void)scores;
    (void)costs, (void)loads, (void)facts, (void)x, (void)u, (void)params, (void)state;
    return 0;
}

/* Many heads, the last tile not full, one of which learns now and then. */
static void every_one_of_many_heads_has_its_own_scores(void)
{
    enum { HEADS = 130, N = 600 };
    static double x[FEATURES * N], costs[HEADS * N], none[2 * N], labels[HEADS], loads[HEADS];
    const double one[FEATURES] = {0.5, -0.25, 1.0};
    lcg chance = {7};
    fill(x, FEATURES * N, 3);
    ms_predictor predictor;
    ms_brain brain;
    CHECK(ms_predictor_init(&predictor, HEADS, FEATURES) == 0);
    CHECK(ms_brain_init(&brain, HEADS, 1, 0, alphas, 1.0, 0, 1) == 0);
    predictor.learning_rate = 0.5;
    brain.predictor = &predictor;
    brain.policy.decide = first_of_all;
    const ms_page_view view = {.n = N, .features = x, .known_costs = costs, .uniforms = none};
    for (int64_t i = 0; i < N; i++) {
        double expected[HEADS];
        CHECK(ms_brain_decide(&brain, &view, i, i, 0, loads) == 0);
        ms_predictor_score(&predictor, x + i, N, 1, expected, 1);
        CHECK(memcmp(expected, brain.scores, sizeof expected) == 0);
        if (lcg_between(&chance, 0, 5) == 0) {
            for (int m = 0; m < HEADS; m++) {
                labels[m] = NAN;
            }
            labels[lcg_between(&chance, 0, HEADS - 1)] = 1.0;
            ms_predictor_learn(&predictor, one, labels);
        }
    }
    ms_brain_free(&brain);
    ms_predictor_free(&predictor);
}

static void without_a_predictor_every_score_is_a_half(void)
{
    static packed page;
    ms_brain brain;
    make(&brain);
    pack(&page, 0, 3);
    for (int64_t i = 0; i < 3; i++) {
        ms_brain_decide(&brain, &page.view, i, i, 0, no_loads);
        for (int m = 0; m < MODELS; m++) {
            CHECK(seen.scores[m] == 0.5);
        }
    }
    ms_brain_free(&brain);
}

/* ---- what a policy is shown ----------------------------------------------------------------------- */

static void a_policy_sees_its_request(void)
{
    static packed page;
    ms_brain brain;
    make(&brain);
    pack(&page, 100, 50);
    page.features[FEATURES * 50] = 7.0; /* of nobody */
    const double loads[MODELS] = {0.0, 0.1, 0.2, 0.3, 0.4};
    ms_brain_rate(&brain, 0, 0, 1, 0.25);
    seen.answer = -7; /* handed on as it is */
    for (int64_t i = 0; i < 50; i++) {
        CHECK(ms_brain_decide(&brain, &page.view, i, 100 + i, 1, loads) == -7);
        CHECK(seen.request == 100 + i && seen.step == i + 1 && seen.models == MODELS);
        CHECK(seen.tenant == 1 && seen.alpha == 0.5 && seen.queue == 0.25);
        CHECK(seen.dimensions == FEATURES);
        for (int j = 0; j < FEATURES; j++) {
            CHECK(seen.features[j] == features[j * REQUESTS + 100 + i]);
        }
        CHECK(brain.features[FEATURES] == 0.0);
        CHECK(seen.uniforms[0] == uniforms[2 * (100 + i)] && seen.uniforms[1] == uniforms[2 * (100 + i) + 1]);
        for (int m = 0; m < MODELS; m++) {
            CHECK(seen.loads[m] == loads[m]);
            CHECK(seen.costs[m] == known_costs[m * REQUESTS + 100 + i]);
            CHECK(seen.facts[m] == 0.0); /* it is not told */
        }
    }
    page.view.facts = page.satisfied;
    for (int64_t i = 0; i < 50; i++) {
        ms_brain_decide(&brain, &page.view, i, 100 + i, 2, loads);
        CHECK(seen.alpha == 0.9 && seen.queue == 0.0);
        for (int m = 0; m < MODELS; m++) {
            CHECK(seen.facts[m] == satisfied[m * REQUESTS + 100 + i]);
        }
    }
    const double others[] = {0.25, 0.75};
    CHECK(ms_brain_decide_again(&brain, &page.view, 7, 107, 1, loads, others) == -7); /* with other draws */
    CHECK(seen.request == 107 && seen.step == 101 && seen.tenant == 1 && seen.loads[4] == 0.4);
    CHECK(seen.uniforms[0] == 0.25 && seen.costs[2] == known_costs[2 * REQUESTS + 107]);
    CHECK(seen.features[0] == features[107] && seen.facts[1] == satisfied[REQUESTS + 107]);
    seen.answer = 0;
    ms_brain_free(&brain);
}

/* ---- estimates of cost ------------------------------------------------------------------------------ */

static double estimate_of(ms_brain *brain, const packed *page, int32_t model)
{
    ms_brain_decide(brain, &page->view, 0, 0, 0, no_loads);
    return seen.costs[model];
}

static void known_costs_are_not_learnt(void)
{
    static packed page;
    ms_brain brain;
    make(&brain);
    pack(&page, 0, 1);
    brain.prior = 50.0;
    ms_brain_learn_cost(&brain, 2, 8.0, 1);
    CHECK(estimate_of(&brain, &page, 2) == known_costs[2 * REQUESTS]);
    ms_brain_free(&brain);
}

static void a_mean_is_over_all_copies(void)
{
    static packed page;
    ms_brain brain;
    make(&brain);
    pack(&page, 0, 1);
    brain.estimate = MS_ESTIMATE_MEAN;
    CHECK(estimate_of(&brain, &page, 2) == known_costs[2 * REQUESTS]); /* no prior, nothing observed */
    brain.prior = 50.0;
    CHECK(estimate_of(&brain, &page, 2) == 50.0);
    ms_brain_learn_cost(&brain, 2, 8.0, 0);
    CHECK(estimate_of(&brain, &page, 2) == 8.0);
    ms_brain_learn_cost(&brain, 2, 3.0, 1);
    ms_brain_learn_cost(&brain, 2, 2.5, 0);
    CHECK(estimate_of(&brain, &page, 2) == 4.5);
    CHECK(estimate_of(&brain, &page, 1) == 50.0);
    ms_brain_free(&brain);
}

/* Of five models 0, 2 and 4 cannot be had: a more capable one takes the request, or else the next less capable. */
static void a_plan_for_what_cannot_be_had_goes_elsewhere(void)
{
    const double costs[] = {INFINITY, 5.0, INFINITY, 1.0, INFINITY};
    const int64_t above[] = {1, 1, 3, 3, 5}, destined[] = {1, 1, 3, 3, 3};
    for (int64_t m = 0; m < 5; m++) {
        CHECK(ms_brain_substitute(m, 5, costs) == above[m]);
        CHECK(ms_brain_destined(m, 5, costs) == destined[m]);
        CHECK(ms_brain_destined(MS_PLAN_EXPLORE | m, 5, costs) == (MS_PLAN_EXPLORE | destined[m]));
        CHECK(ms_brain_destined(MS_PLAN_CHAIN | m, 5, costs) == (MS_PLAN_CHAIN | destined[m]));
    }
    CHECK(ms_brain_substitute(5, 5, costs) == 5);
    CHECK(ms_brain_destined(MS_PLAN_ALL, 5, costs) == MS_PLAN_ALL);
}

static void what_cannot_be_had_has_no_other_estimate(void)
{
    ms_brain brain;
    make(&brain);
    brain.prior = 2.0;
    brain.estimate = MS_ESTIMATE_MEAN;
    ms_brain_learn_cost(&brain, 1, 7.0, 1);
    packed page;
    pack(&page, 0, 10);
    page.known_costs[1 * 10 + 3] = INFINITY;
    ms_brain_decide(&brain, &page.view, 3, 3, 1, no_loads);
    CHECK(seen.costs[0] == 2.0 && seen.costs[1] == INFINITY);
    ms_brain_decide(&brain, &page.view, 4, 4, 1, no_loads);
    CHECK(seen.costs[1] == 7.0);
    ms_brain_free(&brain);
}

static void the_last_explored_cost_stands_until_the_next(void)
{
    static packed page;
    ms_brain brain;
    make(&brain);
    pack(&page, 0, 1);
    brain.estimate = MS_ESTIMATE_LAST_EXPLORED;
    CHECK(estimate_of(&brain, &page, 3) == known_costs[3 * REQUESTS]);
    brain.prior = 0.0; /* a prior of 0 is one */
    CHECK(estimate_of(&brain, &page, 3) == 0.0);
    ms_brain_learn_cost(&brain, 3, 8.0, 0);
    CHECK(estimate_of(&brain, &page, 3) == 0.0);
    ms_brain_learn_cost(&brain, 3, 6.0, 1);
    ms_brain_learn_cost(&brain, 3, 7.0, 0);
    CHECK(estimate_of(&brain, &page, 3) == 6.0);
    ms_brain_learn_cost(&brain, 3, 5.0, 1);
    CHECK(estimate_of(&brain, &page, 3) == 5.0);
    CHECK(estimate_of(&brain, &page, 4) == 0.0);
    ms_brain_free(&brain);
}

/* ---- ratings ------------------------------------------------------------------------------------------ */

static struct {
    int64_t request, tenant, model, calls, answer;
    double alpha, satisfaction, queue;
} heard;

static int64_t listen(int64_t request, int64_t tenant, int64_t model, double alpha, double satisfaction,
                      double queue, const double *params, double *state)
{
    (void)params, (void)state;
    heard.tenant = tenant;
    heard.alpha = alpha;
    heard.request = request;
    heard.model = model;
    heard.satisfaction = satisfaction;
    heard.queue = queue;
    heard.calls++;
    return heard.answer;
}

static void a_rating_moves_its_tenants_queue(void)
{
    ms_brain brain;
    make(&brain);
    brain.policy.rated = listen;
    heard.calls = heard.answer = 0;
    CHECK(ms_brain_rate(&brain, 6, 2, 0, 0.5) == 0);
    CHECK(heard.tenant == 0 && heard.alpha == 0.7);
    CHECK(heard.calls == 1 && heard.request == 6 && heard.model == 2 && heard.satisfaction == 0.5);
    CHECK(heard.queue == 0.7 - 0.5 && heard.queue == brain.tracked[0].queue); /* it counts this rating */
    CHECK(brain.tracked[0].rated == 1 && brain.tracked[1].rated == 0 && brain.tracked[2].rated == 0);
    heard.answer = -3;
    CHECK(ms_brain_rate(&brain, 7, 2, 2, 0.5) == -3);
    brain.policy.rated = NULL;
    CHECK(ms_brain_rate(&brain, 8, 2, 2, 0.5) == 0);
    CHECK(brain.tracked[2].rated == 2);
    ms_brain_free(&brain);
}

static void tenants_have_the_ledgers_that_were_asked_for(void)
{
    ms_brain brain;
    CHECK(ms_brain_init(&brain, 2, 3, 0, alphas, 0.5, 0, 1) == 0);
    for (int k = 0; k < 3; k++) {
        CHECK(brain.tracked[k].alpha == alphas[k] && brain.tracked[k].discount == 0.5);
    }
    ms_brain_free(&brain);
    CHECK(ms_brain_init(&brain, 2, 3, 0, alphas, 1.0, 16, 1) == 0);
    CHECK(brain.tracked[2].window == 16 && brain.tracked[1].recent != brain.tracked[2].recent);
    ms_brain_free(&brain);
    CHECK(brain.tracked == NULL);
    CHECK(ms_brain_init(&brain, 2, 3, 0, alphas, 1.0, (int64_t)1 << 50, 1) == MS_ERR_MEMORY);
    ms_brain_free(&brain);
}

/* Another page, or weights that a reconciliation has changed: a lesson on the request that was decided last does not use
 * the scores that it got then. */
static void a_page_that_is_turned_forgets_the_last_scores(void)
{
    static packed page;
    ms_brain brain;
    ms_predictor own, alone;
    double x[FEATURES], labels[MODELS] = {1.0, 0.0, 1.0, 0.0, 1.0};
    make(&brain);
    CHECK(ms_predictor_init(&own, MODELS, FEATURES) == 0 && ms_predictor_init(&alone, MODELS, FEATURES) == 0);
    own.learning_rate = alone.learning_rate = 0.3;
    brain.predictor = &own;
    pack(&page, 0, 8);
    ms_brain_turn_page(&brain);
    ms_brain_decide(&brain, &page.view, 5, 5, 0, no_loads);
    CHECK(brain.scored_request == 5);
    for (int m = 0; m < MODELS; m++) {
        own.bias[m] = alone.bias[m] = 0.25 * (m + 1);
    }
    ms_brain_turn_page(&brain);
    CHECK(brain.scored_request == -1);
    lesson_of(5, x, labels);
    labels[0] = 1.0;
    CHECK(ms_brain_learn(&brain, 5, 0, x, labels, -1) == 0);
    ms_predictor_learn(&alone, x, labels);
    CHECK(memcmp(own.bias, alone.bias, sizeof(double) * MODELS) == 0);
    CHECK(memcmp(own.weights, alone.weights, sizeof(double) * MODELS * FEATURES) == 0);
    ms_predictor_free(&own);
    ms_predictor_free(&alone);
    ms_brain_free(&brain);
}

/* By the prompt of the request and the place where it would go; models without servers have their known costs. Models are more
 * than tenants, or fewer. */
static void marginal_costs_are_those_of_the_request(void)
{
    static packed page;
    const int32_t prompts[] = {3, 40, 7};
    const ms_server_cost servers[] = {
        {.model = 1,
         .pool = 4,
         .places = 8.0,
         .decoder_tokens = 1.0,
         .known = {.coefficients = {.a0_s = 2.0, .c1_s_per_token = 0.25, .p0_w = 1.0, .p_cap_w = 100.0},
                   .max_batched_tokens = 16.0,
                   .nominal_batch = 2.0,
                   .mean_output_tokens = 11.0}}};
    const ms_destination to[MODELS] = {[1] = {.pool = 4, .running = 3.0, .cached = 1.0}};
    for (int32_t models = 2; models <= MODELS; models += MODELS - 2) {
        ms_brain brain;
        make_of(&brain, models, 1);
        pack(&page, 0, 3);
        page.view.prompt_tokens = prompts;
        brain.servers = servers;
        brain.n_servers = 1;
        brain.destinations = to;
        brain.prior = 50.0; /* which counts for what is observed alone */
        brain.estimate = MS_ESTIMATE_MARGINAL;
        for (int64_t i = 0; i < 3; i++) {
            ms_brain_decide(&brain, &page.view, i, i, 0, no_loads);
            CHECK(seen.costs[1] == ms_marginal_cost(servers, prompts[i], 1.0, 3.0) && seen.costs[1] > 0.0);
            for (int m = 0; m < models; m++) {
                CHECK(m == 1 || seen.costs[m] == known_costs[m * REQUESTS + i]);
                CHECK(brain.known[m] == known_costs[m * REQUESTS + i]);
            }
        }
        ms_brain_free(&brain);
    }
}

/* Rows of neighbours are gathered where these are scored next: not for who is decided again, nor where neighbours are others'. */
static void rows_are_gathered_where_neighbours_follow(void)
{
    static packed page;
    for (int c = 0; c < 3; c++) {
        const int is_in_turn = c != 1, again = c == 2;
        ms_brain brain;
        ms_predictor predictor;
        make_learning(&brain, &predictor, MODELS, is_in_turn);
        pack(&page, 0, REQUESTS);
        ms_brain_turn_page(&brain);
        if (again) {
            ms_brain_decide_again(&brain, &page.view, 3, 3, 0, no_loads, uniforms);
        } else {
            ms_brain_decide(&brain, &page.view, 3, 3, 0, no_loads);
        }
        CHECK(predictor.rows_first == 3 && predictor.rows_kept == (c == 0 ? MS_ROWS : 1));
        ms_predictor_free(&predictor);
        ms_brain_free(&brain);
    }
}

/* Right after a lesson on the last decision, if the row is there; nobody else's, and of no other
 * weights. Who is not expected is scored when it is decided. */
static void check_scores_begun(int32_t models)
{
    enum { N = 20 };
    static packed page;
    ms_brain brain;
    ms_predictor predictor;
    make_learning(&brain, &predictor, models, 1);
    pack(&page, 0, N);
    ms_brain_turn_page(&brain);
    int used = 0;
    for (int64_t i = 0; i < N; i++) {
        double x[FEATURES], labels[MODELS], fresh[MODELS];
        lesson_of(i, x, labels);
        labels[0] = 1.0;
        const int is_ahead = brain.ahead_request == i && i % 5 != 0;
        used += is_ahead;
        if (i % 5 == 0) {
            predictor.bias[1] += 0.5; /* as a reconciliation does */
            ms_brain_turn_page(&brain);
        }
        ms_predictor_score(&predictor, features + i, REQUESTS, 1, fresh, 1);
        if (i % 4 != 3) {
            ms_brain_expect(&brain, i);
            CHECK((brain.scored_request == i) == is_ahead);
        }
        ms_brain_decide(&brain, &page.view, i, i, 0, no_loads);
        CHECK(brain.scored_request == i);
        for (int m = 0; m < models; m++) {
            CHECK(same_bits(brain.scores[m], fresh[m]));
        }
        CHECK(ms_brain_learn(&brain, i % 3 == 2 ? i - 1 : i, 0, x, labels, -1) == 0);
        const int has_row = ms_predictor_row_kept(&predictor, i + 1) != NULL;
        CHECK((brain.ahead_request == i + 1) == (i % 3 != 2 && has_row));
    }
    CHECK(used > 4);
    ms_predictor_free(&predictor);
    ms_brain_free(&brain);
}

/* Models that are scored side by side, and one more. */
static void scores_begun_are_those_of_the_next_decision(void)
{
    check_scores_begun(MS_TILE);
    check_scores_begun(MODELS);
}

/* Features that are drawn when they are asked for are those of columns: for decisions in order, of earlier requests and of
 * another page, and for scores that are begun at a lesson. */
static void drawn_features_give_the_same_decisions(void)
{
    enum { N = 400, FEW = 4 };
    static packed page;
    static double difficulty[2 * N], of_page[2 * N], lesson[FEATURES]; /* no request of a page has what lies behind it */
    const ms_difficulty_law law = {{.seed = 3, .column = 9}, .signal = 0.5, .mean = 0.0, .deviation = 1.0};
    fill(difficulty, 2 * N, 12);
    for (int rarely = 1; rarely <= 300; rarely *= 30) {
        ms_brain brains[2];
        ms_predictor predictors[2];
        ms_feature_rows drawn;
        CHECK(ms_feature_rows_init(&drawn, &law, FEATURES) == 0);
        for (int k = 0; k < 2; k++) {
            make_learning(&brains[k], &predictors[k], FEW, 1);
        }
        for (int64_t first = 0; first < 2 * N; first += N) {
            pack(&page, first, N);
            ms_difficulty_columns(&law, (uint64_t)first, N, FEATURES, difficulty + first, page.features);
            ms_page_view rows = page.view;
            rows.features = NULL, rows.drawn = &drawn, rows.difficulty = of_page;
            memcpy(of_page, difficulty + first, N * sizeof *of_page);
            int equal = 1, begun = 0;
            for (int k = 0; k < 2; k++) {
                ms_brain_turn_page(&brains[k]);
            }
            for (int64_t i = 0; i < N; i++) {
                const ms_page_view *views[] = {&page.view, &rows};
                const int again = i % 7 == 6, is_behind = i % 11 == 10 && i > 20;
                const int64_t whom = is_behind ? i - 20 : i;
                double sum[2] = {0.0, 0.0};
                for (int k = 0; k < 2; k++) {
                    ms_brain_expect(&brains[k], first + whom);
                    begun += brains[k].scored_request == first + whom;
                    ms_brain_decide(&brains[k], views[k], whom, first + whom, 0, no_loads);
                    if (again) {
                        ms_brain_decide_again(&brains[k], views[k], i / 2, first + i / 2, 0, no_loads, uniforms);
                    }
                    for (int j = 0; j < FEATURES; j++) {
                        sum[k] += seen.features[j];
                        lesson[j] = page.features[j * N + whom];
                    }
                    if (i % rarely == 0) {
                        const double labels[FEW] = {i % 2 == 0, i % 3 == 0, NAN, 1.0};
                        CHECK(ms_brain_learn(&brains[k], first + whom, 0, lesson, labels, -1) == 0);
                    }
                }
                equal &= same_bits(sum[0], sum[1]) && memcmp(brains[0].scores, brains[1].scores, FEW * sizeof(double)) == 0;
            }
            CHECK(equal);
            CHECK(rarely > 1 || begun > N);
        }
        for (int k = 0; k < 2; k++) {
            ms_predictor_free(&predictors[k]);
            ms_brain_free(&brains[k]);
        }
        ms_feature_rows_free(&drawn);
    }
}

int main(void)
{
    RUN(drawn_features_give_the_same_decisions);
    RUN(scores_begun_are_those_of_the_next_decision);
    RUN(scores_are_made_by_the_weights_of_the_decision);
    RUN(a_step_does_not_depend_on_who_scored);
    RUN(every_one_of_many_heads_has_its_own_scores);
    RUN(without_a_predictor_every_score_is_a_half);
    RUN(a_policy_sees_its_request);
    RUN(known_costs_are_not_learnt);
    RUN(a_mean_is_over_all_copies);
    RUN(a_plan_for_what_cannot_be_had_goes_elsewhere);
    RUN(what_cannot_be_had_has_no_other_estimate);
    RUN(the_last_explored_cost_stands_until_the_next);
    RUN(a_rating_moves_its_tenants_queue);
    RUN(tenants_have_the_ledgers_that_were_asked_for);
    RUN(a_page_that_is_turned_forgets_the_last_scores);
    RUN(marginal_costs_are_those_of_the_request);
    RUN(rows_are_gathered_where_neighbours_follow);
    return report();
}
