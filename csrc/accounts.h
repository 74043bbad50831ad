/* What a router knows by itself of what it has sent to each replica: the prompt tokens whose prefill is still to come, and the
 * memory of prompts whose answers are not complete. */
#ifndef MS_ACCOUNTS_H
#define MS_ACCOUNTS_H

#include "fleet_state.h"

/* A copy is sent to a replica, where so many tokens of its prompt are to be computed. */
void ms_accounts_charge(ms_fleet *fleet, ms_job *job, int32_t replica, int64_t prefill_tokens);

/* Its answer is complete, or nobody waits for it there any more. */
void ms_accounts_release(ms_fleet *fleet, ms_job *job);

/* A boundary of a replica was reached at t_s: who has a first token by now is not prefilled any more. */
void ms_accounts_settle(ms_fleet *fleet, int32_t replica, double t_s);

#endif
