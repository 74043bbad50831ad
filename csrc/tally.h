/* What a run adds up over its records, in one pass where NumPy would take dozens.
 *
 * Records come in blocks of consecutive requests, columns [n]. Sums are taken in order within a block and then added
 * to the totals: their bits depend on the size of the blocks, which the caller fixes. */
#ifndef MS_TALLY_H
#define MS_TALLY_H

#include <stdint.h>

#include "histogram.h"

typedef struct ms_records {
    int64_t n;
    const int64_t *id;
    const int32_t *tenant;
    const int32_t *model;
    const int8_t *status; /* enum ms_status */
    const uint8_t *explored;
    const int32_t *prompt_tokens;
    const int32_t *output_tokens;
    const int32_t *preemptions;
    const double *arrival_s;
    const double *start_s;
    const double *first_token_s;
    const double *finish_s;
    const double *satisfied; /* NaN where there was no answer */
    const double *feedback_s;
    const double *energy_j;
    const double *cost;
    const double *exploration_cost;
    const int32_t *cached_prompt_tokens;
    const int64_t *cached_recompute_tokens;
} ms_records;

/* ---- sums -------------------------------------------------------------------------------------------- */

enum ms_tally_sum {
    MS_SUM_COST,
    MS_SUM_EXPLORATION_COST,
    MS_SUM_LOST_COST,  /* of requests without an answer that are not in flight */
    MS_SUM_PAPER_COST, /* of what users saw where nobody explored */
    MS_SUM_ENERGY_J,
    MS_TALLY_SUMS
};
enum ms_tally_count {
    MS_COUNT_WITH_FEEDBACK,
    MS_COUNT_PREEMPTIONS,
    MS_COUNT_PROMPT_TOKENS, /* of answered requests, as the next */
    MS_COUNT_OUTPUT_TOKENS,
    MS_COUNT_STARTED_PROMPT_TOKENS, /* of requests that a replica has started */
    MS_COUNT_CACHED_PROMPT_TOKENS,
    MS_COUNT_CACHED_RECOMPUTE_TOKENS,
    MS_TALLY_COUNTS
};

typedef struct ms_tally {
    int64_t statuses;
    int64_t models;
    int64_t tenants;
    double *sums;             /* [MS_TALLY_SUMS] */
    int64_t *counts;          /* [MS_TALLY_COUNTS] */
    int64_t *by_status;       /* [statuses] */
    int64_t *answered;        /* [models] */
    double *satisfied;        /* [models] */
    double *visible_cost;     /* [models] */
    int64_t *tenant_answered; /* [tenants] */
    double *tenant_satisfied; /* [tenants] */
} ms_tally;

/* Adds records; -1 if a status, model or tenant is none, and then nothing of them. */
int ms_tally_add(ms_tally *self, const ms_records *records);

/* A promise is kept where mean satisfaction is at least alpha less this: sums and means of alpha and s are rounded, and
 * one that is met exactly must not count as missed by the last bit. */
#define MS_KEPT_TOLERANCE 1e-9

/* ---- running curves ------------------------------------------------------------------------------------ */

typedef struct ms_running {
    int64_t answered;
    int64_t last_short; /* the last request after which satisfaction so far was below the promise so far */
    double satisfied;
    double promised;
    double cost;
    double curve_sum;   /* of satisfaction so far, over answered requests */
} ms_running;

/* Adds n requests in order; satisfied is NaN where there was no answer. Of every request whose id is a multiple of
 * `stride`, a power of 2, it keeps id, and satisfaction, promise and cost so far, per answer; returns how many, at most
 * n / stride + 1. */
int64_t ms_running_add(ms_running *self, int64_t n, const int64_t *id, const double *satisfied,
                       const double *promised, const double *cost, int64_t stride, int64_t *sample_id,
                       double *sample_satisfied, double *sample_promised, double *sample_cost);

/* ---- latencies ------------------------------------------------------------------------------------------- */

enum ms_latency { MS_TTFT, MS_TPOT, MS_E2E, MS_QUEUEING, MS_LATENCIES };

/* Counts the latencies of answered requests from id `warmup` on, of one tenant or (< 0) all. An answer of one token
 * has no TPOT. */
void ms_tally_add_latencies(ms_log_histogram histograms[MS_LATENCIES], const ms_records *records, int64_t warmup,
                            int32_t tenant);

/* Latency objectives of each tenant [tenants], seconds; an infinite one is none. */
typedef struct ms_objectives {
    const double *ttft_s;
    const double *tpot_s;
    const double *e2e_s;
} ms_objectives;

/* Counts requests by tenant, and of them those that were answered within all objectives of their tenant. */
void ms_tally_attained(const ms_records *records, const ms_objectives *objectives, int64_t *arrived, int64_t *attained);

/* ---- predictions ------------------------------------------------------------------------------------------ */

/* Counts n predictions with their outcomes in [0, 1] by score, good[bins] and bad[bins]; NaN on either side does not
 * take part. Returns the sum of cross-entropies, scores being kept 1e-15 away from 0 and 1. */
double ms_tally_add_scores(double *good, double *bad, int64_t bins, int64_t n, const double *scores,
                           const double *satisfied);

#endif
