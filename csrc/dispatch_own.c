/* A rule of the user's own: a function that is compiled, and called with what the others see too.
 *
 * It looks at everybody for each copy: the arrays that it reads are filled anew. Its answer counts only if it names one of
 * those it may choose from; anything else stops the run, so that a failure is never taken for the first replica. */
#include <stdlib.h>
#include <string.h>

#include "dispatch_rules.h"
#include "error.h"

static int32_t pick(const ms_choice *self)
{
    ms_fleet *fleet = self->fleet;
    const ms_own_rule *rule = &self->servers->own;
    const ms_job *job = self->job;
    const size_t room = (size_t)fleet->replicas + 1;
    double *numbers = fleet->seen, *loads = numbers + room, *waiting = loads + room, *usage = waiting + room,
           *cached = usage + room;
    for (int32_t i = 0; i < self->n; i++) {
        const int32_t replica = self->up[i];
        numbers[i] = (double)fleet->place_of[replica];
        loads[i] = rule->sees_loads ? (double)ms_fleet_seen(fleet, replica) : 0.0;
        waiting[i] = rule->sees_engines ? (double)ms_choice_waiting(self, replica) : 0.0;
        usage[i] = rule->sees_engines ? ms_choice_usage(self, replica) : 0.0;
        cached[i] = rule->sees_caches ? (double)ms_choice_cached(self, replica) : 0.0;
    }
    const double uniforms[MS_OWN_UNIFORMS] = {ms_choice_uniform(self, 0), ms_choice_uniform(self, 1)};
    const int64_t picked = rule->pick(job->request, job->attempt, job->session, job->prompt_tokens, self->t_s, self->n,
                                      numbers, loads, waiting, usage, cached, uniforms, rule->params, rule->state);
    if (picked < 0 || picked >= self->n) {
        fleet->wrong_request = job->request;
        fleet->wrong_pick = picked;
        return MS_ERR_PICK;
    }
    return self->up[picked];
}

/* Its memory is put back as it was. */
static int32_t look(const ms_choice *self)
{
    double *state = self->servers->own.state;
    const size_t bytes = (size_t)state[-1] * sizeof *state;
    double *before = malloc(bytes + 1);
    if (before == NULL) {
        return MS_ERR_MEMORY;
    }
    memcpy(before, state, bytes);
    const int32_t replica = pick(self);
    memcpy(state, before, bytes);
    free(before);
    return replica;
}

const ms_dispatch_rule ms_own = {.pick = pick, .look = look};
