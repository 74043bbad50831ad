/* A session stays where it was sent last, if it can; who is of no session, or of one that is not known any more, goes to the
 * least loaded.
 *
 * As llm-d's session affinity by the session's id (llm-d/llm-d-router@ebab6879,
 * pkg/epp/framework/plugins/scheduling/scorer/sessionaffinity): bindings that are unused for 300 s are forgotten. */
#include "dispatch_rules.h"

static int32_t pick(const ms_choice *self)
{
    const int64_t session = self->job->session;
    ms_bindings *bindings = &self->servers->sessions;
    ms_bindings_expire(bindings, self->t_s - self->fleet->dispatch.session_ttl_s);
    const int32_t bound = session >= 0 ? ms_bindings_find(bindings, session) : -1;
    if (bound >= 0 && ms_choice_has(self, bound)) {
        return bound;
    }
    return ms_choice_least_loaded(self, self->fleet->dispatch.random_ties);
}

static int sent(const ms_choice *self, int32_t replica)
{
    const int64_t session = self->job->session;
    return session >= 0 ? ms_bindings_bind(&self->servers->sessions, session, replica, self->t_s) : 0;
}

const ms_dispatch_rule ms_session = {.pick = pick, .sent = sent};
