#include "fleet_kept.h"

#include <stddef.h>

void ms_fleet_kept_add(ms_fleet *self, ms_job *job)
{
    ms_job **first = &self->kept[job->source];
    job->kept_previous = NULL;
    job->kept_next = *first;
    if (*first != NULL) {
        (*first)->kept_previous = job;
    }
    *first = job;
}

void ms_fleet_kept_let_go(ms_fleet *self, ms_job *job, double t_s)
{
    const int32_t source = job->source;
    if (source < 0) {
        return;
    }
    if (job->kept_next != NULL) {
        job->kept_next->kept_previous = job->kept_previous;
    }
    *(job->kept_previous != NULL ? &job->kept_previous->kept_next : &self->kept[source]) = job->kept_next;
    job->source = -1;
    if (self->failures[source] == 0) {
        ms_fleet_act(self, source, ms_replica_let_go(&self->replica[source], job, t_s), t_s);
    }
    job->holds = NULL; /* of a cache that is gone with its replica */
}
