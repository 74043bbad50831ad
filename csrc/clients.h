/* Clients who do not wait forever, and may ask again.
 *
 * An attempt that is turned away, lost or given up leaves no answer. Its client asks again after a pause, while
 * retries last: the request is routed anew, and what the attempts before have cost is part of its record. A record
 * stands when no copy of any attempt is under way. */
#ifndef MS_CLIENTS_H
#define MS_CLIENTS_H

#include "run.h"

/* A client of a closed loop will ask its next question at time_s. */
int ms_clients_ask_at(ms_run *run, int64_t client, double time_s);

/* The client of a new attempt begins to wait. */
int ms_clients_wait(ms_run *run, ms_open *open);

/* Nothing more comes for the client who waits: a closed loop's asks its next question after a pause. */
int ms_clients_release(ms_run *run, ms_open *open);

/* There will be no answer: the client asks again later, or is left with `status`. */
int ms_clients_no_answer(ms_run *run, ms_open *open, enum ms_status status);

#endif
