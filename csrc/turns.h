/* Turns of sessions: each waits for the answer before, or comes at a time of its own.
 *
 * When an answer has reached its user, the turns that wait for it are sent a think time later, though never before a
 * time of their own. Without an answer they are not sent, nor are those that wait for theirs. Where prompts grow, that
 * of a turn is the prompt before, the answer that the user saw, and new text. */
#ifndef MS_TURNS_H
#define MS_TURNS_H

#include "run.h"

/* A page has come whose turns are to come. */
void ms_turns_expect(ms_run *run, const ms_page *page);

/* An answer is there: asks early for what the turn is made of that may wait for it, by its row the next one. */
void ms_turns_foresee(const ms_run *run, const ms_job *job);

/* Nothing more comes for the client of a request: the answer has reached it, or there is none. */
int ms_turns_follow(ms_run *run, const ms_open *open);

#endif
