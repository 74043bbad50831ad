/* A rule of the user's own: a function that is compiled, and called with what the others see too.
 *
 * It may look at everybody for each copy. Of many replicas the arrays that it reads are kept, and changed where what is seen
 * of a replica changes, so that one who looks at a few costs no more than they do; engines that are looked at for each
 * request, a part of the replicas, and caches whose blocks differ from pool to pool are read anew. Its answer counts only if
 * it names one of those it may choose from; anything else stops the run, so that a failure is never taken for the first
 * replica. */
#include <stdlib.h>

#include "dispatch_rules.h"
#include "error.h"

static void read_replica(const ms_choice *self, const ms_own_view *view, int32_t i)
{
    const int32_t replica = self->up[i];
    view->numbers[i] = (double)self->fleet->place_of[replica];
    view->loads[i] = self->servers->own.sees_loads ? (double)ms_view_seen(self->fleet, replica) : 0.0;
}

static void read_engines(const ms_choice *self, const ms_own_view *view)
{
    for (int32_t i = 0; i < self->n && self->servers->own.sees_engines; i++) {
        view->waiting[i] = (double)ms_choice_waiting(self, self->up[i]);
        view->usage[i] = ms_choice_usage(self, self->up[i]);
    }
}

static void read_caches(const ms_choice *self, const ms_own_view *view)
{
    for (int32_t i = 0; i < self->n && self->servers->own.sees_caches; i++) {
        view->cached[i] = (double)ms_choice_cached(self, self->up[i]);
    }
}

static int64_t ask(const ms_choice *self, const ms_own_view *view)
{
    const ms_own_rule *rule = &self->servers->own;
    const ms_job *job = self->job;
    const double uniforms[MS_OWN_UNIFORMS] = {ms_choice_uniform(self, 0), ms_choice_uniform(self, 1)};
    return rule->pick(job->request, job->attempt, job->session, job->prompt_tokens, self->t_s, self->n, view->numbers,
                      view->loads, view->waiting, view->usage, view->cached, uniforms, rule->params, rule->state);
}

/* What it does not read is 0 from the beginning. */
static int64_t ask_anew(const ms_choice *self)
{
    ms_own_view view;
    ms_own_view_lay(&view, self->fleet->seen, self->fleet->replicas + 1);
    for (int32_t i = 0; i < self->n; i++) {
        read_replica(self, &view, i);
    }
    read_engines(self, &view);
    read_caches(self, &view);
    return ask(self, &view);
}

/* ---- among many ------------------------------------------------------------------------------------------ */

/* What has changed since the choice before, other than loads. */
static void update(const ms_choice *self, ms_own_view *view)
{
    const ms_servers *servers = self->servers;
    for (int32_t place = 0; place < servers->replicas && !view->is_known; place++) {
        view->at[place] = -1;
    }
    for (int32_t i = 0; i < self->n && !view->is_known; i++) {
        view->at[self->fleet->place_of[self->up[i]]] = i;
        read_replica(self, view, i);
    }
    if (!view->is_known || !view->engines_known) {
        read_engines(self, view);
    }
    view->is_known = 1;
    view->engines_known = self->fleet->looks.delay_s > 0.0;
}

static int64_t ask_by_view(const ms_choice *self)
{
    const ms_servers *servers = self->servers;
    ms_own_view *view = &self->servers->view;
    update(self, view);
    if (servers->block_tokens == 0) {
        read_caches(self, view);
        return ask(self, view);
    }
    const ms_text_node *node = servers->own.sees_caches ? ms_choice_holders(self) : NULL;
    const int32_t n = node != NULL ? node->n : 0;
    for (int32_t k = 0; k < n; k++) {
        const int32_t place = node->entries[k].replica, i = place >= 0 ? view->at[place] : -1;
        if (i >= 0) {
            view->cached[i] = (double)ms_choice_cached(self, self->up[i]);
        }
    }
    const int64_t picked = ask(self, view);
    for (int32_t k = 0; k < n; k++) {
        const int32_t place = node->entries[k].replica, i = place >= 0 ? view->at[place] : -1;
        if (i >= 0) {
            view->cached[i] = 0.0;
        }
    }
    return picked;
}

static int32_t pick(const ms_choice *self)
{
    const int is_kept = ms_choice_is_of_all(self) && self->servers->view.numbers != NULL;
    const int64_t picked = is_kept ? ask_by_view(self) : ask_anew(self);
    if (picked < 0 || picked >= self->n) {
        self->fleet->wrong_request = self->job->request;
        self->fleet->wrong_pick = picked;
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
