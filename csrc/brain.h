/* A router at work, or one of its instances (instances.h): a policy, its predictor, its virtual queues and its
 * estimates of cost.
 *
 * A request is scored when it is decided, by the weights of then: by all heads side by side (predictor.h), which takes no
 * longer a request than many requests side by side, whose scores a lesson between them would make stale. */
#ifndef MS_BRAIN_H
#define MS_BRAIN_H

#include <math.h>
#include <stdint.h>

#include "difficulty.h"
#include "ledger.h"
#include "marginal.h"
#include "policy.h"
#include "predictor.h"

enum ms_estimate { MS_ESTIMATE_KNOWN, MS_ESTIMATE_MEAN, MS_ESTIMATE_LAST_EXPLORED, MS_ESTIMATE_MARGINAL };

typedef struct ms_brain {
    int32_t models;
    int32_t tenants;
    ms_policy policy;
    ms_predictor *predictor; /* NULL: every score is 1/2 */
    int32_t estimate;        /* enum ms_estimate */
    double prior;            /* estimate before any observation; NaN: the known cost */
    const ms_server_cost *servers; /* [n_servers] for marginal costs; the caller's memory */
    int32_t n_servers;
    const ms_destination *destinations; /* [models] of the request that is decided; likewise */
    ms_ledger *tracked;      /* [tenants] what it knows of the answers to what it routed */
    int64_t step;
    double *cost_sums;       /* [models] realised costs */
    int64_t *cost_counts;
    double *last_costs;      /* [models] of explored requests; NaN before */

    int is_in_turn;          /* neighbouring requests are likely to be its own */
    double *scores;          /* [heads] what the last decision saw, or the next one will */
    int64_t scored_request;  /* whom they are of; -1: nobody known */
    int64_t scored_version;  /* and of which version of the predictor */
    double *ahead;           /* [heads] logits of the request after it, made as soon as it was learnt from */
    int64_t ahead_request;   /* whose they are; -1: nobody's */
    int64_t ahead_version;   /* of the weights that made them */
    const double *rows;      /* features of requests rows_first ... rows_end - 1, where they lie side by side as they are */
    int64_t rows_first;
    int64_t rows_end;
    double *costs;
    double *known;
    const double *uniforms;  /* [policy.uniforms] */
    double *facts;           /* outcomes or their probabilities where the policy is told them, else zeros */
    int32_t dimensions;      /* features that the policy is told; 0: none */
    double *features;        /* [dimensions] */
} ms_brain;

/* The policy and the predictor are set by the caller. `dimensions` > 0: the policy is told that many features;
 * `is_in_turn`: most requests that follow one another on a page are this router's. */
int ms_brain_init(ms_brain *self, int32_t models, int32_t tenants, int32_t dimensions, const double *alphas,
                  double discount, int64_t window, int is_in_turn);
void ms_brain_free(ms_brain *self);

/* The columns of a page that a decision reads: value of model m at [m * n + i], model-major, or where requests come in an order
 * of their own [i * models_in_row + m], so that those of one request share a line of the processor's cache. */
typedef struct ms_page_view {
    int64_t n;
    int32_t models_in_row;     /* of all columns by model, these and the page's; 0: they are model-major */
    int32_t features_in_row;   /* likewise; 0: each feature is a column */
    const double *features;    /* [features][n]; NULL without any, and where they are drawn when they are asked for, */
    ms_feature_rows *drawn;    /* here, of the run, */
    const double *difficulty;  /* [n] by these */
    double *known_costs;       /* [models][n] */
    const double *facts;       /* [models][n], for a policy that declares it needs them; else NULL */
    const double *uniforms;    /* [n][policy.uniforms] */
    const int32_t *prompt_tokens; /* for marginal costs */
} ms_page_view;

/* Where the value of the first model is in columns by model, and how far that of the next model from it. */
static inline int64_t ms_page_view_at(const ms_page_view *self, int64_t i)
{
    return self->models_in_row > 0 ? i * self->models_in_row : i;
}

static inline int64_t ms_page_view_step(const ms_page_view *self)
{
    return self->models_in_row > 0 ? 1 : self->n;
}

/* Where the features of some requests are: feature j of the first of `n`, x[j * stride]. */
typedef struct ms_stretch {
    const double *x; /* NULL without features */
    int64_t stride;
    int64_t n;
} ms_stretch;

/* Those from the i-th request of a page on, whose number is `request`: all to its end, or as many as are drawn. */
static inline ms_stretch ms_page_view_features(const ms_page_view *self, int64_t i, int64_t request)
{
    if (self->drawn != NULL) {
        ms_stretch drawn = {.stride = 1};
        drawn.x = ms_feature_rows_of(self->drawn, request, self->difficulty + i, self->n - i, &drawn.n);
        return drawn;
    }
    if (self->features_in_row > 0) {
        return (ms_stretch){self->features + i * self->features_in_row, 1, self->n - i};
    }
    return (ms_stretch){self->features != NULL ? self->features + i : NULL, self->n, self->n - i};
}

/* A new page begins, or the predictor is another: nothing is scored. */
void ms_brain_turn_page(ms_brain *self);

/* A request comes, which will be decided at once or later. Scores that were begun for it are made: that takes long, and
 * other work of its arrival little of the processor meanwhile. */
void ms_brain_expect(ms_brain *self, int64_t request);

/* Decides the i-th request of a page; returns a plan, or a negative code. */
int64_t ms_brain_decide(ms_brain *self, const ms_page_view *page, int64_t i, int64_t request, int32_t tenant,
                        const double *loads);

/* Decides a request of an earlier page once more, with other uniforms. */
int64_t ms_brain_decide_again(ms_brain *self, const ms_page_view *page, int64_t i, int64_t request, int32_t tenant,
                              const double *loads, const double *uniforms);

/* Whether the request decided last can be sent to a model. */
static inline int ms_brain_can_have(const ms_brain *self, int32_t model)
{
    return self->known[model] < INFINITY;
}

/* The model that takes a request in the place of one that cannot be had, whose cost is infinite: the next more
 * capable one that can be had; the number of models if there is none. */
int64_t ms_brain_substitute(int64_t model, int64_t models, const double *costs);

/* A legal plan with another model where its own cannot be had: a more capable one, or else the next less capable. */
int64_t ms_brain_destined(int64_t plan, int64_t models, const double *costs);

/* A copy is complete and what it cost is known. */
void ms_brain_learn_cost(ms_brain *self, int32_t model, double cost, int explored);

/* All labels of a request that teaches are in: labels[m] is NaN where there is none. `only` is the one model that has
 * one, or -1 where several have. Returns 0 or the policy's negative code. */
int64_t ms_brain_learn(ms_brain *self, int64_t request, int32_t tenant, const double *features, const double *labels,
                       int32_t only);

/* A label of the user's answer is in, right or wrong, or the user says that there was none. Returns 0 or the policy's
 * negative code. */
int64_t ms_brain_rate(ms_brain *self, int64_t request, int32_t model, int32_t tenant, double label);

#endif
