#include "brain.h"

#include <math.h>
#include <stdlib.h>

#include "error.h"

enum { MS_BLOCK_LEAST = 32, MS_SINGLES = 4, MS_FEW_WEIGHTS = 1024 };

int ms_brain_init(ms_brain *self, int32_t models, int32_t tenants, int32_t dimensions, const double *alphas,
                  double discount, int64_t window, int64_t block_most)
{
    const size_t m = (size_t)models;
    *self = (ms_brain){.models = models, .tenants = tenants, .dimensions = dimensions, .prior = NAN,
                       .block_most = block_most};
    self->tracked = calloc((size_t)tenants, sizeof *self->tracked);
    self->cost_sums = calloc(m, sizeof(double));
    self->cost_counts = calloc(m, sizeof(int64_t));
    self->last_costs = calloc(m, sizeof(double));
    self->block = calloc(m * (size_t)block_most, sizeof(double));
    self->scored = calloc(m, sizeof *self->scored);
    self->scores = calloc(m, sizeof(double));
    self->ahead = calloc(m, sizeof(double));
    self->costs = calloc(m, sizeof(double));
    self->known = calloc(m, sizeof(double));
    self->facts = calloc(m, sizeof(double));
    self->features = calloc((size_t)dimensions + 1, sizeof(double));
    if (self->tracked == NULL || self->cost_sums == NULL || self->cost_counts == NULL || self->last_costs == NULL ||
        self->block == NULL || self->scored == NULL || self->scores == NULL || self->ahead == NULL ||
        self->costs == NULL || self->known == NULL || self->facts == NULL || self->features == NULL) {
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
    free(self->block);
    free(self->scored);
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
    for (int32_t m = 0; m < self->models; m++) {
        self->scored[m] = (ms_scored){0};
    }
}

static int stands(const ms_brain *self, int32_t model, int64_t i)
{
    const ms_scored *scored = &self->scored[model];
    return i >= scored->first && i < scored->end && scored->version == self->predictor->versions[model];
}

/* How many requests the next block of a head takes: one by one while steps come quickly, else longer and longer. A block
 * costs about as much as MS_SINGLES requests one by one, of the same bits. */
static int64_t block_length(const ms_scored *scored, int64_t i, int learnt)
{
    if (scored->length >= MS_BLOCK_LEAST && !learnt) {
        return 2 * scored->length;
    }
    const int64_t singles = learnt ? 2 * MS_SINGLES : MS_SINGLES;
    return scored->length > 0 && i - scored->since < singles ? 1 : MS_BLOCK_LEAST;
}

static void begin_block(ms_brain *self, int32_t model, int64_t i, int64_t n)
{
    ms_scored *scored = &self->scored[model];
    const int64_t version = self->predictor->versions[model];
    const int learnt = scored->version != version;
    int64_t length = block_length(scored, i, learnt);
    length = length < self->block_most ? length : self->block_most;
    *scored = (ms_scored){.first = i,
                          .end = n - i < length ? n : i + length,
                          .version = version,
                          .length = length,
                          .since = learnt ? i : scored->since,
                          .stale = 1};
}

/* Of the i-th request of a page, whose neighbours are this router's too where it scores them in blocks. */
static const double *row_of(ms_brain *self, const ms_page_view *page, int64_t i, int64_t request, int is_in_turn)
{
    const ms_stretch features = ms_page_view_features(page, i, request);
    const int64_t n = is_in_turn && self->block_most > 1 ? features.n : 1;
    const double *row = ms_predictor_row(self->predictor, request, features.x, features.stride, n);
    self->rows = row;
    self->rows_first = request;
    self->rows_end = row == features.x ? request + n : 0;
    return row;
}

/* Where several heads of a tile score this request alone, all of them together take less time, and those whose block
 * would begin here put it off: their score comes with the others'. */
static void score_tile_alone(ms_brain *self, const double *row, int64_t i, int32_t first)
{
    ms_scored *scored = self->scored + first;
    int alone = 0;
    for (int m = 0; m < MS_TILE; m++) {
        alone += scored[m].stale && scored[m].end == i + 1;
    }
    if (alone < 2) {
        return;
    }
    double scores[MS_TILE];
    ms_predictor_score_row(self->predictor, first, first + MS_TILE, row, scores, 1);
    for (int m = 0; m < MS_TILE; m++) {
        if (scored[m].stale) {
            self->block[(first + m) * self->block_most] = scores[m];
            scored[m].end = i + 1;
            scored[m].length = 1;
            scored[m].stale = 0;
        }
    }
}

/* Scores from request i on, by the heads for whom what is there was made elsewhere or by other weights. Neighbours
 * whose blocks are alike go together. */
static void score_from(ms_brain *self, const ms_page_view *page, int64_t i, int64_t request)
{
    ms_scored *scored = self->scored;
    const ms_stretch features = ms_page_view_features(page, i, request);
    self->rows_end = 0; /* others may be drawn where they were */
    int any = 0;
    for (int32_t m = 0; m < self->models; m++) {
        scored[m].stale = 0;
        if (!stands(self, m, i)) {
            begin_block(self, m, i, i + features.n);
            any = 1;
        }
    }
    for (int32_t m = 0; m + MS_TILE <= self->models && any; m += MS_TILE) {
        score_tile_alone(self, row_of(self, page, i, request, 1), i, m);
    }
    for (int32_t m = 0; m < self->models && any; m++) {
        if (!scored[m].stale) {
            continue;
        }
        const int32_t first = m;
        const int64_t end = scored[m].end;
        while (m + 1 < self->models && scored[m + 1].stale && scored[m + 1].end == end) {
            m++;
        }
        double *scores = self->block + first * self->block_most;
        if (end == i + 1) {
            ms_predictor_score_row(self->predictor, first, m + 1, row_of(self, page, i, request, 1), scores, self->block_most);
        } else {
            ms_predictor_score(self->predictor, first, m + 1, features.x, features.stride, features.step, end - i, scores,
                               self->block_most);
        }
    }
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

/* Where something was learnt since the last decision, few weights are used once more in less time than it takes to look
 * whose block still stands and to make new ones. */
static int is_sooner_alone(const ms_brain *self)
{
    const ms_predictor *predictor = self->predictor;
    return self->scored_version != predictor->version &&
           (self->models <= MS_TILE || self->models * predictor->features <= MS_FEW_WEIGHTS);
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
    if (row != NULL && is_sooner_alone(self)) {
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
        if (is_sooner_alone(self)) {
            ms_predictor_score_row(self->predictor, 0, self->models, row_of(self, page, i, request, 1), self->scores, 1);
        } else {
            score_from(self, page, i, request);
            for (int32_t m = 0; m < self->models; m++) {
                self->scores[m] = self->block[m * self->block_most + (i - self->scored[m].first)];
            }
        }
        note_scored(self, request);
    }
    self->uniforms = page->uniforms + self->policy.uniforms * i;
    return ask(self, page, i, request, tenant, loads);
}

int64_t ms_brain_decide_again(ms_brain *self, const ms_page_view *page, int64_t i, int64_t request, int32_t tenant,
                              const double *loads, const double *uniforms)
{
    if (self->predictor != NULL) {
        ms_predictor_score_row(self->predictor, 0, self->models, row_of(self, page, i, request, 0), self->scores, 1);
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
