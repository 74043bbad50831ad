/* Clients who do not wait forever: they give up an attempt, and may ask again.
 *
 * An attempt that is turned away, lost or given up leaves no answer. Its client asks again after a pause, while
 * retries last: the request is routed anew, and what the attempts before have cost is part of its record. A record
 * stands when no copy of any attempt is under way. */
#ifndef MS_CLIENTS_H
#define MS_CLIENTS_H

#include "loop.h"

/* The client of a new attempt begins to wait. */
int ms_clients_wait(ms_loop *loop, ms_open *open);

/* There will be no answer: the client asks again later, or is left with `status`. */
int ms_clients_get_none(ms_loop *loop, ms_open *open, enum ms_status status);

/* The errands: the client has waited long enough; the pause is over. */
int ms_clients_give_up(ms_loop *loop, ms_open *open);
int ms_clients_try_again(ms_loop *loop, ms_open *open);

#endif
