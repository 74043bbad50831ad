/* Requests that are over at once: without servers, with immediate labels and nobody who loses patience.
 *
 * Their copies need no job, no place in the list of open requests and no errand; what is summed up, and in which
 * order, is the same.  */
#ifndef MS_INSTANT_H
#define MS_INSTANT_H

#include "loop.h"

/* Whether a request that is decided is over at once. */
int ms_instant_is(const ms_loop *loop, const ms_open *open);

/* Answers it by models `first` to `last`, those that can be had, and gives its memory back. */
int ms_instant_answer(ms_loop *loop, ms_open *open, int32_t first, int32_t last);

#endif
