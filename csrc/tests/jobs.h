/* Jobs by value, for tests that make several in one line. */
#ifndef MS_TEST_JOBS_H
#define MS_TEST_JOBS_H

#include "job.h"

static inline ms_job ms_job_new(int64_t request, int32_t model, int32_t prompt_tokens, int32_t output_tokens)
{
    ms_job job;
    ms_job_init(&job, request, model, prompt_tokens, output_tokens);
    return job;
}

#endif
