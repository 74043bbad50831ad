#include "brain.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"

int ms_brain_init(ms_brain *self, int32_t models, int32_t tenants, int32_t dimensions, const double *alphas,
                  double discount, int64_t window, int is_in_turn)
{
    const size_t m = (size_t)models, heads = (size_t)ms_predictor_heads(models);
    *self = (ms_brain){.models = models, .tenants = tenants, .dimensions = dimensions, .prior = NAN,
                       .is_in_turn = is_in_turn};
    self->tracked = calloc((size_t)tenants, sizeof *self->tracked);
    self->cost_sums = calloc(m, sizeof(double));
    self->cost_counts = calloc(m, sizeof(int64_t));
    self->last_costs = calloc(m, sizeof(double));
    self->scores = calloc(heads, sizeof(double));
    self->ahead = calloc(heads, sizeof(double));
    self->costs = calloc(m, sizeof(double));
    self->known = calloc(m, sizeof(double));
    self->facts = calloc(m, sizeof(double));
    self->features = calloc((size_t)dimensions + 1, sizeof(double));
    if (self->tracked == NULL || self->cost_sums == NULL || self->cost_counts == NULL || self->last_costs == NULL ||
        self->scores == NULL || self->ahead == NULL || self->costs == NULL || self->known == NULL ||
        self->facts == NULL || self->features == NULL) {
        return MS_ERR_MEMORY;
    }
    for (int32_t i = 0; i < tenants; i++) {
        MS_TRY(ms_ledger_init(&self->tracked[i], alphas[i], discount, window));
    }
    for (int32_t i = 0; i < models; i++) {
        self->last_costs[i] = NAN;
        self->scores[i] = 0.5;
    }
    ms_brain_turn_page(self);
    return 0;
}

void ms_brain_free(ms_brain *self)
{
    for (int32_t i = 0; i < self->tenants && self->tracked != NULL; i++) {
        ms_ledger_free(&self->tracked[i]);
    }
    free(self->tracked);
    free(self->cost_sums);
    free(self->cost_counts);
    free(self->last_costs);
    free(self->scores);
    free(self->ahead);
    free(self->costs);
    free(self->known);
    free(self->facts);
    free(self->features);
    *self = (ms_brain){0};
}

void ms_brain_turn_page(ms_brain *self)
{
    self->scored_request = self->ahead_request = -1;
    self->rows_end = 0;
    if (self->predictor != NULL) {
        ms_predictor_forget_rows(self->predictor);
    }
}

/* Of the i-th request of a page; those after it are likely to be asked for next where it is `in_turn`. */
static const double *row_of(ms_brain *self, const ms_page_view *page, int64_t i, int64_t request, int in_turn)
{
    const ms_stretch features = ms_page_view_features(page, i, request);
    const int64_t n = in_turn && self->is_in_turn ? features.n : 1;
    const double *row = ms_predictor_row(self->predictor, request, features.x, features.stride, n);
    self->rows = row;
    self->rows_first = request;
    self->rows_end = row == features.x ? request + n : 0;
    return row;
}

/* What was observed of a model's costs, or the prior. */
static double observed(const ms_brain *self, int32_t m, double known)
{
    const double last = self->last_costs[m];
    if (self->estimate == MS_ESTIMATE_MEAN && self->cost_counts[m] > 0) {
        return self->cost_sums[m] / (double)self->cost_counts[m];
    }
    if (self->estimate == MS_ESTIMATE_LAST_EXPLORED && last == last) {
        return last;
    }
    return self->prior == self->prior ? self->prior : known;
}

static void estimate_costs(ms_brain *self, const ms_page_view *page, int64_t i)
{
    const double *known = page->known_costs + ms_page_view_at(page, i);
    const int64_t step = ms_page_view_step(page);
    for (int32_t m = 0; m < self->models; m++) {
        self->known[m] = self->costs[m] = known[m * step];
    }
    const int observes = self->estimate == MS_ESTIMATE_MEAN || self->estimate == MS_ESTIMATE_LAST_EXPLORED;
    for (int32_t m = 0; m < self->models && observes; m++) {
        if (self->known[m] < INFINITY) {
            self->costs[m] = observed(self, m, self->known[m]);
        }
    }
    if (self->estimate == MS_ESTIMATE_MARGINAL) {
        ms_marginal_costs(self->servers, self->n_servers, self->models, (double)page->prompt_tokens[i],
                          self->destinations, self->known, self->costs);
    }
}

/* Scores are made. */
static int64_t ask(ms_brain *self, const ms_page_view *page, int64_t i, int64_t request, int32_t tenant,
                   const double *loads)
{
    estimate_costs(self, page, i);
    for (int32_t m = 0; m < self->models && page->facts != NULL; m++) {
        self->facts[m] = page->facts[ms_page_view_at(page, i) + m * ms_page_view_step(page)];
    }
    if (self->dimensions > 0) {
        const ms_stretch features = ms_page_view_features(page, i, request);
        for (int32_t j = 0; j < self->dimensions; j++) {
            self->features[j] = features.x[j * features.stride];
        }
    }
    self->step++;
    const ms_ledger *ledger = &self->tracked[tenant];
    const ms_policy *policy = &self->policy;
    return policy->decide(request, self->step, tenant, self->models, self->dimensions, ledger->alpha,
                          ledger->queue, self->scores, self->costs, loads, self->facts, self->features,
                          self->uniforms, policy->params, policy->state);
}

static void note_scored(ms_brain *self, int64_t request)
{
    self->scored_request = request;
    self->scored_version = self->predictor->version;
}

/* Whether the scores at hand are this request's, by the weights of now. */
static int has_scores_of(const ms_brain *self, int64_t request)
{
    return self->scored_request == request && self->scored_version == self->predictor->version;
}

/* Labels that come at once change the weights right before the next decision. From them to its scores is a long way of
 * one operation after another, while the answer's other work and the next arrival's wait for none of it: the sums are
 * begun here, and scores are made of them when the request comes. */
static void begin_scores(ms_brain *self, int64_t request)
{
    const int is_there = request >= self->rows_first && request < self->rows_end;
    const double *row = is_there ? self->rows + (request - self->rows_first) * self->predictor->features
                                 : ms_predictor_row_kept(self->predictor, request);
    if (row != NULL) {
        ms_predictor_logits_row(self->predictor, row, self->ahead);
        self->ahead_request = request;
        self->ahead_version = self->predictor->version;
    }
}

void ms_brain_expect(ms_brain *self, int64_t request)
{
    if (self->predictor != NULL && self->ahead_request == request && self->ahead_version == self->predictor->version) {
        ms_predictor_scores_of(self->models, self->ahead, self->scores);
        note_scored(self, request);
    }
}

int64_t ms_brain_decide(ms_brain *self, const ms_page_view *page, int64_t i, int64_t request, int32_t tenant,
                        const double *loads)
{
    if (self->predictor != NULL && !has_scores_of(self, request)) {
        ms_predictor_score_row(self->predictor, row_of(self, page, i, request, 1), self->scores);
        note_scored(self, request);
    }
    self->uniforms = page->uniforms + self->policy.uniforms * i;
    return ask(self, page, i, request, tenant, loads);
}

int64_t ms_brain_decide_again(ms_brain *self, const ms_page_view *page, int64_t i, int64_t request, int32_t tenant,
                              const double *loads, const double *uniforms)
{
    if (self->predictor != NULL) {
        ms_predictor_score_row(self->predictor, row_of(self, page, i, request, 0), self->scores);
        note_scored(self, request);
    }
    self->uniforms = uniforms;
    return ask(self, page, i, request, tenant, loads);
}

int64_t ms_brain_substitute(int64_t model, int64_t models, const double *costs)
{
    while (model < models && !(costs[model] < INFINITY)) {
        model++;
    }
    return model;
}

int64_t ms_brain_destined(int64_t plan, int64_t models, const double *costs)
{
    int64_t model = plan & MS_PLAN_MODEL;
    if (plan == MS_PLAN_ALL || costs[model] < INFINITY) {
        return plan;
    }
    const int64_t flags = plan - model, above = ms_brain_substitute(model, models, costs);
    if (above < models) {
        return flags | above;
    }
    while (model > 0 && !(costs[model] < INFINITY)) {
        model--;
    }
    return flags | model;
}

void ms_brain_learn_cost(ms_brain *self, int32_t model, double cost, int explored)
{
    self->cost_sums[model] += cost;
    self->cost_counts[model]++;
    if (explored) {
        self->last_costs[model] = cost;
    }
}

int64_t ms_brain_learn(ms_brain *self, int64_t request, int32_t tenant, const double *features, const double *labels,
                       int32_t only)
{
    if (self->predictor != NULL) {
        const double *scores = has_scores_of(self, request) ? self->scores : NULL; /* as where labels come at once */
        if (only >= 0) {
            ms_predictor_learn_one(self->predictor, features, only, labels[only], scores);
        } else {
            ms_predictor_learn_scored(self->predictor, features, labels, scores);
        }
        if (scores != NULL) {
            begin_scores(self, request + 1);
        }
    }
    const ms_policy *policy = &self->policy;
    return policy->learn == NULL ? 0
                                 : policy->learn(request, tenant, self->models, self->dimensions, features,
                                                 labels, policy->params, policy->state);
}

int64_t ms_brain_rate(ms_brain *self, int64_t request, int32_t model, int32_t tenant, double label)
{
    ms_ledger *ledger = &self->tracked[tenant];
    ms_ledger_rate(ledger, label);
    if (self->policy.rated == NULL) {
        return 0;
    }
    return self->policy.rated(request, tenant, model, ledger->alpha, label, ledger->queue,
                              self->policy.params, self->policy.state);
}
