/* Split prefill and decode: a request that one replica has prefilled goes to another, and its KV follows.
 *
 * It waits in the queue there, its blocks still held where it was prefilled. The transfer begins as soon as the other has
 * a place and the blocks for it, which it keeps from then on; at the transfer's end the first lets go of its blocks, and
 * the job joins the other's next iteration. Until then it is an unfinished request of the pool that prefilled it. */
#ifndef MS_TRANSFERS_H
#define MS_TRANSFERS_H

#include "run.h"

/* A boundary hands a job over whose prefill is done. */
int ms_transfers_prefilled(ms_run *run, ms_job *job);

/* It goes to where it decodes, or is held while none of these is up. */
int ms_transfers_hand_over(ms_run *run, ms_job *job);

/* A replica has started an iteration: the transfers to it that begin. */
int ms_transfers_begin(ms_run *run, int32_t replica);

/* A transfer on a link may end now. */
int ms_transfers_link_ends(ms_run *run, int32_t link);

/* The KV of a job is where it decodes. */
int ms_transfers_end(ms_run *run, ms_job *job);

/* A replica went down, which had `evicted`: with it goes what it had prefilled, or was to get, of other jobs. */
int ms_transfers_evict(ms_run *run, int32_t replica, ms_queue *evicted);

#endif
