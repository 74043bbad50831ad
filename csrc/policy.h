/* The contract of a routing policy, and the five policies that are written in C.
 *
 * A policy is three functions over one array of parameters and one array of state. Both engines call
 * the same pointers; a policy of the user's own is compiled by Numba (`numba.cfunc`) to the same
 * signatures. Nothing here reads a clock or a random generator: chance comes in as `uniforms`. The number before the
 * first of params and of state is their length, for functions that look after the bounds of their arrays. */
#ifndef MS_POLICY_H
#define MS_POLICY_H

#include <stdint.h>

/* What a decision may be: a model's index alone, or one of these, where m is a model's index. A
 * negative plan is the policy's own error code. */
enum {
    MS_PLAN_ALL = 1 << 20,     /* every model gets a copy; the user sees the reference model's answer */
    MS_PLAN_CHAIN = 1 << 21,   /* | m: ask m, then whatever `finish` names */
    MS_PLAN_EXPLORE = 1 << 22, /* | m: m alone, but an exploring step */
    MS_PLAN_MODEL = MS_PLAN_ALL - 1
};

/* What a compiled function returns where it divided by zero, read past the end of an array or failed in another way:
 * no model, no error code of the policy's own. It is also what the conversion of NaN to an integer gives on x86. */
#define MS_POLICY_RAISED INT64_MIN

/* So many answers of one chain are more than any user waits for: its `finish` has no end. */
enum { MS_CHAIN_MOST = 1000 };

/* Decides one request. A model that cannot be had has infinite costs; a plan that names it nevertheless goes to the
 * next more capable one that can be had, or else to the next less capable.
 *   step        1, 2, ...: routing decisions so far, this one included
 *   tenant      whose request it is; alpha and queue are theirs
 *   dimensions  length of `features`; 0 for a policy that does not declare it needs them
 *   queue       the virtual queue of the tenant as the router knows it
 *   scores      [models] predicted satisfaction
 *   costs       [models] estimated cost of this request, in the scenario's unit
 *   loads       [models] unfinished requests per place (max_num_seqs x replicas up); 0 without servers
 *   facts       [models] potential outcomes or their probabilities, only for a policy that declares it needs
 *               them; else zeros
 *   features    [dimensions] of the request
 *   uniforms    in (0, 1), as many as the policy declares, its own for this request
 * Returns a plan. */
typedef int64_t (*ms_decide_fn)(int64_t request, int64_t step, int64_t tenant, int64_t models,
                                int64_t dimensions, double alpha, double queue, const double *scores,
                                const double *costs, const double *loads, const double *facts,
                                const double *features, const double *uniforms, const double *params,
                                double *state);

/* Chains only: the answer of `model`, the stage-th asked (from 0), is there; which model comes next? The arrays are
 * those of the decision. Returns its index, or the number of models when the user gets this answer. */
typedef int64_t (*ms_finish_fn)(int64_t request, int64_t stage, int64_t tenant, int64_t model, int64_t models,
                                const double *scores, const double *costs, const double *facts,
                                const double *uniforms, const double *params, double *state);

/* The label of an answer that the user saw is in, and `queue` already counts it. Returns 0, or a
 * negative code of the policy's own. */
typedef int64_t (*ms_rated_fn)(int64_t request, int64_t tenant, int64_t model, double alpha,
                               double satisfaction, double queue, const double *params, double *state);

/* All labels of a request that teaches are in: of a rated request that went to every model, or of any rated
 * request for a policy that learns from every answer. labels[m] is NaN where there is none. Returns 0, or a
 * negative code of the policy's own. */
typedef int64_t (*ms_learn_fn)(int64_t request, int64_t tenant, int64_t models, int64_t dimensions,
                               const double *features, const double *labels, const double *params,
                               double *state);

typedef struct ms_policy {
    ms_decide_fn decide;
    ms_finish_fn finish; /* NULL where the policy makes no chains */
    ms_rated_fn rated;   /* NULL where it does not listen */
    ms_learn_fn learn;   /* NULL where it learns nothing beside its predictor */
    int32_t uniforms;    /* how many a request has */
    const double *params; /* params[-1] and state[-1] are their lengths */
    double *state;
} ms_policy;

/* Parameters and state of MESS+. */
enum {
    MS_MESS_V,            /* weight of cost against the queue, 1 / cost unit */
    MS_MESS_C,            /* exploration: p_t = min(1, c / t^kappa) */
    MS_MESS_KAPPA,
    MS_MESS_EXPLORE,      /* MS_EXPLORE_ALL or MS_EXPLORE_CHOSEN */
    MS_MESS_TARGET_QUEUE, /* > 0: V is steered so that each queue hovers about this length */
    MS_MESS_GAIN,         /* relative change of V per rating and relative error of the queue */
    MS_MESS_PARAMS
};
enum { MS_EXPLORE_ALL, MS_EXPLORE_CHOSEN };
enum { MS_MESS_STATE_V, MS_MESS_STATE }; /* with a target queue: [tenants], a V for the queue of each */

/* MESS+ (arXiv 2505.19947, Algorithm 1): argmin_m V E_m + Q (alpha - s_m), ties to the lowest m. */
int64_t ms_policy_mess_decide(int64_t request, int64_t step, int64_t tenant, int64_t models,
                              int64_t dimensions, double alpha, double queue, const double *scores,
                              const double *costs, const double *loads, const double *facts,
                              const double *features, const double *uniforms, const double *params,
                              double *state);
int64_t ms_policy_mess_rated(int64_t request, int64_t tenant, int64_t model, double alpha,
                             double satisfaction, double queue, const double *params, double *state);

/* Any model with equal probability. */
int64_t ms_policy_random(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
                         double alpha, double queue, const double *scores, const double *costs,
                         const double *loads, const double *facts, const double *features,
                         const double *uniforms, const double *params, double *state);

/* The model of least estimated cost. */
int64_t ms_policy_cheapest(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
                           double alpha, double queue, const double *scores, const double *costs,
                           const double *loads, const double *facts, const double *features,
                           const double *uniforms, const double *params, double *state);

/* The last model of the zoo: the most capable, since models stand in rising order of cost. */
int64_t ms_policy_largest(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
                          double alpha, double queue, const double *scores, const double *costs,
                          const double *loads, const double *facts, const double *features,
                          const double *uniforms, const double *params, double *state);

/* Models at random with fixed probabilities, which are the tenant's: params hold, tenant by tenant, [models] indices of
 * models and [models] probabilities of that one or one before it, the last 1. */
int64_t ms_policy_mix(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
                      double alpha, double queue, const double *scores, const double *costs, const double *loads,
                      const double *facts, const double *features, const double *uniforms, const double *params,
                      double *state);

/* argmin_m V costs[m] + queue (alpha - scores[m]), the lowest m of equals. */
int64_t ms_policy_argmin(int64_t models, double v, double alpha, double queue, const double *scores,
                         const double *costs);

/* The same for a block of n requests: scores[m * stride + i], costs[m * stride + i] -> chosen[i]. */
void ms_policy_argmin_block(int64_t models, int64_t n, int64_t stride, double v, double alpha, double queue,
                            const double *scores, const double *costs, int32_t *chosen);

#endif
