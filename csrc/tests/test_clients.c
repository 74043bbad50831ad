#include "loops.h"

#include "clients.h"
#include "draw.h"

/* Clients of a closed loop, who think for 2 s, and the requests that they ask: of one token in one iteration. */
static ms_run_config closed(int64_t clients, int64_t length)
{
    ms_run_config config = plain;
    config.clients = clients;
    config.length = length;
    config.think_s = 2.0;
    ask(length, 0.0, 4, 1);
    sheets[0].page.arrival_s = NULL;
    return config;
}

static void clients_wait_for_their_answers(void)
{
    ms_run loop;
    ms_run_config config = plain;
    config.clients = 4;
    config.length = 120;
    config.think_s = 2.0;
    fill(&sheets[0], 0, 100, 1.0);
    fill(&sheets[1], 100, 100, 1.0);
    sheets[0].page.arrival_s = sheets[1].page.arrival_s = NULL;
    plans_are(0, 1, MS_PLAN_ALL, 1);
    make(&loop, &config, 1, MS_LEAST_LOADED);
    CHECK(ms_loop_begin(&loop) == 0);
    CHECK(run(&loop, sheets, 2, 1000) == MS_LOOP_OVER);
    CHECK(check_records(&sheets[0], MS_COMPLETED) == 100);
    CHECK(sheets[1].page.open == 80 && loop.issued == 120 && loop.open_count == 0);
    CHECK(sheets[0].arrival[3] == 0.0 && sheets[0].arrival[4] > 2.0);
    for (int64_t i = 4; i < 100; i++) { /* at each moment at most 4 wait for their answer */
        int waiting = 0;
        for (int64_t j = 0; j < i; j++) {
            waiting += sheets[0].finish[j] > sheets[0].arrival[i];
        }
        CHECK(waiting <= 3);
    }
    ms_run_free(&loop);
}

/* Two clients think for 2 s; the answer to each comes a second after it asks. */
static void a_client_asks_a_pause_after_its_answer(void)
{
    ms_run loop;
    ms_run_config config = closed(2, 5);
    ms_pool_plan plans[2] = {pool_of(0, 2)};
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    begin(&loop);
    CHECK(ms_loop_run(&loop, 1000) == MS_LOOP_OVER); /* and asks for no more than there are */
    const double arrivals_s[] = {0.0, 0.0, 3.0, 3.0, 6.0};
    for (int i = 0; i < 5; i++) {
        CHECK(sheets[0].arrival[i] == arrivals_s[i] && sheets[0].finish[i] == arrivals_s[i] + 1.0);
    }
    CHECK(loop.issued == 5 && loop.arrivals_over && loop.last_arrival_s == 6.0);
    ms_run_free(&loop);
}

/* Thinking at random: the pause after an answer is drawn by the request that was answered. */
static void thinking_is_drawn_by_the_request(void)
{
    ms_run loop;
    ms_run_config config = closed(1, 20);
    ms_pool_plan plans[2] = {pool_of(0, 2)};
    config.think_is_exponential = 1;
    config.think = (ms_stream){1, 77, 0, 0};
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    go(&loop, 1);
    for (int i = 1; i < 20; i++) {
        CHECK(sheets[0].arrival[i] == sheets[0].finish[i - 1] + 2.0 * ms_draw_one_exponential(&config.think, i - 1));
    }
    ms_run_free(&loop);
}

/* Who is turned away, too, asks again after thinking; with retries only after the last of them. */
static void a_client_without_an_answer_goes_on(void)
{
    for (int retries = 0; retries < 2; retries++) {
        ms_run loop;
        ms_run_config config = closed(1, 3);
        ms_pool_plan plans[2] = {api(0)};
        config.keeps_delays = 1;
        config.patience = (ms_patience){.retries = retries, .backoff = seconds(0.5), .backoff_growth = 1.0};
        serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
        loop.fleet.pool[0].up = 0; /* it takes nobody */
        go(&loop, 1);
        const double between_s = 2.0 + 0.5 * retries;
        for (int i = 0; i < 3; i++) {
            CHECK(sheets[0].status[i] == MS_REJECTED && sheets[0].arrival[i] == between_s * i);
            CHECK(sheets[0].attempts[i] == 1 + retries);
        }
        CHECK(loop.attempts == 3 * (1 + retries));
        ms_run_free(&loop);
    }
}

/* At one instant: what fails and chains of a request first, then who gives up, then who asks again, by attempts. */
static void errands_of_one_request_have_an_order(void)
{
    ms_run loop = {.now_s = 1.0};
    ms_open open = {.request = 5, .attempt = 2};
    loop.config.patience = (ms_patience){.wait = seconds(0.0), .backoff = seconds(0.0), .backoff_growth = 3.0,
        .retries = 4};
    CHECK(ms_clients_no_answer(&loop, &open, MS_LOST) == 0 && ms_clients_wait(&loop, &open) == 0);
    CHECK(open.errands == 2 && open.answered == 1 && open.copies == 1 && loop.heap.length == 2);
    CHECK(loop.heap.events[0].errand == MS_DO_GIVE_UP && loop.heap.events[1].errand == MS_DO_TRY_AGAIN);
    for (int k = 0; k < 2; k++) {
        CHECK(loop.heap.events[k].when.suborder == ((uint64_t)1 << 32) + 4 + (uint64_t)k);
        CHECK(loop.heap.events[k].when.order == ms_order(MS_RETRIES, 5) && loop.heap.events[k].when.time_s == 1.0);
    }
    ms_heap_free(&loop.heap);
    open = (ms_open){.request = 5, .attempt = 2};
    loop = (ms_run){.now_s = 1.0};
    loop.config.patience = (ms_patience){.backoff = seconds(0.5), .backoff_growth = 3.0, .retries = 4};
    CHECK(ms_clients_wait(&loop, &open) == 0 && loop.heap.length == 0); /* whose patience never ends */
    CHECK(ms_clients_no_answer(&loop, &open, MS_LOST) == 0 && loop.heap.events[0].when.time_s == 1.0 + 0.5 * 9.0);
    ms_heap_free(&loop.heap);
}

/* The third pause of 0.5 s, 1.5 s and 4.5 s is cut to 3 s, or the second to 0.75 s, and then up to a quarter of it left out, by
 * the attempt. */
static void pauses_have_a_cap_and_jitter(void)
{
    ms_run loop = {.now_s = 1.0};
    loop.config.patience = (ms_patience){
        .backoff = seconds(0.5), .backoff_growth = 3.0, .backoff_jitter = 0.25, .jitter = {7, 8, 9, 0}, .retries = 9};
    for (int32_t i = 0; i < 6; i++) {
        const int32_t k = 1 + i % 3;
        const ms_stream stream = {7, 8, 9, (uint32_t)k};
        const double cap_s = i < 3 ? 3.0 : 0.75;
        loop.config.patience.backoff_max_s = cap_s;
        const double most_s = k == 1 && i < 3 ? 1.5 : cap_s, pause_s = most_s * (1.0 - 0.25 * ms_draw_one(&stream, 0, 5));
        ms_open open = {.request = 5, .attempt = k};
        CHECK(ms_clients_no_answer(&loop, &open, MS_LOST) == 0);
        CHECK(loop.heap.events[0].when.time_s == 1.0 + pause_s && pause_s > 0.75 * most_s && pause_s < most_s);
        ms_heap_free(&loop.heap);
        loop.heap = (ms_heap){0};
    }
}

/* An API that takes one call a second turns the second of two away: that comes again as the API says, if it waits for so long,
 * or else after a pause of its own. */
static void who_is_turned_away_heeds_the_api(void)
{
    const double most_s[] = {60.0, 1.0, 0.5, 0.0}, pauses_s[] = {1.0, 1.0, 5.0, 5.0};
    for (int k = 0; k < 4; k++) {
        ms_run loop;
        ms_run_config config = plain;
        ms_pool_plan plans[2] = {api(0)};
        plans[0].api_limits = (ms_limits_plan){.requests_per_minute = 60.0, .burst_s = 1.0};
        config.patience = (ms_patience){
            .retries = 1, .backoff = seconds(5.0), .backoff_growth = 1.0, .retry_after_max_s = most_s[k]};
        ask(2, 0.0, 4, 1);
        serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
        go(&loop, 1);
        CHECK(sheets[0].attempts[0] == 1 && sheets[0].attempts[1] == 2);
        CHECK(sheets[0].status[1] == MS_COMPLETED && sheets[0].finish[1] - sheets[0].finish[0] == pauses_s[k]);
        ms_run_free(&loop);
    }
}

/* A request that no model takes has no answer, either: its client asks the next after thinking. */
static void a_client_whose_request_is_too_long_goes_on(void)
{
    ms_run loop;
    ms_run_config config = closed(1, 3);
    sheets[0].known[1] = sheets[0].known[3 + 1] = INFINITY;
    make(&loop, &config, 1, MS_LEAST_LOADED);
    go(&loop, 1);
    const sheet *s = &sheets[0];
    CHECK(s->status[0] == MS_COMPLETED && s->status[1] == MS_TOO_LONG && s->status[2] == MS_COMPLETED);
    CHECK(s->arrival[1] == 3.0 && s->arrival[2] == 5.0 && s->page.open == 0);
    ms_run_free(&loop);
}

/* The page is over at once, its one request at 1 s, its label comes at 1.5 s: the next page is wanted at 3 s. */
static void a_page_is_asked_for_when_a_client_asks(void)
{
    ms_run loop;
    ms_run_config config = closed(1, 2);
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    config.keeps_delays = 1;
    ask(1, 0.0, 4, 1);
    sheets[0].page.arrival_s = NULL;
    sheets[0].delay[0] = 0.5;
    serve(&loop, &config, 1, plans, MS_LEAST_LOADED);
    begin(&loop);
    while (loop.now_s < 1.5 && CHECK(ms_loop_run(&loop, 1) == MS_LOOP_PAUSED)) {
    }
    CHECK(loop.labels_to_come == 0 && ms_loop_run(&loop, 1) == MS_LOOP_NEEDS_PAGE && loop.now_s == 1.5);
    ms_run_free(&loop);
}

int main(void)
{
    RUN(clients_wait_for_their_answers);
    RUN(a_client_asks_a_pause_after_its_answer);
    RUN(thinking_is_drawn_by_the_request);
    RUN(a_client_without_an_answer_goes_on);
    RUN(errands_of_one_request_have_an_order);
    RUN(pauses_have_a_cap_and_jitter);
    RUN(who_is_turned_away_heeds_the_api);
    RUN(a_client_whose_request_is_too_long_goes_on);
    RUN(a_page_is_asked_for_when_a_client_asks);
    return report();
}
