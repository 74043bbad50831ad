/* What a router keeps account of by itself: of what it has sent to each replica, the prompt tokens whose prefill is still to
 * come, and the memory of prompts whose answers are not complete. */
#ifndef MS_ACCOUNTS_H
#define MS_ACCOUNTS_H

#include "fleet.h"

/* A copy is sent to a replica, where so many tokens of its prompt are to be computed. */
void ms_accounts_charge(ms_fleet *fleet, ms_job *job, int32_t replica, int64_t prefill_tokens);

/* Its answer is complete, or nobody waits for it there any more. */
void ms_accounts_release(ms_fleet *fleet, ms_job *job);

/* A boundary of a replica was reached at t_s: who has a first token by now is not prefilled any more. */
void ms_accounts_settle(ms_fleet *fleet, int32_t replica, double t_s);

/* kv_router: the index of a replica is as its account is. */
void ms_accounts_show(ms_fleet *fleet, int32_t replica);

/* kv_router: what the load of a replica counts for, tokens. */
static inline double ms_accounts_weight(const ms_fleet *fleet, int32_t replica)
{
    return fleet->dispatch.prefill_load_scale * (double)fleet->prefill_tokens[replica] +
           (double)fleet->held_tokens[replica];
}

#endif
