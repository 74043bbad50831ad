#include "loops.h"

/* Busy and idle seconds are those until the last arrival, whatever is served later. */
static void clocks_are_read_at_the_last_arrival(void)
{
    ms_run loop;
    ms_pool_plan plans[2] = {pool_of(0, 2)};
    ask(2, 10.0, 4, 5); /* 5 s on one replica, and then as long after the last arrival */
    serve(&loop, &plain, 1, plans, MS_LEAST_LOADED);
    go(&loop, 1);
    CHECK(loop.last_arrival_s == 10.0 && loop.now_s == 15.0);
    CHECK(loop.busy_s[0] == 5.0 && loop.idle_s[0] == 15.0);
    CHECK(loop.busy_s[1] == 0.0 && loop.idle_s[1] == 10.0);
    ms_run_free(&loop);
}

/* A run of so many requests over many replicas has fewer samples of its timeline, so far apart that they last. */
static void a_timeline_is_for_the_length_of_a_run(void)
{
    ms_run loop;
    ms_run_config config = plain;
    ms_pool_plan plans[] = {pool_of(0, MS_TIMELINE_FEW), pool_of(1, 1)};
    config.length = 10 * MS_TIMELINE_MOST / 2;
    CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 2, plans, &(ms_dispatch_plan){0}, streams) == 0);
    CHECK(loop.timeline.pools == 2 && loop.timeline.most == MS_TIMELINE_MOST / 2 && loop.timeline.stride == 16);
    ms_run_free(&loop);
}

/* Features are drawn when they are asked for where a run says so, by its law; else its pages have them. */
static void a_run_draws_features_by_its_law(void)
{
    enum { ASKED = 2 };
    for (int draws = 0; draws < 2; draws++) {
        ms_run loop;
        ms_run_config config = plain;
        int64_t left;
        const double difficulty[] = {0.5, 0.25};
        double rows[2][FEATURES];
        config.draws_features = draws;
        config.features = FEATURES;
        config.difficulty = (ms_difficulty_law){.stream = {7, 70, 0, 0}, .signal = 0.6, .deviation = 1.0};
        ask(1, 1.0, 4, 3);
        make(&loop, &config, 1, MS_LEAST_LOADED);
        begin(&loop);
        CHECK(sheets[0].page.view.drawn == (draws ? &loop.features : NULL) && (loop.features.rows != NULL) == draws);
        if (draws) {
            ms_difficulty_rows(&config.difficulty, ASKED, 2, FEATURES, difficulty, rows[0]);
            CHECK(memcmp(ms_feature_rows_of(&loop.features, ASKED, difficulty, 2, &left), rows, sizeof rows) == 0);
        }
        ms_run_free(&loop);
    }
}

/* Each of its instances tells models and tenants apart, and features if its policy asks for them. */
static void a_run_has_instances_of_its_sizes(void)
{
    for (int c = 0; c < 4; c++) {
        ms_run loop;
        ms_run_config config = plain;
        config.instances = c / 2 ? 5 : 1;
        config.needs_features = c % 2;
        make(&loop, &config, 0, MS_LEAST_LOADED);
        CHECK(loop.instances.count == config.instances && loop.instances.tenants == config.tenants);
        for (int32_t k = 0; k < config.instances; k++) {
            const ms_brain *brain = &loop.instances.brain[k];
            CHECK(brain->models == MODELS && brain->tenants == config.tenants && brain->dimensions == c % 2 * FEATURES);
        }
        ms_run_free(&loop);
    }
}

/* Whatever is pending: the address sanitizer tells of what is left behind. */
static void a_loop_may_be_freed_at_any_moment(void)
{
    for (int c = 0; c < 32; c++) {
        for (int64_t events = 0; events < 400; events += 1 + events / 8) {
            ms_run loop;
            ms_predictor predictor;
            ms_run_config config = plain;
            config.keeps_delays = c % 2;
            config.learns_every_answer = c / 2 % 2;
            config.feedback_probability = 0.9;
            config.max_waiting = c % 3 == 0 ? 1 : -1;
            fill(&sheets[0], 0, 100, 2.0);
            sheets[0].page.delay_s = config.keeps_delays ? sheets[0].delay : NULL;
            plans_are(MS_PLAN_ALL, 0, c % 5 == 0 ? MS_PLAN_CHAIN | 0 : 1, MS_PLAN_ALL);
            make(&loop, &config, c / 4 % 3, c % 4);
            CHECK(ms_predictor_init(&predictor, MODELS, FEATURES) == 0);
            loop.instances.brain[0].predictor = &predictor;
            if (c / 4 % 3 > 0) {
                break_down(&loop, 0, 20.0, 5.0);
            }
            CHECK(ms_loop_begin(&loop) == 0);
            ms_loop_turn_page(&loop, &sheets[0].page);
            CHECK(ms_loop_run(&loop, events) >= 0);
            ms_run_free(&loop);
            ms_predictor_free(&predictor);
        }
    }
}

static void a_loop_that_never_began_may_be_freed(void)
{
    ms_run loop;
    make(&loop, &plain, 1, MS_LEAST_LOADED);
    ms_run_free(&loop);
    make(&loop, &plain, 0, MS_LEAST_LOADED);
    CHECK(ms_loop_run(&loop, 10) == MS_LOOP_NEEDS_PAGE);
    ms_loop_no_more(&loop);
    CHECK(ms_loop_run(&loop, 10) == MS_LOOP_OVER);
    ms_run_free(&loop);
}

/* ---- pieces ------------------------------------------------------------------------------------------------- */

/* Requests whose record does not stand yet, oldest first, whoever of three goes. */
static void open_requests_stand_in_order(void)
{
    for (int gone = 0; gone < 3; gone++) {
        ms_run loop = {0};
        ms_open opens[4] = {{.request = 0}, {.request = 1}, {.request = 2}, {.request = 3}}, stale;
        for (int k = 0; k < 4; k++) { /* as memory that was given back */
            opens[k].previous = opens[k].next = &stale;
        }
        for (int k = 0; k < 3; k++) {
            ms_run_link(&loop, &opens[k]);
            CHECK(loop.open_count == k + 1 && loop.oldest == &opens[0] && loop.newest == &opens[k]);
        }
        ms_run_unlink(&loop, &opens[gone]);
        ms_run_link(&loop, &opens[3]);
        ms_open *left[3];
        int n = 0;
        for (int k = 0; k < 4; k++) {
            if (k != gone) {
                left[n++] = &opens[k];
            }
        }
        CHECK(loop.open_count == 3 && loop.oldest == left[0] && loop.newest == left[2]);
        for (int k = 0; k < 3; k++) {
            CHECK(left[k]->previous == (k > 0 ? left[k - 1] : NULL) && left[k]->next == (k < 2 ? left[k + 1] : NULL));
        }
        for (int k = 0; k < 3; k++) {
            ms_run_unlink(&loop, left[k]);
        }
        CHECK(loop.oldest == NULL && loop.newest == NULL && loop.open_count == 0);
    }
}

/* 2 requests for 3 s, 5 for 2 s, 4 for 1 s. */
static void requests_in_the_system_are_summed_over_time(void)
{
    ms_run loop = {.now_s = 1.0};
    ms_run_count(&loop, 2);
    loop.now_s = 4.0;
    ms_run_count(&loop, 3);
    loop.now_s = 6.0;
    ms_run_count(&loop, -1);
    loop.now_s = 7.0;
    ms_run_count(&loop, -4);
    CHECK(loop.in_system == 0 && loop.in_system_integral == 6.0 + 10.0 + 4.0 && loop.in_system_since_s == 7.0);
}

/* Of a request whose record stands the memory is given back when nothing leads to it any more. */
static void memory_is_kept_while_something_leads_to_it(void)
{
    for (int k = 0; k < 8; k++) {
        ms_run loop = {0};
        ms_store_init(&loop.opens, sizeof(ms_open));
        ms_open *open = ms_store_take(&loop.opens);
        *open = (ms_open){.closed = k & 1, .labels_under_way = k >> 1 & 1, .errands = k >> 2};
        ms_run_forget_when_done(&loop, open);
        ms_open *next = ms_store_take(&loop.opens);
        CHECK((next == open) == (k == 1));
        ms_store_free(&loop.opens);
    }
}

static void an_errand_is_put_with_all_that_it_says(void)
{
    ms_run loop = {0};
    int subject;
    CHECK(ms_run_put(&loop, 2.5, 7, 8, MS_DO_SCALE, &subject, 9) == 0 && loop.heap.length == 1);
    const ms_event *event = &loop.heap.events[0];
    CHECK(event->when.time_s == 2.5 && event->when.order == 7 && event->when.suborder == 8);
    CHECK(event->errand == MS_DO_SCALE && event->subject == &subject && event->detail == 9);
    CHECK(ms_run_illegal(&loop, 11, -12, -13) == -13 && loop.error_request == 11 && loop.error_plan == -12);
    CHECK(ms_run_illegal(&loop, 3, 4, -1) == -1 && loop.error_request == 3 && loop.error_plan == 4);
    ms_heap_free(&loop.heap);
}

/* Everything that moves a load: front ends, answers that are detokenized, transfers, clients who give up,
 * failures, an API. */
static void the_index_of_loads_is_right_at_every_moment(void)
{
    for (int c = 0; c < 32; c++) {
        ms_run loop;
        ms_run_config config = plain;
        const int is_split = c & 1, gives_up = c >> 1 & 1, has_fronts = c >> 2 & 1, decode_first = c >> 3 & 1;
        ms_pool_plan plans[] = {pool_of(0, 20), pool_of(0, 18), c >> 4 ? api(1) : pool_of(1, 1)};
        config.keeps_delays = 1;
        config.transfer_latency_s = 0.75;
        config.transfer_bytes_per_s = 1.0;
        config.patience = (ms_patience){.wait = gives_up ? seconds(5.375) : (ms_wait){0}, .aborts = 1};
        for (int p = 0; p < 2; p++) {
            plans[p].limits.max_num_seqs = 2;
            plans[p].limits.role = is_split ? MS_ROLE_PREFILL + p : MS_ROLE_BOTH;
            plans[p].front_end = has_fronts && !is_split ? seconds(0.25) : (ms_wait){0};
            plans[p].front_end_workers = 1;
            plans[p].detokenize_s = has_fronts ? 0.375 : 0.0;
        }
        ask(300, 0.03125, 4, 5);
        plans_are(0, 0, 0, 1);
        const ms_dispatch_plan dispatch = {.rule = MS_LEAST_LOADED, .decode_first = decode_first};
        CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 3, plans, &dispatch, streams) == 0);
        loop.instances.brain[0].policy = lists;
        CHECK(ms_run_plan_breakdowns(&loop, 6) == 0);
        for (int32_t k = 0; k < 6; k++) {
            loop.breakdowns[k] = (ms_breakdown){.replica = 7 * k, .time_s = 2.125 + k, .for_s = 2.5};
        }
        begin(&loop);
        int64_t checks = 0;
        for (double t_s = 0.0; t_s < 30.0; t_s += 0.0625) {
            run_until(&loop, t_s);
            checks += check_loads(&loop);
        }
        end(&loop);
        CHECK(checks > 10000);
        ms_run_free(&loop);
    }
}

/* One failure begins as another of the same replica ends: it is not up in between. */
static void a_failure_may_begin_as_another_ends(void)
{
    ms_run loop;
    ms_pool_plan plans[2] = {pool_of(0, 1)};
    ask(1, 1.0, 4, 3);
    serve(&loop, &plain, 1, plans, MS_LEAST_LOADED);
    CHECK(ms_run_plan_breakdowns(&loop, 4) == 0);
    for (int k = 0; k < 4; k++) {
        loop.breakdowns[k] = (ms_breakdown){.replica = 0, .time_s = 1.5 + 2.0 * k, .for_s = 2.0};
    }
    begin(&loop);
    end(&loop);
    CHECK(sheets[0].finish[0] == 9.5 + 3.0 && sheets[0].energy[0] == 6.0 + 1.5 + 6.0 + 6.0);
    CHECK(loop.fleet.down_s[0] == 8.0);
    ms_run_free(&loop);
}

int main(void)
{
    RUN(clocks_are_read_at_the_last_arrival);
    RUN(a_timeline_is_for_the_length_of_a_run);
    RUN(a_run_draws_features_by_its_law);
    RUN(a_run_has_instances_of_its_sizes);
    RUN(a_loop_may_be_freed_at_any_moment);
    RUN(a_loop_that_never_began_may_be_freed);
    RUN(open_requests_stand_in_order);
    RUN(requests_in_the_system_are_summed_over_time);
    RUN(memory_is_kept_while_something_leads_to_it);
    RUN(an_errand_is_put_with_all_that_it_says);
    RUN(the_index_of_loads_is_right_at_every_moment);
    RUN(a_failure_may_begin_as_another_ends);
    return report();
}
