#include "api_limits.h"

#include <math.h>

#include "maths.h"

void ms_bucket_init(ms_bucket *self, double per_minute, double burst_s)
{
    const double per_s = per_minute / 60.0, most = per_minute > 0.0 ? per_s * burst_s : INFINITY;
    *self = (ms_bucket){.per_s = per_s, .most = most, .level = most};
}

double ms_bucket_level(const ms_bucket *self, double t_s)
{
    const double level = self->level + (t_s - self->since_s) * self->per_s;
    return level < self->most ? level : self->most;
}

double ms_bucket_most(const ms_bucket *self, double t_s)
{
    return ms_bucket_level(self, t_s) + self->most * MS_BUCKET_ROUNDING;
}

int ms_bucket_has(const ms_bucket *self, double amount, double t_s)
{
    return amount <= ms_bucket_most(self, t_s);
}

double ms_bucket_wait_s(const ms_bucket *self, double amount, double t_s)
{
    if (ms_bucket_has(self, amount, t_s)) {
        return 0.0;
    }
    if (amount > self->most + self->most * MS_BUCKET_ROUNDING) {
        return INFINITY;
    }
    double wait_s = (amount - ms_bucket_level(self, t_s)) / self->per_s;
    double then_s = t_s + wait_s;
    while (!ms_bucket_has(self, amount, t_s + wait_s)) { /* a step of a late clock is more than is forgiven */
        then_s = ms_from_bits(ms_to_bits(then_s) + 1); /* the next number, as it is above 0 */
        wait_s = then_s - t_s;
    }
    return wait_s;
}

void ms_bucket_take(ms_bucket *self, double amount, double t_s)
{
    const double left = ms_bucket_level(self, t_s) - amount;
    self->level = left > 0.0 ? left : 0.0;
    self->since_s = t_s;
}

void ms_api_limits_init(ms_api_limits *self, const ms_limits_plan *plan)
{
    ms_bucket_init(&self->requests, plan->requests_per_minute, plan->burst_s);
    ms_bucket_init(&self->tokens, plan->tokens_per_minute, plan->burst_s);
    self->most_calls = plan->most_calls;
}

static int has_room(const ms_api_limits *self, int64_t calls)
{
    return self->most_calls <= 0 || calls < self->most_calls;
}

/* Without the waits, which take a division each. */
int ms_api_limits_allow(const ms_api_limits *self, int64_t tokens, int64_t calls, double t_s)
{
    return has_room(self, calls) && ms_bucket_has(&self->requests, 1.0, t_s) && ms_bucket_has(&self->tokens, (double)tokens, t_s);
}

double ms_api_limits_wait_s(const ms_api_limits *self, int64_t tokens, int64_t calls, double t_s)
{
    if (!has_room(self, calls)) {
        return INFINITY;
    }
    const double requests_s = ms_bucket_wait_s(&self->requests, 1.0, t_s);
    const double tokens_s = ms_bucket_wait_s(&self->tokens, (double)tokens, t_s);
    return requests_s > tokens_s ? requests_s : tokens_s;
}

void ms_api_limits_take(ms_api_limits *self, int64_t tokens, double t_s)
{
    ms_bucket_take(&self->requests, 1.0, t_s);
    ms_bucket_take(&self->tokens, (double)tokens, t_s);
}
