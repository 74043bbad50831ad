/* KV on its way between two replicas, where one prefills and another decodes.
 *
 * A job that is prefilled for another replica leaves its batch; its blocks there are set aside until they are let go. It
 * waits in the queue of a replica that decodes. Where a place and its blocks are free, they are kept for it and it stands
 * in `departing`; its owner moves it to `incoming`, and once all of it is there it is `arrived`. Then it joins the next
 * iteration, before the queue, which computes its last token. With a prefix cache only what that lacks of the prompt is on
 * its way; what it has is used from the start of the transfer on, and what comes is there for others from that iteration on. */
#ifndef MS_TRANSIT_H
#define MS_TRANSIT_H

#include "jump.h"

/* The transfer of the queue's head begins. `*used` are the blocks of the next iteration. */
void ms_transit_begin(ms_replica *self, int64_t *used);

/* Its owner has seen to the first that departs, which is on its way now; NULL: none departs. */
ms_job *ms_transit_depart(ms_replica *self);

/* All of it is there. */
void ms_transit_arrive(ms_replica *self, ms_job *job);

/* A job that is under way or has arrived comes no more: its place and its blocks are free. */
void ms_transit_call_off(ms_replica *self, ms_job *job);

/* Those that have arrived join at t_s, as far as `*budget` goes. Returns 0 or an error. */
int ms_transit_admit(ms_replica *self, double t_s, int64_t *budget);

/* All of them, in no batch yet, when the replica goes down. */
void ms_transit_evict(ms_replica *self, ms_queue *evicted);

/* The blocks of a job that was prefilled here, which another replica has by now, or nobody wants. */
void ms_transit_let_go(ms_replica *self, ms_job *job);

#endif
