#include "offers.h"

#include <math.h>

#include "fleets.h"

enum { REPLICAS = 6, MANY = 400 };

static void until(ms_fleet *fleet, ms_queue *done, double t_s)
{
    while (fleet->moments.values[ms_tournament_best(&fleet->moments)] <= t_s) {
        step(fleet, done);
    }
}

/* Four replicas whose iterations end a quarter of a second after one another, and a job that finds none idle at 2.6 s. */
static void crowd(ms_fleet *fleet, ms_queue *done)
{
    const ms_pool_plan plan = pool_of(0, 4, 2);
    make(fleet, 1, &plan, MS_SHARED_QUEUE);
    for (int32_t i = 0; i < 5; i++) {
        const double t_s = i < 4 ? 0.25 * i : 2.6;
        until(fleet, done, t_s);
        CHECK(ms_offers_first_idle(fleet, &fleet->pool[0]) == (i < 4 ? i : -1));
        jobs[i] = ms_job_new(i, 0, 4, 20);
        CHECK(ms_dispatch_place(fleet, &jobs[i], -1, t_s) == MS_PLACED);
    }
}

/* The others go on as if nobody had come. */
static void only_who_looks_next_is_interrupted(void)
{
    ms_fleet fleet;
    ms_queue done = {0};
    crowd(&fleet, &done);
    CHECK(fleet.pool[0].looker == 3 && fleet.moments.values[3] == 2.75);
    for (int32_t i = 0; i < 3; i++) {
        CHECK(fleet.moments.values[i] == 20.0 + 0.25 * i && fleet.look_s[i] == 3.0 + 0.25 * i);
    }
    CHECK(fleet.pool[0].last_look_s == 3.5); /* of the third, though the fourth looks before it */
    CHECK(run_out(&fleet) == 5 && jobs[4].replica == 3 && jobs[4].start_s == 2.75);
    ms_fleet_free(&fleet);
}

static void where_it_fails_the_next_one_looks(void)
{
    ms_fleet fleet;
    ms_queue done = {0}, evicted = {0};
    crowd(&fleet, &done);
    ms_fleet_fail(&fleet, 2, 2.65, &evicted);
    CHECK(fleet.pool[0].looker == 3 && fleet.look_s[2] == INFINITY);
    ms_fleet_fail(&fleet, 3, 2.7, &evicted);
    CHECK(fleet.pool[0].looker == 0 && fleet.moments.values[0] == 3.0);
    CHECK(run_out(&fleet) == 3 && jobs[4].replica == 0 && jobs[4].start_s == 3.0);
    ms_fleet_free(&fleet);
}

/* Who was to look has lost its turn as nobody waits; for who comes then an idle one is there, and nobody else is asked. */
static void nobody_looks_where_nobody_waits(void)
{
    ms_fleet fleet;
    ms_queue done = {0};
    int left;
    crowd(&fleet, &done);
    ms_fleet_abort(&fleet, &jobs[4], 2.7, &left);
    CHECK(left == 1 && ms_offers_next(&fleet, &fleet.pool[0], 2.7) == -1);
    until(&fleet, &done, 2.9);
    CHECK(fleet.moments.values[0] == 20.0 && fleet.moments.values[3] == 20.75);
    ms_fleet_free(&fleet);
}

/* The first replica is idle when it comes: whoever is busy goes on as if nobody had come. */
static void nobody_is_asked_where_the_first_is_idle(void)
{
    const ms_pool_plan plan = pool_of(0, 3, 2);
    ms_fleet fleet;
    ms_queue done = {0};
    make(&fleet, 1, &plan, MS_SHARED_QUEUE);
    for (int32_t i = 0; i < 4; i++) {
        const double t_s = i < 3 ? 0.25 * i : 2.6;
        until(&fleet, &done, t_s);
        jobs[i] = ms_job_new(i, 0, 4, i == 0 ? 2 : 20);
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, t_s) == MS_PLACED);
    }
    for (int32_t i = 1; i < 3; i++) {
        CHECK(fleet.look_s[i] == INFINITY && fleet.moments.values[i] == 20.0 + 0.25 * i);
    }
    CHECK(run_out(&fleet) == 3 && jobs[3].replica == 0 && jobs[3].start_s == 2.6);
    ms_fleet_free(&fleet);
}

/* Of a head whom none of many can take: those that are left are told of it as soon as several have refused. A pool
 * of another model stands before theirs. */
static void all_are_told_of_what_several_refuse(void)
{
    enum { FIRST = 5, POOL = 12, TOLD_AFTER = 4 };
    ms_pool_plan plans[] = {pool_of(1, FIRST, 4), pool_of(0, POOL, 4)};
    plans[1].limits.kv_capacity_tokens = 100;
    plans[1].limits.kv_policy = MS_KV_RESERVE;
    ms_fleet fleet;
    ms_queue done = {0};
    make(&fleet, 2, plans, MS_SHARED_QUEUE);
    for (int32_t i = 0; i < POOL; i++) {
        until(&fleet, &done, i / 16.0);
        jobs[i] = ms_job_new(i, 0, 40, 50);
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, i / 16.0) == MS_PLACED);
    }
    until(&fleet, &done, 2.99);
    jobs[POOL] = ms_job_new(POOL, 0, 40, 50);
    fleet.pool[1].refusals = TOLD_AFTER - 1; /* of an earlier head */
    CHECK(ms_dispatch_place(&fleet, &jobs[POOL], -1, 2.99) == MS_PLACED);
    for (int32_t refused = 0; refused < TOLD_AFTER; refused++) {
        CHECK(fleet.pool[1].looker == FIRST + refused && fleet.pool[1].refusals == refused);
        CHECK(fleet.moments.values[FIRST + POOL - 1] > 40.0);
        until(&fleet, &done, 3.0 + refused / 16.0);
    }
    CHECK(fleet.pool[1].looker == -1);
    for (int32_t i = TOLD_AFTER; i < POOL; i++) {
        CHECK(fleet.moments.values[FIRST + i] == 3.0 + i / 16.0);
    }
    CHECK(run_out(&fleet) == POOL + 1 && jobs[POOL].replica == FIRST && jobs[POOL].start_s == jobs[0].finish_s);
    ms_fleet_free(&fleet);
}

/* At one instant replicas start in the order of their numbers: who is before the one whose sequence comes back to the queue
 * has looked already, who is behind it has not. */
static void a_look_of_this_instant_is_over_for_those_before(void)
{
    ms_fleet fleet;
    ms_queue done = {0};
    crowd(&fleet, &done);
    for (int32_t i = 0; i < 4; i++) {
        fleet.look_s[i] = 2.75;
    }
    fleet.pool[0].last_look_s = 2.75;
    ms_offers_start(&fleet, 2, 2.75);
    CHECK(fleet.look_s[0] == INFINITY && fleet.look_s[1] == INFINITY && fleet.look_s[2] == INFINITY);
    CHECK(fleet.look_s[3] == 2.75 && ms_offers_next(&fleet, &fleet.pool[0], 2.75) == 3);
    fleet.look_s[0] = 3.0;
    ms_offers_start(&fleet, 2, 2.75);
    CHECK(fleet.look_s[0] == 3.0);
    for (int32_t i = 0; i < 4; i++) {
        fleet.look_s[i] = INFINITY;
    }
    CHECK(ms_offers_next(&fleet, &fleet.pool[0], 2.75) == -1 && fleet.pool[0].looker == -1); /* all have looked */
    ms_fleet_free(&fleet);
}

/* ---- beside asking everybody --------------------------------------------------------------------------------- */

/* Who has the head in hand is asked no more until it is another. */
static void ask_all(ms_fleet *fleet, const ms_job **head, double t_s)
{
    const ms_pool *pool = &fleet->pool[1];
    const int is_new = pool->shared.head != *head;
    *head = pool->shared.head;
    const int32_t end = pool->first + REPLICAS;
    for (int32_t i = pool->first; i < end && *head != NULL && is_new && ms_offers_first_idle(fleet, pool) < 0; i++) {
        if (fleet->failures[i] == 0) {
            ms_fleet_act(fleet, i, ms_replica_notify(&fleet->replica[i], t_s), t_s);
        }
    }
}

/* Requests come close together, some leave and replicas fail; whether all replicas are asked after everything that happens, or
 * those that the fleet asks. Those of a pool before them serve another model. */
static int64_t play(int asks_all, ms_job *played)
{
    enum { FIRST = 4 };
    ms_pool_plan plans[] = {pool_of(1, FIRST, 3), pool_of(0, REPLICAS, 3)};
    plans[1].limits.kv_capacity_tokens = 90;
    ms_fleet fleet;
    ms_queue done = {0}, evicted = {0};
    int left;
    const ms_job *head = NULL;
    int64_t moments = 0;
    double t_s = 0.0;
    make(&fleet, 2, plans, MS_SHARED_QUEUE);
    for (int32_t i = 0; i < MANY; i++) {
        t_s += 0.3 + 0.7 * (i * 37 % 64) / 64.0 + i * 0x1p-20;
        for (; fleet.moments.values[ms_tournament_best(&fleet.moments)] <= t_s; moments++) {
            const double now_s = step(&fleet, &done);
            if (asks_all) {
                ask_all(&fleet, &head, now_s);
            }
        }
        jobs[i] = ms_job_new(i, 0, 4 + i * 29 % 23, 2 + i * 13 % 9);
        CHECK(ms_dispatch_place(&fleet, &jobs[i], -1, t_s) == MS_PLACED);
        if (i % 11 == 10 && jobs[i - 1].place == MS_QUEUED) {
            ms_fleet_abort(&fleet, &jobs[i - 1], t_s, &left);
        }
        if (i % 40 == 20) {
            ms_fleet_fail(&fleet, FIRST + i / 40 % REPLICAS, t_s, &evicted);
        } else if (i % 40 == 39) {
            repair(&fleet, FIRST + i / 40 % REPLICAS, t_s);
        }
        if (asks_all) {
            ask_all(&fleet, &head, t_s);
        }
    }
    CHECK(done.length + run_out(&fleet) > MANY / 2);
    for (int32_t i = 0; i < MANY; i++) {
        played[i] = jobs[i];
    }
    ms_fleet_free(&fleet);
    return moments;
}

static int is_same_s(double a, double b)
{
    return a == b || (a != a && b != b);
}

static void all_goes_as_if_everybody_were_asked(void)
{
    static ms_job few[MANY], all[MANY];
    const int64_t moments = play(0, few);
    CHECK(moments < play(1, all));
    for (int32_t i = 0; i < MANY; i++) {
        CHECK(few[i].replica == all[i].replica && is_same_s(few[i].start_s, all[i].start_s));
        CHECK(is_same_s(few[i].finish_s, all[i].finish_s) && few[i].preemptions == all[i].preemptions);
    }
}

int main(void)
{
    RUN(only_who_looks_next_is_interrupted);
    RUN(where_it_fails_the_next_one_looks);
    RUN(nobody_looks_where_nobody_waits);
    RUN(nobody_is_asked_where_the_first_is_idle);
    RUN(all_are_told_of_what_several_refuse);
    RUN(a_look_of_this_instant_is_over_for_those_before);
    RUN(all_goes_as_if_everybody_were_asked);
    return report();
}
