#include "cost.h"

#include "clones.h"
#include "maths.h"

enum { LANES = 64 }; /* prompts side by side */

double ms_batch_cost(const ms_known_cost *self, const ms_batch *batch, double iterations)
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
    return ms_batch_cost(self, &chunk, chunks);
}

/* One iteration by its GPU's seconds: what iteration.c gives, since the first of one is also the last. */
MS_INLINE double iteration_cost(const ms_known_cost *self, double gpu_s, double tokens, double context,
                                double sequences)
{
    const ms_coefficients *c = &self->coefficients;
    const int overlaps = c->host_kind != MS_HOST_SUM;
    const double host_s = c->host_s + c->host_s_per_sequence * sequences;
    const double busy_s = gpu_s + (overlaps ? c->after_s : host_s);
    const double seconds = overlaps && gpu_s < host_s ? c->after_s + host_s : busy_s;
    const double capped = c->p_cap_w * gpu_s;
    const double drawn = c->p0_w * gpu_s + c->e_j_per_token * tokens + c->ek_j_per_token * context;
    const double joules = (capped - drawn < 0.0 ? capped : drawn) + c->p_idle_w * (seconds - gpu_s);
    return self->usd_per_s > 0.0 ? self->usd_per_s * seconds : joules;
}

/* The last part of each prompt, `rest` tokens, upon what its whole chunks cost, and its answer. */
static MS_CLONES void add_rest_and_answer(const ms_known_cost *self, const double *prompt, const double *rest,
                                          int64_t n, double *costs)
{
    const ms_coefficients *c = &self->coefficients;
    const double b = self->nominal_batch, output = self->mean_output_tokens;
    const double decode_s = ms_batch_seconds(c, b);
    for (int64_t i = 0; i < n; i++) {
        const double prior = prompt[i] - rest[i], work = rest[i] * (prior + rest[i] / 2.0);
        const double prefill_s = ms_batch_seconds(c, rest[i]) +
                                 (c->a1_s + c->ac_s_per_token * prior + c->aq_s_per_token2 * work);
        const double last = iteration_cost(self, prefill_s, rest[i], 0.0, 1.0);
        const double context = b * (prompt[i] + output / 2.0);
        const double gpu_s = decode_s + (c->ab_s_per_sequence * b + c->ak_s_per_token * context);
        const double decode = (output - 1.0) * (iteration_cost(self, gpu_s, b, context, b) / b);
        costs[i] = (costs[i] + (rest[i] > 0.0 ? last : 0.0)) + (output > 1.0 ? decode : 0.0);
    }
}

/* The same where seconds are given at knots, one prompt after another. */
static void add_by_knots(const ms_known_cost *self, const double *prompt, const double *rest, int64_t n, double *costs)
{
    const double b = self->nominal_batch, output = self->mean_output_tokens;
    for (int64_t i = 0; i < n; i++) {
        const double prior = prompt[i] - rest[i];
        const ms_batch last = {.prompt_tokens = rest[i],
                               .prompt_work = rest[i] * (prior + rest[i] / 2.0),
                               .prompt_prior = prior,
                               .prompts = 1.0};
        const ms_batch decode = {.decoders = b, .context = b * (prompt[i] + output / 2.0)};
        costs[i] += rest[i] > 0.0 ? ms_batch_cost(self, &last, 1.0) : 0.0;
        costs[i] += output > 1.0 ? (output - 1.0) * (ms_batch_cost(self, &decode, 1.0) / b) : 0.0;
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
        if (self->coefficients.knots > 0) {
            add_by_knots(self, prompt, rest, length, costs + start);
        } else {
            add_rest_and_answer(self, prompt, rest, length, costs + start);
        }
    }
}
