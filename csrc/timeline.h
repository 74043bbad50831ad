/* Some thousand samples of a run, at every stride-th request; when there are too many, every other goes. */
#ifndef MS_TIMELINE_H
#define MS_TIMELINE_H

#include <stdint.h>

/* A sample asks every replica: of more than MS_TIMELINE_FEW there are fewer, in proportion, but not fewer than the least. */
enum { MS_TIMELINE_MOST = 4096, MS_TIMELINE_LEAST = 512, MS_TIMELINE_FEW = 1024 };

typedef struct ms_sample {
    int64_t request;
    double time_s;
    double queue;         /* sums over tenants */
    double queue_tracked;
    double certificate;
    int64_t explored;
} ms_sample;

typedef struct ms_timeline {
    int32_t pools;
    int32_t most;
    int32_t length;
    int64_t stride;
    ms_sample *samples;
    int64_t *in_system; /* [samples][pools] */
    double *energy_j;   /* [samples][pools], idle energy included */
    int64_t *prompt_tokens;        /* [samples][pools] that replicas with a prefix cache have started so far */
    int64_t *cached_prompt_tokens; /* [samples][pools] of these, that were there */
    int32_t *replicas;  /* [samples][pools][3] up, loading, draining */
} ms_timeline;

/* `requests`: how many will come, < 0 where nobody knows. Those who know take no sample that would go again. */
int ms_timeline_init(ms_timeline *self, int32_t pools, int32_t replicas, int64_t requests);
void ms_timeline_free(ms_timeline *self);

static inline int ms_timeline_due(const ms_timeline *self, int64_t request)
{
    return (request & (self->stride - 1)) == 0; /* the stride is a power of 2 */
}

/* Adds a sample; the caller fills the pools of the row returned, before the next call. */
int32_t ms_timeline_add(ms_timeline *self, const ms_sample *sample);

#endif
