#include "meters.h"

static double down_of(const ms_fleet *self, int32_t replica, double t_s)
{
    const int8_t phase = self->phase[replica];
    const int is_down = self->failures[replica] > 0 && phase != MS_LOADING && phase != MS_DRAINING;
    return self->down_s[replica] + (is_down ? t_s - self->down_since_s[replica] : 0.0);
}

static double rented_of(const ms_fleet *self, int32_t replica, double t_s)
{
    return t_s - down_of(self, replica, t_s);
}

static double idle_if(double t_s, double busy_s, double down_s)
{
    const double idle_s = t_s - busy_s - down_s;
    return idle_s > 0.0 ? idle_s : 0.0;
}

static double idle_of(const ms_fleet *self, int32_t replica, double t_s)
{
    return idle_if(t_s, ms_replica_busy_s(&self->replica[replica], t_s), down_of(self, replica, t_s));
}

typedef double (*reading_fn)(const ms_fleet *, int32_t replica, double t_s);

static double busy_of(const ms_fleet *self, int32_t replica, double t_s)
{
    return ms_replica_busy_s(&self->replica[replica], t_s);
}

static double meter_of(const ms_fleet *self, int32_t replica, double t_s)
{
    return ms_replica_meter_j(&self->replica[replica], t_s);
}

static double sum_over(const ms_fleet *self, int32_t pool, double t_s, reading_fn reading)
{
    const ms_pool *p = &self->pool[pool];
    double sum = 0.0;
    for (int32_t i = p->first; i < p->first + p->plan.replicas && !p->plan.is_api; i++) {
        sum += reading(self, i, t_s);
    }
    return sum;
}

double ms_meters_busy_s(const ms_fleet *self, int32_t pool, double t_s)
{
    return sum_over(self, pool, t_s, busy_of);
}

double ms_meters_idle_s(const ms_fleet *self, int32_t pool, double t_s)
{
    return sum_over(self, pool, t_s, idle_of);
}

double ms_meters_rented_s(const ms_fleet *self, int32_t pool, double t_s)
{
    return sum_over(self, pool, t_s, rented_of);
}

double ms_meters_iterations_j(const ms_fleet *self, int32_t pool, double t_s)
{
    return sum_over(self, pool, t_s, meter_of);
}

/* Of a replica until t_s. Most of a large fleet may be idle whenever it is read: what is read of those stands
 * close together, and is read once. */
static double energy_of(const ms_fleet *self, int32_t replica, double t_s, double idle_w)
{
    const double down_s = down_of(self, replica, t_s);
    const ms_replica *server = &self->replica[replica];
    ms_rest *rest = &self->rest[replica];
    if (self->is_at_rest[replica]) {
        return rest->meter_j + idle_w * idle_if(t_s, rest->busy_s, down_s);
    }
    const ms_rest used = {.meter_j = ms_replica_meter_j(server, t_s),
                          .busy_s = ms_replica_busy_s(server, t_s),
                          .prompt_tokens = server->sequences.prompt_tokens,
                          .cached_prompt_tokens = server->sequences.cached_prompt_tokens};
    if (server->state == MS_IDLE) {
        *rest = used;
        self->is_at_rest[replica] = 1;
    }
    return used.meter_j + idle_w * idle_if(t_s, used.busy_s, down_s);
}

double ms_meters_energy_j(const ms_fleet *self, int32_t pool, double t_s)
{
    const ms_pool *p = &self->pool[pool];
    double sum = 0.0;
    for (int32_t i = p->first; i < p->first + p->plan.replicas && !p->plan.is_api; i++) {
        sum += energy_of(self, i, t_s, p->plan.coefficients.p_idle_w);
    }
    return sum;
}

int64_t ms_meters_prompt_tokens(const ms_fleet *self, int32_t pool, int64_t *cached)
{
    const ms_pool *p = &self->pool[pool];
    int64_t tokens = *cached = 0;
    const int counts = p->plan.limits.prefix_cache && !p->plan.is_api;
    for (int32_t i = p->first; i < p->first + p->plan.replicas && counts; i++) {
        const ms_rest *rest = &self->rest[i];
        const ms_sequences *sequences = &self->replica[i].sequences;
        tokens += self->is_at_rest[i] ? rest->prompt_tokens : sequences->prompt_tokens;
        *cached += self->is_at_rest[i] ? rest->cached_prompt_tokens : sequences->cached_prompt_tokens;
    }
    return tokens;
}

double ms_meters_load(const ms_fleet *self, int32_t model)
{
    int64_t places = 0, unfinished = 0;
    for (int32_t group = model; group < self->groups; group += self->models) {
        const ms_servers *servers = &self->servers[group];
        for (int32_t k = 0; k < servers->pools; k++) {
            const ms_pool *pool = &self->pool[servers->pool[k]];
            places += (int64_t)pool->up * pool->plan.limits.max_num_seqs;
            unfinished += pool->unfinished;
        }
    }
    return places > 0 ? (double)unfinished / (double)places : 0.0;
}
