#include "marginal.h"

#include "maths.h"

/* What `iterations` of a batch cost beyond those of another, or beyond idling where that is empty. */
static double added(const ms_known_cost *self, const ms_batch *with, const ms_batch *without, double iterations)
{
    double less = 0.0;
    if (without->decoders > 0.0) {
        less = ms_cost_of_batch(self, without, iterations);
    } else if (!(self->usd_per_s > 0.0)) {
        const ms_durations tau = ms_iteration_durations(&self->coefficients, with);
        less = self->coefficients.p_idle_w * ms_durations_sum(&tau, iterations);
    }
    const double more = ms_cost_of_batch(self, with, iterations) - less;
    return more > 0.0 ? more : 0.0;
}

static ms_batch decoding(const ms_known_cost *self, double prompt, double decoders)
{
    return (ms_batch){.decoders = decoders, .context = decoders * (prompt + self->mean_output_tokens / 2.0)};
}

static double prompt_adds(const ms_known_cost *self, double decoder_tokens, double prompt, double cached, double running)
{
    const ms_batch without = decoding(self, prompt, running);
    const double left = self->max_batched_tokens - decoder_tokens * running, most = left > 1.0 ? left : 1.0;
    const double whole_chunks = floor((prompt - cached) / most);
    const double rest = (prompt - cached) - whole_chunks * most;
    double cost = 0.0;
    ms_batch with = without;
    if (whole_chunks > 0.0) {
        with.prompt_tokens = most;
        with.prompt_prior = cached;
        with.prompt_work = most * (cached + most / 2.0);
        with.prompts = 1.0;
        cost += added(self, &with, &without, whole_chunks);
    }
    if (rest > 0.0) {
        with.prompt_tokens = rest;
        with.prompt_prior = prompt - rest;
        with.prompt_work = rest * (with.prompt_prior + rest / 2.0);
        with.prompts = 1.0;
        cost += added(self, &with, &without, 1.0);
    }
    return cost;
}

double ms_marginal_cost(const ms_server_cost *server, double prompt, double cached, double running)
{
    ms_known_cost known = server->known;
    if (running >= server->places) {
        const int32_t tokens = (int32_t)prompt;
        double cost;
        known.nominal_batch = server->places;
        ms_cost_known(&known, &tokens, 1, &cost);
        return cost;
    }
    const double iterations = ms_cost_known_iterations(&known);
    double cost = prompt_adds(&known, server->decoder_tokens, prompt, cached, running);
    if (iterations > 0.0) {
        const ms_batch with = decoding(&known, prompt, running + 1.0), without = decoding(&known, prompt, running);
        cost += iterations * added(&known, &with, &without, 1.0);
    }
    return cost;
}

void ms_marginal_costs(const ms_server_cost *servers, int32_t n, int32_t models, double prompt,
                       const ms_destination *destinations, const double *known, double *costs)
{
    for (int32_t m = 0; m < models; m++) {
        costs[m] = known[m];
    }
    for (int32_t k = 0; k < n; k++) {
        const ms_server_cost *server = &servers[k];
        const ms_destination *to = &destinations[server->model];
        const int is_first = k == 0 || servers[k - 1].model != server->model;
        if (known[server->model] < INFINITY && (to->pool == server->pool || (to->pool < 0 && is_first))) {
            const double running = to->pool < 0 ? server->places : to->running;
            costs[server->model] = ms_marginal_cost(server, prompt, to->cached, running);
        }
    }
}
