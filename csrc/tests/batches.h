/* Batches of one replica, step by step: for tests of sequences and of their memory. */
#ifndef MS_TEST_BATCHES_H
#define MS_TEST_BATCHES_H

#include "check.h"
#include "jobs.h"
#include "sequences.h"

static const ms_coefficients unit = {.a0_s = 1.0, .p0_w = 2.0, .e_j_per_token = 1.0, .p_cap_w = 1000.0};
static ms_drafts one_right;

/* Drafts of one token each, which is always right. */
static inline ms_limits drafting(int64_t memory, int32_t block)
{
    ms_drafts_init(&one_right, 1, (const double[]){1.0}, &(ms_stream){1, 7, 0, 0});
    return (ms_limits){.max_num_seqs = 4,
                       .max_batched_tokens = 16,
                       .kv_capacity_tokens = memory,
                       .kv_block_tokens = block,
                       .drafts = &one_right};
}

static inline void admit(ms_sequences *s, ms_job *job, int64_t budget)
{
    CHECK(ms_sequences_admit(s, job, 0.0, budget, 0) == 0);
    ms_sequences_compose(s);
}

static inline void apply(ms_sequences *s, int64_t n)
{
    ms_queue done = {0};
    ms_sequences_apply(s, n, 1.0, &done);
    ms_sequences_compose(s);
}

#endif
