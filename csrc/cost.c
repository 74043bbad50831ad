#include "cost.h"

#include <math.h>

#include "clones.h"
#include "maths.h"

enum { LANES = 64 }; /* prompts side by side */

double ms_cost_of_batch(const ms_known_cost *self, const ms_batch *batch, double iterations)
{
    const ms_durations tau = ms_iteration_durations(&self->coefficients, batch);
    if (self->usd_per_s > 0.0) {
        return self->usd_per_s * ms_durations_sum(&tau, iterations);
    }
    return ms_iteration_joules(&self->coefficients, batch, &tau, iterations);
}

/* Of so many iterations that compute a whole chunk of prompt each. */
static double whole_chunks_cost(const ms_known_cost *self, double chunks)
{
    const double most = self->max_batched_tokens;
    const ms_batch chunk = {.prompt_tokens = most, .prompt_work = most * (most / 2.0), .prompts = 1.0};
    return ms_cost_of_batch(self, &chunk, chunks);
}

/* One iteration by its seconds on the GPU: what iteration.c gives, since the first of one is also the last. */
MS_INLINE double iteration_cost(const ms_known_cost *self, double gpu_s, double sequences, double tokens,
                                double context)
{
    const ms_coefficients *c = &self->coefficients;
    const double seconds = ms_with_host_s(c, gpu_s, ms_host_s(c, sequences));
    const double capped = c->p_cap_w * seconds;
    const double spared = c->spared_w * (seconds - gpu_s);
    const double drawn = c->p0_w * seconds - spared + c->e_j_per_token * tokens + c->ek_j_per_token * context;
    const double joules = capped - drawn < 0.0 ? capped : drawn;
    return self->usd_per_s > 0.0 ? self->usd_per_s * seconds : joules;
}

/* g(n) of each: knots are looked up one by one, the formula is computed side by side. */
static MS_CLONES void products_seconds(const ms_coefficients *c, const double *tokens, int64_t n, double *seconds)
{
    if (c->knots > 0) {
        for (int64_t i = 0; i < n; i++) {
            seconds[i] = ms_knot_seconds(c, tokens[i]);
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        seconds[i] = ms_formula_seconds(c, tokens[i]);
    }
}

/* The last part of each prompt, `rest` tokens of which the iteration's products take `products_s`, upon what its whole
 * chunks cost, and its answer. */
static MS_CLONES void add_rest_and_answer(const ms_known_cost *self, const double *prompt, const double *rest,
                                          const double *products_s, int64_t n, double *costs)
{
    const ms_coefficients *c = &self->coefficients;
    const double b = self->nominal_batch, output = self->mean_output_tokens;
    const double decode_tokens = b + c->draft_tokens * b, iterations = ms_cost_known_iterations(self);
    double decode_seconds = ms_batch_seconds(c, decode_tokens);
    if (c->draft_tokens > 0.0) {
        decode_seconds += c->draft_s + c->draft_s_per_sequence * b;
    }
    for (int64_t i = 0; i < n; i++) {
        const double prior = prompt[i] - rest[i];
        const double work = rest[i] * (prior + rest[i] / 2.0);
        const double prefill_seconds =
            products_s[i] + (c->a1_s + c->ac_s_per_token * prior + c->aq_s_per_token2 * work);
        const double last = iteration_cost(self, prefill_seconds, 1.0, rest[i], 0.0);
        const double context = b * (prompt[i] + output / 2.0);
        const double seconds = decode_seconds + (c->ab_s_per_sequence * b + c->ak_s_per_token * context);
        const double decode = iterations * (iteration_cost(self, seconds, b, decode_tokens, context) / b);
        costs[i] = (costs[i] + (rest[i] > 0.0 ? last : 0.0)) + (output > 1.0 ? decode : 0.0);
    }
}

void ms_cost_known(const ms_known_cost *self, const int32_t *prompt_tokens, int64_t n, double *costs)
{
    const double most = self->max_batched_tokens;
    double chunks = 0.0, chunks_cost = 0.0;
    for (int64_t start = 0; start < n; start += LANES) {
        const int64_t length = n - start < LANES ? n - start : LANES;
        double prompt[LANES], rest[LANES];
        for (int64_t i = 0; i < length; i++) {
            prompt[i] = (double)prompt_tokens[start + i];
            const double whole = prompt[i] < most ? 0.0 : floor(prompt[i] / most);
            rest[i] = prompt[i] - whole * most;
            if (whole != chunks) {
                chunks = whole;
                chunks_cost = whole > 0.0 ? whole_chunks_cost(self, whole) : 0.0;
            }
            costs[start + i] = chunks_cost;
        }
        double products_s[LANES];
        products_seconds(&self->coefficients, rest, length, products_s);
        add_rest_and_answer(self, prompt, rest, products_s, length, costs + start);
    }
}

static double cost_in_pool(const ms_prompt_cost *pool, int32_t prompt_tokens)
{
    if (pool->is_api) {
        const double prompt = pool->usd_per_million_prompt_tokens * (double)prompt_tokens;
        return (prompt + pool->usd_per_million_output_tokens * pool->known.mean_output_tokens) / 1e6;
    }
    double cost;
    ms_cost_known(&pool->known, &prompt_tokens, 1, &cost);
    return cost;
}

/* The same as it was worked out before; 0: not yet. */
static double remembered_cost(const ms_prompt_cost *pool, int32_t prompt_tokens, double *before)
{
    if (before == NULL) {
        return cost_in_pool(pool, prompt_tokens);
    }
    if (*before == 0.0) {
        *before = cost_in_pool(pool, prompt_tokens);
    }
    return *before;
}

void ms_cost_look_up(const double *by_length, const int32_t *prompt_tokens, int64_t n, double *costs)
{
    for (int64_t i = 0; i < n; i++) {
        costs[i] = by_length[prompt_tokens[i]];
    }
}

static int32_t pools_of_model(const ms_prompt_cost *first)
{
    return first->of_model > 1 ? first->of_model : 1;
}

/* Of the model whose first pool is pools[0]; `row` remembers each of its pools. */
static double cost_of_model(const ms_prompt_cost *pools, int32_t prompt_tokens, double factor, double *row)
{
    double cost = 0.0, in_pool = 0.0;
    for (int32_t k = 0; k < pools_of_model(pools); k++) {
        if (k == 0 || !pools[k].as_before) {
            in_pool = remembered_cost(&pools[k], prompt_tokens, row != NULL ? &row[k] : NULL);
        }
        cost += in_pool * pools[k].share * (pools[k].is_api ? factor : 1.0);
    }
    return cost;
}

size_t ms_cost_memo_length(const ms_prompt_cost *pools, int32_t n)
{
    return (size_t)MS_REMEMBERED_LENGTHS * (size_t)(ms_cost_models(pools, n) + n);
}

/* The memo has rows of models by length, for prompts without factors, and then such rows of pools. */
void ms_cost_of_prompt(const ms_prompt_cost *pools, int32_t n, int32_t prompt_tokens, const double *factors,
                       double *costs, int64_t stride, double *memo)
{
    const int32_t models = ms_cost_models(pools, n);
    const int is_remembered = memo != NULL && prompt_tokens < MS_REMEMBERED_LENGTHS;
    double *of_models = is_remembered ? memo + (int64_t)prompt_tokens * models : NULL;
    double *of_pools = is_remembered ? memo + (int64_t)MS_REMEMBERED_LENGTHS * models + (int64_t)prompt_tokens * n : NULL;
    for (int32_t first = 0; first < n; first += pools_of_model(&pools[first])) {
        const int32_t model = pools[first].model;
        double *cost = &costs[model * stride];
        if (!(*cost < INFINITY)) {
            continue;
        }
        double *before = factors == NULL && is_remembered ? &of_models[model] : NULL;
        if (before != NULL && *before != 0.0) {
            *cost = *before;
            continue;
        }
        const double factor = factors != NULL ? factors[model * stride] : 1.0;
        *cost = cost_of_model(&pools[first], prompt_tokens, factor, is_remembered ? of_pools + first : NULL);
        if (before != NULL) {
            *before = *cost;
        }
    }
}
