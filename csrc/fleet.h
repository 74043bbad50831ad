/* What happens to a cluster (fleet_state.h): its replicas start, finish, fail and are repaired, and what waits while none is
 * up. */
#ifndef MS_FLEET_H
#define MS_FLEET_H

#include "fleet_state.h"
#include "open_pools.h"

/* `streams[m]` draws what dispatch leaves to chance for model m; where prefill and decode are split, `streams[models + m]`
 * among those that decode. */
int ms_fleet_init(ms_fleet *self, int32_t pools, const ms_pool_plan *plans, int32_t models,
                  const ms_dispatch_plan *dispatch, const ms_stream *streams);
void ms_fleet_free(ms_fleet *self);

int ms_fleet_is_api(const ms_fleet *self, int32_t replica);

/* An API's job is done. */
void ms_fleet_finish_api(ms_fleet *self, ms_job *job);

/* The boundary of a replica is reached: its jobs that are done. It is due to start at the same instant, after
 * all else that happens then: the caller starts it, or leaves it to the calendar. */
int ms_fleet_finish(ms_fleet *self, int32_t replica, ms_queue *done);
void ms_fleet_start_later(ms_fleet *self, int32_t replica, double t_s);
int ms_fleet_start(ms_fleet *self, int32_t replica, double t_s);

/* Nobody wants a job's answer any more. `*left` says whether it has left its replica or its queue by now; else it
 * comes with those that are done. An API answers what it was asked. */
void ms_fleet_abort(ms_fleet *self, ms_job *job, double t_s, int *left);

/* A replica goes down: its jobs, unless it was down already. What an API was asked is for the caller to take back. */
void ms_fleet_fail(ms_fleet *self, int32_t replica, double t_s, ms_queue *evicted);

/* One cause is mended; if the replica is up again, it takes what waits in its pool's shared queue, and what was held
 * while none was up is for the caller to place again. */
void ms_fleet_repair(ms_fleet *self, int32_t replica, double t_s, ms_queue *held);

/* Everything that is under way or waits, at the end. */
void ms_fleet_withdraw(ms_fleet *self, int32_t model, double t_s, ms_queue *jobs);

/* What a replica says of a new job becomes its next moment. */
void ms_fleet_act(ms_fleet *self, int32_t replica, enum ms_notice notice, double t_s);

/* A replica may take requests from now on, or may not any more. */
void ms_fleet_refresh(ms_fleet *self, int32_t replica);

/* The next moment of a replica is the boundary that it announced; if it runs nothing, there is none. */
void ms_fleet_await_boundary(ms_fleet *self, int32_t replica);

/* A job that was prefilled for another replica is kept where that was; or its blocks there are let go, if it was. */
void ms_fleet_keep(ms_fleet *self, ms_job *job);
void ms_fleet_let_go(ms_fleet *self, ms_job *job, double t_s);

/* The head of the shared queue is new: an idle replica takes it, or whoever first has room. */
void ms_fleet_offer(ms_fleet *self, ms_pool *pool, double t_s);

/* A replica has looked at the head of its pool's queue, or will not as it is not up any more. */
void ms_fleet_look_no_more(ms_fleet *self, int32_t replica, double t_s);

#endif
