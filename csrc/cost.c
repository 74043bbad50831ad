#include "cost.h"

#include "clones.h"
#include "maths.h"

enum { LANES = 64 }; /* prompts side by side */

double ms_batch_cost(const ms_known_cost *self, const ms_batch *batch, double iterations)
{
    if (self->usd_per_s > 0.0) {
        return self->usd_per_s * ms_series_sum(ms_iteration_seconds(&self->coefficients, batch), iterations);
    }
    return ms_iteration_joules(&self->coefficients, batch, iterations);
}

/* Of so many iterations that compute a whole chunk of prompt each. */
static double whole_chunks_cost(const ms_known_cost *self, double chunks)
{
    const double most = self->max_batched_tokens;
    const ms_batch chunk = {.prompt_tokens = most, .prompt_work = most * (most / 2.0)};
    return ms_batch_cost(self, &chunk, chunks);
}

/* One iteration by its seconds: what iteration.c gives, since the first of one is also the last. */
MS_INLINE double iteration_cost(const ms_known_cost *self, double seconds, double tokens, double context)
{
    const ms_coefficients *c = &self->coefficients;
    const double capped = c->p_cap_w * seconds;
    const double drawn = c->p0_w * seconds + c->e_j_per_token * tokens + c->ek_j_per_token * context;
    const double joules = capped - drawn < 0.0 ? capped : drawn;
    return self->usd_per_s > 0.0 ? self->usd_per_s * seconds : joules;
}

/* The last part of each prompt, `rest` tokens, upon what its whole chunks cost, and its answer. */
static MS_CLONES void add_rest_and_answer(const ms_known_cost *self, const double *prompt, const double *rest,
                                          int64_t n, double *costs)
{
    const ms_coefficients *c = &self->coefficients;
    const double b = self->nominal_batch, output = self->mean_output_tokens;
    const double decode_seconds = ms_batch_seconds(c, b);
    for (int64_t i = 0; i < n; i++) {
        const double work = rest[i] * (prompt[i] - rest[i] + rest[i] / 2.0);
        const double prefill_seconds = ms_batch_seconds(c, rest[i]) + c->aq_s_per_token2 * work;
        const double last = iteration_cost(self, prefill_seconds, rest[i], 0.0);
        const double context = b * (prompt[i] + output / 2.0);
        const double seconds = decode_seconds + (c->ab_s_per_sequence * b + c->ak_s_per_token * context);
        const double decode = (output - 1.0) * (iteration_cost(self, seconds, b, context) / b);
        costs[i] = (costs[i] + (rest[i] > 0.0 ? last : 0.0)) + (output > 1.0 ? decode : 0.0);
    }
}

void ms_known_costs(const ms_known_cost *self, const int32_t *prompt_tokens, int64_t n, double *costs)
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
        add_rest_and_answer(self, prompt, rest, length, costs + start);
    }
}
