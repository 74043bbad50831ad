/* Jobs that pass by one prefix cache: for tests of it and of its check. */
#ifndef MS_TEST_PASSING_H
#define MS_TEST_PASSING_H

#include "cache.h"
#include "jobs.h"

enum { REPLICA = 0 };

static inline ms_job with_path(int64_t request, int32_t prompt_tokens, const ms_node_of_path *path, int32_t length)
{
    ms_job job = ms_job_new(request, 0, prompt_tokens, 9);
    job.path = path;
    job.path_length = length;
    return job;
}

/* A job comes, computes all of its prompt and goes. Returns the blocks that it found. */
static inline int64_t pass_by(ms_cache *cache, ms_job *job)
{
    const int64_t cached = ms_cache_admit(cache, job, job->prompt_tokens, REPLICA);
    ms_cache_extend(cache, job, job->prompt_tokens);
    ms_cache_leave(cache, job, job->prompt_tokens, 1, 0);
    return cached;
}

#endif
