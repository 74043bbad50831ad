/* The schedule of SGLang: see schedule.h. */
#ifndef MS_SCHEDULE_SGLANG_H
#define MS_SCHEDULE_SGLANG_H

#include "schedule.h"

extern const ms_schedule ms_schedule_sglang;

#endif
