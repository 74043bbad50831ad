/* Copies of a request on their way through the servers: sent, complete, lost or abandoned, and what each is charged.
 * With the last copy the attempt is over: its record stands, or what it cost goes to the next attempt. */
#ifndef MS_COPIES_H
#define MS_COPIES_H

#include "run.h"

/* Sends copies to models `first` to `last`, those that can be had; where labels are immediate, they are in before
 * anyone else is routed. */
int ms_copies_send(ms_run *run, ms_open *open, int32_t first, int32_t last);

/* A job as the copy of an attempt for a model comes to dispatch, without its owner. */
void ms_copies_write(const ms_open *open, int32_t model, ms_job *job);

/* A copy is complete. */
int ms_copies_finish(ms_run *run, ms_job *job);

/* A copy is turned away, or lost with its replica. */
int ms_copies_lose(ms_run *run, ms_job *job, int rejected);

/* Places a copy again that a failure hit. */
int ms_copies_retry(ms_run *run, ms_job *job);

/* A copy that nobody waits for any more has left its server: it is charged, and has no label. */
int ms_copies_abandon(ms_run *run, ms_job *job);

/* One copy fewer is under way; with the last the attempt is over. */
void ms_copies_drop(ms_run *run, ms_open *open);

/* At the horizon: every copy under way is charged for what it used, and every open request is recorded. */
void ms_copies_cut(ms_run *run);

/* What a job has used of the replica that it leaves for one of another price is priced. */
void ms_copies_settle_price(const ms_run *run, ms_job *job);

#endif
