#include "policy.h"

#include "clones.h"
#include "maths.h"

MS_INLINE double drift_plus_penalty(double v, double cost, double queue, double alpha, double score)
{
    return v * cost + queue * (alpha - score);
}

int64_t ms_policy_argmin(int64_t models, double v, double alpha, double queue, const double *scores,
                         const double *costs)
{
    int64_t best = 0;
    double least = drift_plus_penalty(v, costs[0], queue, alpha, scores[0]);
    for (int64_t m = 1; m < models; m++) {
        const double value = drift_plus_penalty(v, costs[m], queue, alpha, scores[m]);
        best += (m - best) & -(int64_t)(value < least); /* no branch, of which nobody can foretell the way */
        least = ms_less(value, least);
    }
    return best;
}

MS_CLONES void ms_policy_argmin_block(int64_t models, int64_t n, int64_t stride, double v, double alpha,
                                      double queue, const double *scores, const double *costs,
                                      int32_t *chosen)
{
    enum { LANES = 64 };
    for (int64_t start = 0; start < n; start += LANES) {
        const int64_t block = n - start < LANES ? n - start : LANES;
        const double *s = scores + start, *e = costs + start;
        double least[LANES];
        int32_t *out = chosen + start;
        for (int64_t i = 0; i < block; i++) {
            least[i] = drift_plus_penalty(v, e[i], queue, alpha, s[i]);
            out[i] = 0;
        }
        for (int64_t m = 1; m < models; m++) {
            for (int64_t i = 0; i < block; i++) {
                const double value =
                    drift_plus_penalty(v, e[m * stride + i], queue, alpha, s[m * stride + i]);
                out[i] = value < least[i] ? (int32_t)m : out[i];
                least[i] = value < least[i] ? value : least[i];
            }
        }
    }
}

/* One of the models that can be had: of finite cost. */
static int64_t uniform_choice(double u, int64_t models, const double *costs)
{
    int64_t count = 0;
    for (int64_t m = 0; m < models; m++) {
        count += costs[m] < INFINITY;
    }
    int64_t left = (int64_t)(u * (double)count); /* u < 1 never rounds up to the count; a stray 1 finds no further */
    int64_t chosen = 0;
    for (int64_t m = 0; m < models && left >= 0; m++) {
        if (costs[m] < INFINITY) {
            chosen = m;
            left--;
        }
    }
    return chosen;
}

/* Where the V of a tenant's queue stands: they share one unless it is steered by the queue that it weighs. */
static int64_t place_of_v(int64_t tenant, const double *params)
{
    return MS_MESS_STATE_V + (params[MS_MESS_TARGET_QUEUE] > 0.0 ? tenant : 0);
}

/* The contract fixes the signature; these four use what they need of it. */
#define UNUSED_BY_ALL \
    (void)request, (void)tenant, (void)dimensions, (void)loads, (void)facts, (void)features

int64_t ms_policy_mess_decide(int64_t request, int64_t step, int64_t tenant, int64_t models,
                              int64_t dimensions, double alpha, double queue, const double *scores,
                              const double *costs, const double *loads, const double *facts,
                              const double *features, const double *uniforms, const double *params,
                              double *state)
{
    UNUSED_BY_ALL;
    if (uniforms[0] < params[MS_MESS_C] * ms_inverse_power((double)step, params[MS_MESS_KAPPA])) {
        return params[MS_MESS_EXPLORE] == MS_EXPLORE_ALL
                   ? MS_PLAN_ALL
                   : MS_PLAN_EXPLORE | uniform_choice(uniforms[1], models, costs);
    }
    return ms_policy_argmin(models, state[place_of_v(tenant, params)], alpha, queue, scores, costs);
}

/* The bounds of what a scenario may state. A promise that the cheapest model keeps by itself, or that no model
 * keeps, holds a queue off its target for ever: a V without bounds would run on to infinity or 0, or would need as many
 * ratings to come back when answers change. */
static const double LEAST_V = 1e-15, MOST_V = 1e15;

/* A queue above its target asks for quality (V falls), one below it for thrift (V rises). */
int64_t ms_policy_mess_rated(int64_t request, int64_t tenant, int64_t model, double alpha,
                             double satisfaction, double queue, const double *params, double *state)
{
    (void)request, (void)model, (void)alpha, (void)satisfaction;
    const double target = params[MS_MESS_TARGET_QUEUE];
    if (target > 0.0) {
        const double error = (target - queue) / target;
        const double bounded = error < -1.0 ? -1.0 : error;
        double *v = &state[place_of_v(tenant, params)];
        *v = ms_less(ms_more(*v * (1.0 + params[MS_MESS_GAIN] * bounded), LEAST_V), MOST_V);
    }
    return 0;
}

int64_t ms_policy_random(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
                         double alpha, double queue, const double *scores, const double *costs,
                         const double *loads, const double *facts, const double *features,
                         const double *uniforms, const double *params, double *state)
{
    UNUSED_BY_ALL;
    (void)step, (void)alpha, (void)queue, (void)scores, (void)params, (void)state;
    return uniform_choice(uniforms[1], models, costs);
}

int64_t ms_policy_cheapest(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
                           double alpha, double queue, const double *scores, const double *costs,
                           const double *loads, const double *facts, const double *features,
                           const double *uniforms, const double *params, double *state)
{
    UNUSED_BY_ALL;
    (void)step, (void)alpha, (void)queue, (void)uniforms, (void)params, (void)state;
    return ms_policy_argmin(models, 1.0, 0.0, 0.0, scores, costs);
}

int64_t ms_policy_largest(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
                          double alpha, double queue, const double *scores, const double *costs,
                          const double *loads, const double *facts, const double *features,
                          const double *uniforms, const double *params, double *state)
{
    UNUSED_BY_ALL;
    (void)step, (void)alpha, (void)queue, (void)scores, (void)costs, (void)uniforms, (void)params, (void)state;
    return models - 1;
}

/* params[2 tenant models ...]: models, then for each the probability of it or one before it. */
int64_t ms_policy_mix(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
                      double alpha, double queue, const double *scores, const double *costs, const double *loads,
                      const double *facts, const double *features, const double *uniforms, const double *params,
                      double *state)
{
    (void)request, (void)step, (void)dimensions, (void)alpha, (void)queue, (void)scores, (void)costs, (void)loads,
        (void)facts, (void)features, (void)state;
    const double *chosen = params + 2 * tenant * models, *up_to = chosen + models;
    int64_t k = 0;
    while (k < models - 1 && !(uniforms[1] < up_to[k])) {
        k++;
    }
    return (int64_t)chosen[k];
}
