/* What a provider remembers of prompts, and sells cheaper when it comes again.
 *
 * Of each node of a path (job.h) it knows how far the prompts went that were sent there, for `keep_s` after they were
 * sent last. A prompt finds what there is from its start up to the first node that is not there whole; less than
 * `least_tokens` is nothing, and beyond that it is found in steps. Answers are not remembered. OpenAI: at least 1,024
 * tokens in steps of 128, kept for 5 to 10 minutes after their last use (platform.openai.com/docs/guides/prompt-caching);
 * Anthropic: 5 minutes after their last use, at least 1,024 tokens for most models (docs.claude.com, prompt caching). */
#ifndef MS_PROMPT_CACHE_H
#define MS_PROMPT_CACHE_H

#include <stdint.h>

#include "job.h"

typedef struct ms_prompt_cache_plan {
    double keep_s; /* 0: it remembers nothing */
    int32_t least_tokens;
    int32_t step_tokens; /* at least 1 */
} ms_prompt_cache_plan;

/* A table of nodes by id, with open addressing; what has run out is dropped when it is full. */
typedef struct ms_prompt_cache {
    ms_prompt_cache_plan plan;
    struct ms_remembered *slots;
    int64_t room; /* a power of two; 0: nothing was sent yet */
    int64_t used;
} ms_prompt_cache;

void ms_prompt_cache_init(ms_prompt_cache *self, const ms_prompt_cache_plan *plan);
void ms_prompt_cache_free(ms_prompt_cache *self);

/* A prompt is sent at t_s: sets the job's `cached_prompt_tokens` to what is there of it, and remembers it. */
int ms_prompt_cache_send(ms_prompt_cache *self, ms_job *job, double t_s);

#endif
