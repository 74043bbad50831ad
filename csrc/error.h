/* Every way in which the core can fail: one list, from which come the enum, the texts and the
 * exception that `_core.pyx` raises. Fallible functions return 0 or one of these negative codes. */
#ifndef MS_ERROR_H
#define MS_ERROR_H

/* X(code, value, exception class in messsim.errors, text) */
#define MS_ERRORS(X)                                                                                \
    X(MS_ERR_MEMORY, -1, "OutOfMemory", "memory ran out")                                           \
    X(MS_ERR_SHAPE, -2, "KernelError", "arrays whose lengths do not fit each other")                \
    X(MS_ERR_TOO_LARGE, -10, "SimulationError",                                                     \
      "a request whose prompt and answer never fit the replica's KV memory")                        \
    X(MS_ERR_NO_TOKENS, -11, "SimulationError", "a request without a prompt token or an answer token") \
    X(MS_ERR_TIME, -12, "SimulationError", "a replica was moved to a time that is not its boundary") \
    X(MS_ERR_LIMITS, -13, "SimulationError",                                                        \
      "replica limits out of range: max_num_seqs >= 1 and max_batched_tokens >= max_num_seqs")      \
    X(MS_ERR_NOT_FINITE, -14, "SimulationError", "an iteration whose duration is not a positive finite number") \
    X(MS_ERR_IN_VAIN, -15, "SimulationError",                                                       \
      "replicas failed 100,000 times since a request last arrived or ended; expected a longer mtbf_s: an answer " \
      "may take longer than a replica lives")                                                       \
    X(MS_ERR_BLOCKS, -16, "KernelError",                                                            \
      "blocks of a replica's memory do not add up: a bug in messsim")                               \
    X(MS_ERR_PLAN, -20, "PolicyError", "a policy that names a model outside the zoo")               \
    X(MS_ERR_POLICY, -21, "PolicyError", "a policy that reported an error of its own")               \
    X(MS_ERR_NEXT, -22, "PolicyError", "a policy whose `finish` names no model of the zoo")         \
    X(MS_ERR_LABEL, -23, "PolicyError", "a policy that reported an error of its own on a label")     \
    X(MS_ERR_CHAIN, -24, "PolicyError", "a policy whose `finish` goes on after 1,000 answers")         \
    X(MS_ERR_PICK, -25, "PolicyError",                                                              \
      "a rule of dispatch that names no replica, or reported an error of its own")

enum ms_error {
#define MS_ENUM(code, value, exception, text) code = value,
    MS_ERRORS(MS_ENUM)
#undef MS_ENUM
};

/* The text of a code, ending in the code's name to search for; never NULL. */
const char *ms_error_text(int code);

/* The exception class of a code, in messsim.errors; never NULL. */
const char *ms_error_exception(int code);

/* The i-th code of the list, or 0 past its end: for tests that walk all of them. */
int ms_error_code(int i);

/* Returns from the function that stands here if a call fails: returns anything but 0. */
#define MS_TRY(call)               \
    do {                           \
        const int error_ = (call); \
        if (__builtin_expect(error_ != 0, 0)) { \
            return error_;         \
        }                          \
    } while (0)

#endif
