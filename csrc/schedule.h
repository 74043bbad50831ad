/* What an engine puts into its next iteration: rules of vLLM 0.32, SGLang 0.5.23 and TensorRT-LLM 1.2.
 *
 * vllm            Decoders take a token each, the prompt under way what is left of the budget, then the queue's head comes
 *                 in while there is room for all of its prompt. Who came in last is preempted when memory runs out.
 * tensorrt-llm    The same, but a prompt waits until it fits whole into the budget (limits.whole_prompts), and with
 *                 MS_KV_RESERVE until there is room for the longest answer that its client allows.
 * sglang          Prompts alone, or else decoders alone. `full` keeps the queue's head from being looked at until somebody
 *                 leaves; a ratio says which part of the answers under way is expected to be generated.
 *
 * In all of them the iteration that ends a prompt gives the first token of the answer. */
#ifndef MS_SCHEDULE_H
#define MS_SCHEDULE_H

#include <stdint.h>

#include "jump.h"

typedef struct ms_schedule {
    /* Preempts, admits and begins a jump at t_s, or sleeps. */
    int (*plan)(ms_replica *self, double t_s, int32_t *pulled);

    /* It has nothing to do from now on. */
    void (*rest)(ms_replica *self);

    /* At a boundary within a jump, after target_iterations: could the head of the queue join now? No jump is cut short that
     * may not be joined, but for one of whom somebody is aborted, which ends it: prompts are complete, and the replica is not
     * full. */
    int (*could_admit)(ms_replica *self);
} ms_schedule;

#endif
