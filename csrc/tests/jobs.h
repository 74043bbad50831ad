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

/* A prompt of nodes 1 (20 tokens) and 2 (to 50), and 10 of its own. */
static inline ms_job long_prompt(ms_node_of_path *path)
{
    path[0] = (ms_node_of_path){1, 20};
    path[1] = (ms_node_of_path){2, 50};
    ms_job job = ms_job_new(0, 0, 60, 5);
    job.path = path;
    job.path_length = 2;
    return job;
}

#endif
