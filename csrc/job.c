#include "job.h"

#include <math.h>
#include <stddef.h>

/* Copied and then filled in where it stays: a struct built on the stack would be read back before its stores are done. */
static const ms_job UNPLACED = {
    .replica = -1,
    .pool = -1,
    .server = -1,
    .answer_node = -1,
    .session = -1,
    .start_s = NAN,
    .first_token_s = NAN,
    .finish_s = NAN};

void ms_job_init(ms_job *self, int64_t request, int32_t model, int32_t prompt_tokens, int32_t output_tokens)
{
    *self = UNPLACED;
    self->request = request;
    self->model = model;
    self->prompt_tokens = prompt_tokens;
    self->output_tokens = output_tokens;
}

void ms_job_cut_off(ms_job *self, double t_s)
{
    if (self->first_token_s > t_s) {
        self->first_token_s = NAN;
    }
    self->finish_s = NAN;
}

void ms_queue_push_tail(ms_queue *self, ms_job *job)
{
    job->next = NULL;
    job->previous = self->tail;
    job->place = MS_QUEUED;
    if (self->tail != NULL) {
        self->tail->next = job;
    } else {
        self->head = job;
    }
    self->tail = job;
    self->length++;
}

void ms_queue_push_head(ms_queue *self, ms_job *job)
{
    job->next = self->head;
    job->previous = NULL;
    job->place = MS_QUEUED;
    if (self->head != NULL) {
        self->head->previous = job;
    } else {
        self->tail = job;
    }
    self->head = job;
    self->length++;
}

ms_job *ms_queue_pop(ms_queue *self)
{
    ms_job *job = self->head;
    if (job != NULL) {
        ms_queue_remove(self, job);
    }
    return job;
}

void ms_queue_remove(ms_queue *self, ms_job *job)
{
    if (job->previous != NULL) {
        job->previous->next = job->next;
    } else {
        self->head = job->next;
    }
    if (job->next != NULL) {
        job->next->previous = job->previous;
    } else {
        self->tail = job->previous;
    }
    job->next = job->previous = NULL;
    job->place = MS_NOWHERE;
    self->length--;
}
