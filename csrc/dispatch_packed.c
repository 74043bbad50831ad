/* The fullest replica with fewer than so many unfinished requests; where all have as many, the least loaded. Of equals the
 * first. Bin packing: batches are large and replicas without work idle.
 *
 * Of many replicas the fleet keeps an index: minus the load of who has room, which is at most 0, and the load of who is
 * full, which is more. The first of the least is the one either way. */
#include "dispatch_rules.h"

static int32_t by_looking_at_all(const ms_choice *self)
{
    const int64_t full = self->fleet->dispatch.packed_requests;
    int64_t most = -1;
    int32_t fullest = -1;
    for (int32_t i = 0; i < self->n && most < full - 1; i++) {
        const int64_t load = ms_view_seen(self->fleet, self->up[i]);
        if (load > most && load < full) {
            most = load;
            fullest = self->up[i];
        }
    }
    return fullest >= 0 ? fullest : ms_choice_least_loaded(self, 0);
}

static int32_t pick(const ms_choice *self)
{
    const ms_servers *servers = self->servers;
    const int is_indexed = ms_choice_is_of_all(self) && servers->replicas > MS_SCAN_MOST;
    return is_indexed ? servers->replica[ms_ties_pick(&servers->loads, 0)] : by_looking_at_all(self);
}

const ms_dispatch_rule ms_packed = {.pick = pick};
