#include "cost.h"

#include "maths.h"

static double batch_cost(const ms_known_cost *self, const ms_batch *batch, double iterations)
{
    const ms_durations tau = ms_iteration_durations(&self->coefficients, batch);
    if (self->usd_per_s > 0.0) {
        return self->usd_per_s * ms_durations_sum(&tau, iterations);
    }
    return ms_iteration_joules(&self->coefficients, batch, &tau, iterations);
}

static double prefill_cost(const ms_known_cost *self, double prompt)
{
    const double most = self->max_batched_tokens;
    const double whole_chunks = floor(prompt / most);
    const double rest = prompt - whole_chunks * most;
    double cost = 0.0;
    if (whole_chunks > 0.0) {
        const ms_batch chunk = {.prompt_tokens = most, .prompt_work = most * (most / 2.0), .prompts = 1.0};
        cost += batch_cost(self, &chunk, whole_chunks);
    }
    if (rest > 0.0) {
        const double prior = prompt - rest;
        const ms_batch last = {.prompt_tokens = rest,
                               .prompt_work = rest * (prior + rest / 2.0),
                               .prompt_prior = prior,
                               .prompts = 1.0};
        cost += batch_cost(self, &last, 1.0);
    }
    return cost;
}

static double decode_cost(const ms_known_cost *self, double prompt)
{
    const double b = self->nominal_batch, output = self->mean_output_tokens;
    const ms_batch decode = {.decoders = b, .context = b * (prompt + output / 2.0)};
    return output > 1.0 ? (output - 1.0) * (batch_cost(self, &decode, 1.0) / b) : 0.0;
}

void ms_known_costs(const ms_known_cost *self, const int32_t *prompt_tokens, int64_t n, double *costs)
{
    for (int64_t i = 0; i < n; i++) {
        const double prompt = (double)prompt_tokens[i];
        costs[i] = prefill_cost(self, prompt) + decode_cost(self, prompt);
    }
}
