#include "clients.h"

#include <math.h>

#include "draw.h"
#include "error.h"
#include "labels.h"

#define TRY(call)            \
    do {                     \
        const int error_ = (call); \
        if (error_ < 0) {    \
            return error_;   \
        }                    \
    } while (0)

/* At one instant, after failures and chains of the same request, whose suborder is a model. */
static uint64_t suborder(const ms_open *open, int asks_again)
{
    return (uint64_t)1 << 32 | (uint64_t)(2 * open->attempt + asks_again);
}

static int put(ms_loop *loop, double time_s, enum ms_errand errand, ms_open *open)
{
    const uint64_t after = suborder(open, errand == MS_DO_TRY_AGAIN);
    open->errands++;
    return ms_loop_put(loop, time_s, ms_order(MS_RETRIES, open->request), after, errand, open, 0);
}

int ms_clients_wait(ms_loop *loop, ms_open *open)
{
    const ms_wait *patience = &loop->config.patience.wait;
    if (patience->law == MS_WAITS_FOREVER) {
        return 0;
    }
    return put(loop, loop->now_s + ms_wait_s(patience, open->request, open->attempt), MS_DO_GIVE_UP, open);
}

int ms_clients_get_none(ms_loop *loop, ms_open *open, enum ms_status status)
{
    const ms_patience *said = &loop->config.patience;
    if (open->attempt == said->retries) {
        open->status = (int8_t)status;
        return ms_loop_release_client(loop, open);
    }
    double pause_s = ms_wait_s(&said->backoff, open->request, open->attempt);
    for (int32_t k = 0; k < open->attempt; k++) {
        pause_s *= said->backoff_growth;
    }
    open->answered = 1;
    open->copies++; /* keeps the record open until the next attempt does */
    return put(loop, loop->now_s + pause_s, MS_DO_TRY_AGAIN, open);
}

/* Whether the user reads the answer already. Of a chain nobody sees anything before the last answer is complete. */
static int reads_on(const ms_loop *loop, const ms_open *open)
{
    if (!loop->config.patience.until_first_token || open->plan & MS_PLAN_CHAIN) {
        return 0;
    }
    const ms_job *job = open->jobs;
    while (job != NULL && job->model != open->seen) {
        job = job->sibling;
    }
    return job != NULL && job->first_token_s <= loop->now_s;
}

/* Servers stop what nobody waits for: what only queues leaves at once, the rest at the next end of an iteration. */
static int abort_copies(ms_loop *loop, const ms_open *open)
{
    ms_job *next;
    for (ms_job *job = open->jobs; job != NULL; job = next) {
        int left;
        next = job->sibling;
        ms_fleet_abort(&loop->fleet, job, loop->now_s, &left);
        if (left) {
            TRY(ms_loop_abandon(loop, job));
        }
    }
    return 0;
}

int ms_clients_give_up(ms_loop *loop, ms_open *open)
{
    open->errands--;
    if (open->answered || reads_on(loop, open)) {
        ms_loop_forget_when_done(loop, open);
        return 0;
    }
    open->gone = 1;
    TRY(ms_clients_get_none(loop, open, MS_TIMED_OUT));
    if (open->status == MS_TIMED_OUT && loop->config.patience.rates_giving_up) {
        TRY(ms_labels_complain(loop, open));
    }
    open->copies++; /* keeps it alive while its copies go */
    if (loop->config.patience.aborts) {
        TRY(abort_copies(loop, open));
    }
    ms_loop_drop_copy(loop, open);
    return 0;
}

/* Uniforms of a later attempt: pair k is the block of copy attempt * pairs + k. */
static void draw_uniforms(const ms_loop *loop, int64_t request, int32_t attempt, double *uniforms)
{
    ms_stream stream = loop->config.patience.uniforms;
    const int32_t pairs = loop->config.uniforms / 2;
    for (int32_t k = 0; k < pairs; k++) {
        stream.sub = (uint32_t)(attempt * pairs + k);
        ms_draw_uniform_pair(&stream, (uint64_t)request, 1, uniforms + 2 * k);
    }
}

int ms_clients_try_again(ms_loop *loop, ms_open *before)
{
    before->errands--;
    draw_uniforms(loop, before->request, before->attempt + 1, loop->uniforms);
    TRY(ms_loop_route_again(loop, before, loop->uniforms));
    ms_loop_drop_copy(loop, before);
    return 0;
}
