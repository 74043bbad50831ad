/* Memory that is asked for before it is needed. Of a large fleet nothing of a replica is in the processor's cache any more when
 * its turn comes, nor of the job that ends there: each part, read one after the other, would be waited for. No result depends
 * on it, and a small fleet does without. */
#ifndef MS_EXPECT_H
#define MS_EXPECT_H

#include "fleet_state.h"

enum { MS_SMALL_FLEET = 256 }; /* so many replicas stay in a cache of 1 MiB, where none of this spares anything */

/* Nothing was asked for yet. */
void ms_expect_init(ms_expected *self, const ms_tournament *moments);

/* The next moment of a replica has changed: asks for what comes within some tens of events. */
void ms_expect_turns(ms_fleet *self, int32_t replica);

/* What is read of a replica to tell when it would look at its queue (ms_replica_look_s). */
void ms_expect_look(const ms_fleet *self, int32_t replica);

/* A job is sent to a replica. */
void ms_expect_replica(const ms_fleet *self, int32_t replica);

#endif
