#include "job.h"

#include <math.h>
#include <stddef.h>

ms_job ms_job_new(int64_t request, int32_t model, int32_t prompt_tokens, int32_t output_tokens)
{
    return (ms_job){.request = request,
                    .model = model,
                    .prompt_tokens = prompt_tokens,
                    .output_tokens = output_tokens,
                    .replica = -1,
                    .start_s = NAN,
                    .first_token_s = NAN,
                    .finish_s = NAN};
}

void ms_queue_push_tail(ms_queue *self, ms_job *job)
{
    job->next = NULL;
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
    self->head = job;
    if (self->tail == NULL) {
        self->tail = job;
    }
    self->length++;
}

ms_job *ms_queue_pop(ms_queue *self)
{
    ms_job *job = self->head;
    if (job != NULL) {
        self->head = job->next;
        if (self->head == NULL) {
            self->tail = NULL;
        }
        job->next = NULL;
        self->length--;
    }
    return job;
}
