#include "dispatch_rules.h"

#include "draw.h"
#include "outlook.h"

int ms_choice_has(const ms_choice *self, int32_t replica)
{
    if (ms_choice_is_of_all(self)) {
        return self->fleet->failures[replica] == 0;
    }
    int32_t at = 0;
    for (int32_t end = self->n; at < end;) {
        const int32_t middle = at + (end - at) / 2;
        if (self->fleet->place_of[self->up[middle]] < self->fleet->place_of[replica]) {
            at = middle + 1;
        } else {
            end = middle;
        }
    }
    return at < self->n && self->up[at] == replica;
}

double ms_choice_uniform(const ms_choice *self, int second)
{
    ms_stream stream = self->servers->stream;
    stream.sub = (uint32_t)self->job->attempt;
    return ms_draw_one(&stream, second, (uint64_t)self->job->request);
}

int64_t ms_choice_waiting_now(const ms_choice *self, int32_t replica)
{
    const ms_fleet *fleet = self->fleet;
    return ms_choice_is_api(self, replica) ? 0 : ms_replica_waiting(&fleet->replica[replica]);
}

double ms_choice_usage_now(const ms_choice *self, int32_t replica)
{
    const ms_fleet *fleet = self->fleet;
    return ms_choice_is_api(self, replica) ? 0.0 : ms_outlook_kv_usage(&fleet->replica[replica], self->t_s);
}

int64_t ms_choice_cached(const ms_choice *self, int32_t replica)
{
    const ms_fleet *fleet = self->fleet;
    return ms_fleet_is_api(fleet, replica) ? 0 : ms_outlook_cached_tokens(&fleet->replica[replica], self->job);
}

const ms_text_node *ms_choice_holders(const ms_choice *self)
{
    int64_t id;
    return ms_cache_first_id(self->job, self->servers->block_tokens, &id) ? ms_texts_find(&self->servers->texts, id) : NULL;
}

int32_t ms_choice_draw(const ms_choice *self, int second, int32_t n)
{
    const int32_t k = (int32_t)(ms_choice_uniform(self, second) * (double)n);
    return k < n ? k : n - 1;
}

int32_t ms_choice_cheapest(const ms_choice *self, const int32_t *replicas, const double *costs, int32_t n)
{
    double least = costs[0];
    int32_t equal = 1;
    for (int32_t i = 1; i < n; i++) {
        equal = costs[i] < least ? 1 : equal + (costs[i] == least);
        least = costs[i] < least ? costs[i] : least;
    }
    const int32_t *place_of = self->fleet->place_of;
    int32_t left = ms_choice_draw(self, 0, equal), best = -1;
    for (int32_t i = 0; i < n && replicas == self->up; i++) { /* they stand in order */
        if (costs[i] == least && left-- == 0) {
            return replicas[i];
        }
    }
    do {
        const int32_t after = best < 0 ? -1 : place_of[best];
        best = -1;
        for (int32_t i = 0; i < n; i++) {
            const int is_next = costs[i] == least && place_of[replicas[i]] > after;
            best = is_next && (best < 0 || place_of[replicas[i]] < place_of[best]) ? replicas[i] : best;
        }
    } while (left-- > 0);
    return best;
}

static int32_t by_index(const ms_choice *self, int random_ties)
{
    const ms_ties *loads = &self->servers->loads;
    return self->servers->replica[ms_ties_pick(loads, random_ties ? ms_choice_draw(self, 0, ms_ties_count(loads)) : 0)];
}

int32_t ms_choice_least_loaded(const ms_choice *self, int random_ties)
{
    if (ms_choice_is_of_all(self) && self->servers->replicas > MS_SCAN_MOST) {
        return by_index(self, random_ties);
    }
    const ms_fleet *fleet = self->fleet;
    int64_t least = ms_view_seen(fleet, self->up[0]);
    int32_t first = 0, equal = 1;
    for (int32_t i = 1; i < self->n; i++) {
        const int64_t load = ms_view_seen(fleet, self->up[i]);
        equal = load < least ? 1 : equal + (load == least);
        first = load < least ? i : first;
        least = load < least ? load : least;
    }
    int32_t left = random_ties ? ms_choice_draw(self, 0, equal) : 0, i = first;
    while (left > 0) {
        left -= ms_view_seen(fleet, self->up[++i]) == least;
    }
    return self->up[i];
}
