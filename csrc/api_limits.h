/* What an API lets in: token buckets, and a limit on calls at once.
 *
 * A bucket holds at most `most`, which is what its limit gives in `burst_s` seconds; it starts full, and fills up by
 * `per_s` all the time. So of whatever passes between any two times s < t there is never more than
 * most + per_s (t - s), and nothing is refused that keeps to that. A call takes one from the bucket of requests, and its
 * tokens from that of tokens, or is refused and takes nothing. The leaky bucket as a meter of J. Turner, "New
 * directions in communications", IEEE Communications Magazine 24 (1986), and the token bucket of RFC 2697. */
#ifndef MS_API_LIMITS_H
#define MS_API_LIMITS_H

#include <stdint.h>

/* Rounding of what has come in since may not refuse a call: a lack of less than this share of `most` is none. */
#define MS_BUCKET_ROUNDING 1e-9

typedef struct ms_bucket {
    double per_s;
    double most; /* infinite: it never runs dry */
    double level;
    double since_s; /* when it had that level */
} ms_bucket;

/* per_minute <= 0: there is no limit. */
void ms_bucket_init(ms_bucket *self, double per_minute, double burst_s);

/* What it holds at t_s, not before it was last taken from. */
double ms_bucket_level(const ms_bucket *self, double t_s);

/* The most that may be taken from it. */
double ms_bucket_most(const ms_bucket *self, double t_s);

int ms_bucket_has(const ms_bucket *self, double amount, double t_s);

/* Until it has that if nothing is taken, seconds, 0 where it has it, so that it has it at the sum of both times as that
 * is rounded; infinite: it never holds so much. */
double ms_bucket_wait_s(const ms_bucket *self, double amount, double t_s);

void ms_bucket_take(ms_bucket *self, double amount, double t_s);

typedef struct ms_limits_plan {
    double requests_per_minute; /* 0: no limit, here and below */
    double tokens_per_minute;   /* of prompt and answer together */
    double burst_s;
    int64_t most_calls;         /* under way at once */
} ms_limits_plan;

typedef struct ms_api_limits {
    ms_bucket requests;
    ms_bucket tokens;
    int64_t most_calls;
} ms_api_limits;

void ms_api_limits_init(ms_api_limits *self, const ms_limits_plan *plan);

/* Whether a call of so many tokens is let in, with `calls` under way. */
int ms_api_limits_allow(const ms_api_limits *self, int64_t tokens, int64_t calls, double t_s);

/* How long until it would be, if nobody else called, seconds, 0 where it is; infinite where too many are under way. */
double ms_api_limits_wait_s(const ms_api_limits *self, int64_t tokens, int64_t calls, double t_s);

/* It is: takes what it uses. */
void ms_api_limits_take(ms_api_limits *self, int64_t tokens, double t_s);

#endif
