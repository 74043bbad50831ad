/* The parts that a prompt is made of, for those who compare prompts: the nodes of its path, then what it alone says. */
#ifndef MS_PROMPT_H
#define MS_PROMPT_H

#include "job.h"

/* Tokens `from` ... `to` - 1 of a prompt. Where `id` is the same, so is all text up to there; -1: no other prompt has it. */
typedef struct ms_part {
    int64_t id;
    int64_t from;
    int64_t to;
} ms_part;

/* The i-th part of a prompt; 0 past the last. */
static inline int ms_prompt_part(const ms_job *job, int32_t i, ms_part *part)
{
    const int32_t length = job->path_length;
    if (i < length) {
        *part = (ms_part){job->path[i].id, i > 0 ? job->path[i - 1].end_tokens : 0, job->path[i].end_tokens};
        return 1;
    }
    *part = (ms_part){-1, length > 0 ? job->path[length - 1].end_tokens : 0, job->prompt_tokens};
    return i == length && part->from < part->to;
}

#endif
