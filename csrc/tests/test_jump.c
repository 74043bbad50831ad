#include "jump.h"
#include "check.h"

/* A replica that runs one composition from base_s on: all that the functions of a jump look at. */
static ms_replica running(ms_series busy, double floor_s, double floored, double base_s, int64_t limit)
{
    ms_replica self;
    memset(&self, 0, sizeof self);
    self.sequences.tau = (ms_durations){.gpu = busy, .busy = busy, .floor_s = floor_s, .floored = floored};
    self.base_s = base_s;
    self.limit_iterations = limit;
    return self;
}

/* One step after the other. */
static double stepped_s(const ms_replica *self, int64_t n)
{
    double t_s = self->base_s;
    for (int64_t j = 0; j < n; j++) {
        t_s += ms_durations_nth_s(&self->sequences.tau, (double)j);
    }
    return t_s;
}

static void a_jump_by_hand(void)
{
    ms_replica self = running((ms_series){0.5, 0.25}, 0.0, 0.0, 2.0, 4); /* ends at 2.5, 3.25, 4.25, 5.5 */
    CHECK(ms_jump_end_s(&self, 1) == 2.5 && ms_jump_end_s(&self, 2) == 3.25 && ms_jump_end_s(&self, 4) == 5.5);
    CHECK(ms_jump_until(&self, 2.0) == 1 && ms_jump_until(&self, 2.5) == 1); /* never before the first end */
    CHECK(ms_jump_until(&self, 2.50001) == 2 && ms_jump_until(&self, 3.25) == 2 && ms_jump_until(&self, 5.0) == 4);
    CHECK(ms_jump_until(&self, 99.0) == 4); /* nor beyond the last */
    ms_jump_aim(&self, 3);
    CHECK(self.state == MS_RUNNING && self.target_iterations == 3 && self.boundary_s == 4.25);
}

static void a_host_that_binds_at_first(void)
{
    /* 1 s each while the GPU takes less: 0.5, 0.75, 1, then 1.25, ... of which the first two are floored */
    const ms_replica self = running((ms_series){0.5, 0.25}, 1.0, 2.0, 0.0, 9);
    CHECK(ms_jump_end_s(&self, 2) == 2.0 && ms_jump_end_s(&self, 3) == 3.0 && ms_jump_end_s(&self, 4) == 4.25);
    CHECK(ms_jump_until(&self, 1.5) == 2 && ms_jump_until(&self, 3.0) == 3 && ms_jump_until(&self, 3.5) == 4);
}

static void jumps_against_steps(void)
{
    lcg chance = {3};
    for (int k = 0; k < 2000; k++) {
        const ms_series busy = {1e-3 + lcg_unit(&chance), lcg_between(&chance, 0, 3) ? 1e-3 * lcg_unit(&chance) : 0.0};
        const int64_t limit = lcg_between(&chance, 1, 300);
        const double floored = lcg_between(&chance, 0, 1) ? (double)lcg_between(&chance, 1, 200) : 0.0;
        const double floor_s = busy.first + busy.slope * floored;
        const ms_replica self = running(busy, floor_s, floored, 1000.0 * lcg_unit(&chance), limit);
        CHECK_NEAR(ms_jump_end_s(&self, limit), stepped_s(&self, limit), 1e-12);
        const double t_s = self.base_s + 1.1 * lcg_unit(&chance) * (ms_jump_end_s(&self, limit) - self.base_s);
        int64_t fewest = 1;
        while (fewest < limit && ms_jump_end_s(&self, fewest) < t_s) {
            fewest++;
        }
        CHECK(ms_jump_until(&self, t_s) == fewest);
        const ms_jump_point point = ms_jump_find(&self, t_s);
        CHECK(point.n == fewest && point.end_s == ms_jump_end_s(&self, fewest));
        CHECK(point.before_s == ms_jump_end_s(&self, fewest - 1));
    }
}

int main(void)
{
    RUN(a_jump_by_hand);
    RUN(a_host_that_binds_at_first);
    RUN(jumps_against_steps);
    return report();
}
