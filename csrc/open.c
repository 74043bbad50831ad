#include "open.h"

#include <math.h>

void ms_open_saw(ms_open *self, int32_t replica, int32_t preemptions, double start_s, double first_token_s)
{
    self->replica = replica;
    self->preemptions += preemptions;
    if (self->stage == 0) {
        self->start_s = start_s;
    }
    self->first_token_s = first_token_s;
}

void ms_open_pay(ms_open *self, int32_t model, double energy_j, double cost)
{
    self->energy_j += energy_j;
    self->cost += cost;
    if (model != self->seen) {
        self->exploration_cost += cost;
    }
}

void ms_open_drop(ms_open *self, ms_job *job)
{
    ms_job **at = &self->jobs;
    while (*at != job) {
        at = &(*at)->sibling;
    }
    *at = job->sibling;
}

void ms_open_pass_on(ms_open *self)
{
    ms_open *heir = self->heir;
    heir->energy_j += self->energy_j;
    heir->cost += self->cost;
    heir->exploration_cost += self->exploration_cost;
    heir->preemptions += self->preemptions;
    self->closed = 1;
}

void ms_open_put_down(ms_open *self)
{
    ms_page *page = self->page;
    const int64_t i = self->i, answer = self->seen * page->n + i;
    const int completed = self->status == MS_COMPLETED;
    page->record_arrival_s[i] = self->arrival_s;
    page->explored[i] = self->explored || self->explored_before;
    page->model[i] = self->seen;
    page->replica[i] = self->replica;
    page->record_output_tokens[i] = page->output_tokens != NULL ? page->output_tokens[answer] : 0;
    page->queue[i] = self->queue;
    page->score[i] = self->score;
    page->record_satisfied[i] = completed ? page->satisfied[answer] : NAN;
    page->feedback_s[i] = completed ? self->feedback_s : NAN;
    page->start_s[i] = self->start_s;
    page->first_token_s[i] = self->first_token_s;
    page->finish_s[i] = self->finish_s;
    page->preemptions[i] = self->preemptions;
    page->attempts[i] = self->attempt + 1;
    page->energy_j[i] = self->energy_j;
    page->cost[i] = self->cost;
    page->exploration_cost[i] = self->exploration_cost;
    page->status[i] = self->status;
    page->open--;
    self->closed = 1;
}
