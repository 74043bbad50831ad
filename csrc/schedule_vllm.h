/* The schedules of vLLM and of TensorRT-LLM, which differ in limits only: see schedule.h. */
#ifndef MS_SCHEDULE_VLLM_H
#define MS_SCHEDULE_VLLM_H

#include "schedule.h"

extern const ms_schedule ms_schedule_vllm;

#endif
