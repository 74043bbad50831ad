/* The expected cost of a request on a replica, before it is served: what the router calls `known`.
 *
 * Its prompt prefilled alone, in chunks of max_batched_tokens, then mean_output - 1 decode iterations (fewer with drafts) at
 * a nominal batch b of like requests, K = b (p + mean_output / 2), of which it pays 1/b. The request's
 * own answer length takes no part: nobody knows it yet. */
#ifndef MS_COST_H
#define MS_COST_H

#include <stddef.h>
#include <stdint.h>

#include "iteration.h"

typedef struct ms_known_cost {
    ms_coefficients coefficients;
    double usd_per_s;          /* of the whole replica; 0: the cost is in joules */
    double max_batched_tokens;
    double nominal_batch;      /* b >= 1 */
    double mean_output_tokens; /* of the model's law */
    double mean_tokens;        /* of an answer, that a decode iteration gives on average; 0 counts as 1 */
} ms_known_cost;

/* Decode iterations of the mean answer. */
static inline double ms_cost_known_iterations(const ms_known_cost *self)
{
    return (self->mean_output_tokens - 1.0) / (self->mean_tokens > 0.0 ? self->mean_tokens : 1.0);
}

/* Of the first iterations of a batch, joules or USD. */
double ms_cost_of_batch(const ms_known_cost *self, const ms_batch *batch, double iterations);

/* costs[i] of prompts of prompt_tokens[i], joules or USD. */
void ms_cost_known(const ms_known_cost *self, const int32_t *prompt_tokens, int64_t n, double *costs);

/* costs[i] of prompts of prompt_tokens[i] by a table of costs by length, which has all of these lengths: requests are many,
 * lengths are few. */
void ms_cost_look_up(const double *by_length, const int32_t *prompt_tokens, int64_t n, double *costs);

enum { MS_REMEMBERED_LENGTHS = 16384 };

/* One pool of a model, for costs of prompts whose length follows from the run; those of one model stand together,
 * and models rise. */
typedef struct ms_prompt_cost {
    int32_t model;
    int32_t of_model;  /* pools of the model, from this one on; 0: this one alone */
    int32_t is_api;
    int32_t as_before; /* but for its share it is as the one before it */
    double share; /* of the model's replicas */
    double usd_per_million_prompt_tokens; /* of an API, as the next */
    double usd_per_million_output_tokens;
    ms_known_cost known; /* of an API only mean_output_tokens */
} ms_prompt_cost;

/* Models up to the last that has such a pool. */
static inline int32_t ms_cost_models(const ms_prompt_cost *pools, int32_t n)
{
    return n > 0 ? pools[n - 1].model + 1 : 0;
}

/* Known costs of a prompt by the models of these pools into costs[model * stride]; where it is infinite it stays so.
 * `factors`, which multiply prices of APIs, stand likewise; NULL: they are 1. `memo` [ms_cost_memo_length], zero at
 * first, spares working out what a prompt of the same length cost before; NULL: it is worked out each time. Without factors
 * that of t tokens on model m is its value t * ms_cost_models + m. */
size_t ms_cost_memo_length(const ms_prompt_cost *pools, int32_t n);
void ms_cost_of_prompt(const ms_prompt_cost *pools, int32_t n, int32_t prompt_tokens, const double *factors,
                       double *costs, int64_t stride, double *memo);

#endif
