#include "clients.h"

#include "dispatch.h"
#include "draw.h"
#include "error.h"
#include "turns.h"

int ms_clients_ask_at(ms_run *run, int64_t client, double time_s)
{
    return ms_run_put(run, time_s, ms_order(MS_ARRIVES, client), 0, MS_DO_CLIENT, NULL, (int32_t)client);
}

/* At one instant, after failures and chains of the same request, whose suborder is a model. */
static uint64_t suborder(const ms_open *open, int asks_again)
{
    return (uint64_t)1 << 32 | (uint64_t)(2 * open->attempt + asks_again);
}

static int put(ms_run *run, double time_s, enum ms_errand errand, ms_open *open)
{
    const uint64_t after = suborder(open, errand == MS_DO_TRY_AGAIN);
    open->errands++;
    return ms_run_put(run, time_s, ms_order(MS_RETRIES, open->request), after, errand, open, 0);
}

int ms_clients_wait(ms_run *run, ms_open *open)
{
    const ms_wait *patience = &run->config.patience.wait;
    if (patience->law == MS_WAITS_FOREVER) {
        return 0;
    }
    return put(run, run->now_s + ms_wait_s(patience, open->request, open->attempt), MS_DO_GIVE_UP, open);
}

int ms_clients_release(ms_run *run, ms_open *open)
{
    open->answered = 1;
    if (open->client < 0) {
        return ms_turns_follow(run, open);
    }
    double pause_s = run->config.think_s;
    if (run->config.think_is_exponential) {
        pause_s *= ms_draw_one_exponential(&run->config.think, open->request);
    }
    return ms_clients_ask_at(run, open->client, run->now_s + pause_s);
}

/* Until a client asks again of itself. */
static double backoff_s(const ms_patience *patience, const ms_open *open)
{
    double pause_s = ms_wait_s(&patience->backoff, open->request, open->attempt);
    for (int32_t k = 0; k < open->attempt; k++) {
        pause_s *= patience->backoff_growth;
    }
    if (patience->backoff_max_s > 0.0 && pause_s > patience->backoff_max_s) {
        pause_s = patience->backoff_max_s;
    }
    if (patience->backoff_jitter > 0.0) {
        ms_stream stream = patience->jitter;
        stream.sub = (uint32_t)open->attempt;
        pause_s *= 1.0 - patience->backoff_jitter * ms_draw_one(&stream, 0, (uint64_t)open->request);
    }
    return pause_s;
}

/* Until the next attempt: as an API that turned this one away says, or else a client's own. */
static double pause_of(const ms_run *run, const ms_open *open, enum ms_status status)
{
    const ms_patience *patience = &run->config.patience;
    if (status == MS_REJECTED && patience->retry_after_max_s > 0.0) {
        const double after_s = ms_dispatch_retry_after_s(&run->fleet, open->seen, open->page->prompt_tokens[open->i],
                                                         ms_page_max_new(open->page, open->seen, open->i), run->now_s);
        if (after_s > 0.0 && after_s <= patience->retry_after_max_s) {
            return after_s;
        }
    }
    return backoff_s(patience, open);
}

int ms_clients_no_answer(ms_run *run, ms_open *open, enum ms_status status)
{
    const ms_patience *patience = &run->config.patience;
    if (open->attempt == patience->retries) {
        open->status = (int8_t)status;
        return ms_clients_release(run, open);
    }
    const double pause_s = pause_of(run, open, status);
    open->answered = 1;
    open->copies++; /* keeps the record open until the next attempt does */
    return put(run, run->now_s + pause_s, MS_DO_TRY_AGAIN, open);
}
