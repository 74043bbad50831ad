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

static double idle_of(const ms_fleet *self, int32_t replica, double t_s)
{
    const double down_s = down_of(self, replica, t_s);
    const double idle_s = t_s - ms_replica_busy_s(&self->replica[replica], t_s) - down_s;
    return idle_s > 0.0 ? idle_s : 0.0;
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

static double energy_of(const ms_fleet *self, int32_t replica, double t_s)
{
    const double idle_w = ms_pool_of(self, replica)->plan.coefficients.p_idle_w;
    return meter_of(self, replica, t_s) + idle_w * idle_of(self, replica, t_s);
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

double ms_meters_energy_j(const ms_fleet *self, int32_t pool, double t_s)
{
    return sum_over(self, pool, t_s, energy_of);
}

int64_t ms_meters_prompt_tokens(const ms_fleet *self, int32_t pool, int64_t *cached)
{
    const ms_pool *p = &self->pool[pool];
    int64_t tokens = *cached = 0;
    const int counts = p->plan.limits.prefix_cache && !p->plan.is_api;
    for (int32_t i = p->first; i < p->first + p->plan.replicas && counts; i++) {
        tokens += self->replica[i].sequences.prompt_tokens;
        *cached += self->replica[i].sequences.cached_prompt_tokens;
    }
    return tokens;
}
