# What `_core.pyx` needs of csrc/: declarations alone. Units and meaning stand in the C headers.
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "error.h" nogil:
    enum:
        MS_ERR_PLAN
        MS_ERR_NEXT
        MS_ERR_LABEL
        MS_ERR_CHAIN
        MS_ERR_PICK
        MS_ERR_IN_VAIN
    const char *ms_error_text(int code)
    const char *ms_error_exception(int code)
    int ms_error_code(int i)

cdef extern from "memory.h" nogil:
    void ms_memory_keep()

cdef extern from "philox.h" nogil:
    ctypedef struct ms_stream:
        uint32_t seed
        uint32_t column
        uint32_t replication
        uint32_t sub
    void ms_philox_block(const uint32_t *key, const uint32_t *counter, uint32_t *words)

cdef extern from "draw.h" nogil:
    void ms_draw_uniform(const ms_stream *, int odd, uint64_t first, int64_t n, double *out)
    void ms_draw_choice(const ms_stream *, uint64_t first, int64_t n, double *out)
    void ms_draw_exponential(const ms_stream *, int odd, uint64_t first, int64_t n, double *out)
    void ms_draw_normal(const ms_stream *, int odd, uint64_t first, int64_t n, double *out)
    void ms_draw_lognormal(const ms_stream *, int odd, uint64_t first, int64_t n, double mu, double sigma,
                           double *out)
    void ms_quantile_exponential(const double *u, int64_t n, double *out)
    void ms_quantile_normal(const double *u, int64_t n, double *out)
    void ms_exp_many(const double *x, int64_t n, double *out)
    void ms_log_many(const double *x, int64_t n, double *out)
    void ms_draw_uniform_pair(const ms_stream *, uint64_t first, int64_t n, double *out)
    void ms_draw_normal_pair(const ms_stream *, uint64_t first, int64_t n, double *even, double *odd)
    void ms_draw_geometric(const ms_stream *, uint64_t first, int64_t n, double scale, double most, int32_t *out)
    void ms_draw_geometric_of(const ms_stream *, uint64_t first, int64_t n, const int32_t *model,
                              const uint32_t *columns, const double *scales, const double *mosts, int32_t *out)
    void ms_draw_lognormal_count(const ms_stream *, uint64_t first, int64_t n, double mu, double sigma, double most,
                                 int32_t *out)
    void ms_draw_logistic(const ms_stream *, uint64_t first, int64_t n, double slope, double ability,
                          const double *difficulty, double *out)
    double ms_draw_one(const ms_stream *, int odd, uint64_t request)

cdef extern from "scaler.h" nogil:
    ctypedef struct ms_scaler:
        int64_t count
        double *mean
        double *squares

cdef extern from "predictor.h" nogil:
    enum:
        MS_SGD
        MS_ADAGRAD
    ctypedef struct ms_predictor:
        int32_t models
        int32_t features
        int32_t optimizer
        int32_t standardizes
        double learning_rate
        double momentum
        double weight_decay
        double clip
        int64_t version
        double *weights
        double *bias
        double *velocity
        ms_scaler scaler
    int ms_predictor_init(ms_predictor *, int32_t models, int32_t features)
    void ms_predictor_free(ms_predictor *)
    void ms_predictor_score(const ms_predictor *, int32_t first, int32_t end, const double *x, int64_t stride,
                            int64_t n, double *scores, int64_t score_stride)
    void ms_predictor_learn(ms_predictor *, const double *x, const double *labels)
    void ms_predictor_average(ms_predictor **, int32_t n)

cdef extern from "ledger.h" nogil:
    ctypedef struct ms_ledger:
        double alpha
        double discount
        int64_t window
        double queue
        double plain
        double plain_max
        int64_t rated
        double satisfied
        double promised
        double *recent
        double recent_sum
    int ms_ledger_init(ms_ledger *, double alpha, double discount, int64_t window)
    void ms_ledger_free(ms_ledger *)
    void ms_ledger_rate(ms_ledger *, double satisfaction)
    double ms_ledger_certificate(const ms_ledger *)
    int ms_ledger_holds(const ms_ledger *)
    void ms_ledger_reconcile(ms_ledger **, int32_t n)
    ms_ledger ms_ledger_total(ms_ledger **, int32_t n)

cdef extern from "policy.h" nogil:
    enum:
        MS_PLAN_ALL
        MS_PLAN_CHAIN
        MS_PLAN_EXPLORE
        MS_PLAN_MODEL
        MS_CHAIN_MOST
        MS_MESS_PARAMS
        MS_MESS_STATE
    const int64_t MS_POLICY_RAISED
    ctypedef int64_t (*ms_decide_fn)(int64_t request, int64_t step, int64_t tenant, int64_t models, int64_t dimensions,
                                     double alpha, double queue, const double *scores, const double *costs,
                                     const double *loads, const double *facts, const double *features,
                                     const double *uniforms, const double *params, double *state)
    ctypedef int64_t (*ms_finish_fn)(int64_t request, int64_t stage, int64_t tenant, int64_t model, int64_t models,
                                     const double *scores, const double *costs, const double *facts,
                                     const double *uniforms, const double *params, double *state)
    ctypedef int64_t (*ms_rated_fn)(int64_t request, int64_t tenant, int64_t model, double alpha, double satisfaction,
                                    double queue, const double *params, double *state)
    ctypedef int64_t (*ms_learn_fn)(int64_t request, int64_t tenant, int64_t models, int64_t dimensions,
                                    const double *features, const double *labels, const double *params, double *state)
    ctypedef struct ms_policy:
        ms_decide_fn decide
        ms_finish_fn finish
        ms_rated_fn rated
        ms_learn_fn learn
        int32_t uniforms
        const double *params
        double *state
    int64_t ms_policy_mess_decide(int64_t, int64_t, int64_t, int64_t, int64_t, double, double, const double *,
                         const double *, const double *, const double *, const double *, const double *,
                         const double *, double *)
    int64_t ms_policy_random(int64_t, int64_t, int64_t, int64_t, int64_t, double, double, const double *,
                         const double *, const double *, const double *, const double *, const double *,
                         const double *, double *)
    int64_t ms_policy_cheapest(int64_t, int64_t, int64_t, int64_t, int64_t, double, double, const double *,
                         const double *, const double *, const double *, const double *, const double *,
                         const double *, double *)
    int64_t ms_policy_largest(int64_t, int64_t, int64_t, int64_t, int64_t, double, double, const double *,
                         const double *, const double *, const double *, const double *, const double *,
                         const double *, double *)
    int64_t ms_policy_mix(int64_t, int64_t, int64_t, int64_t, int64_t, double, double, const double *,
                         const double *, const double *, const double *, const double *, const double *,
                         const double *, double *)
    int64_t ms_policy_mess_rated(int64_t, int64_t, int64_t, double, double, double, const double *, double *)
    void ms_policy_argmin_block(int64_t models, int64_t n, int64_t stride, double v, double alpha, double queue,
                                const double *scores, const double *costs, int32_t *chosen)

cdef extern from "fields.h" nogil:
    ctypedef struct ms_field:
        const char *name
        const char *type
        size_t offset

cdef extern from "iteration.h" nogil:
    enum:
        MS_MOST_KNOTS
        MS_HOST_SUM
        MS_HOST_OVERLAP
    ctypedef struct ms_coefficients:
        int32_t host_kind
        int32_t knots
        double *knot_tokens
        double *knot_s
        double p_idle_w
    const ms_field *ms_iteration_coefficient(int i)
    ctypedef struct ms_batch:
        double decoders
        double context
        double prompt_tokens
        double prompt_work
        double prompt_prior
        double prompts
        double ahead
    ctypedef struct ms_durations:
        double floored
    ms_durations ms_iteration_durations(const ms_coefficients *, const ms_batch *)
    double ms_durations_sum(const ms_durations *, double n)
    double ms_iteration_joules(const ms_coefficients *, const ms_batch *, const ms_durations *, double n)

cdef extern from "cost.h" nogil:
    ctypedef struct ms_known_cost:
        ms_coefficients coefficients
        double usd_per_s
        double max_batched_tokens
        double nominal_batch
        double mean_output_tokens
        double mean_tokens
    ctypedef struct ms_prompt_cost:
        int32_t model
        int32_t is_api
        int32_t as_before
        double share
        double usd_per_million_prompt_tokens
        double usd_per_million_output_tokens
        ms_known_cost known
    void ms_known_costs(const ms_known_cost *, const int32_t *prompt_tokens, int64_t n, double *costs)
    void ms_cost_of_prompt(const ms_prompt_cost *, int32_t n, int32_t prompt_tokens, const double *factors,
                           double *costs, int64_t stride)

cdef extern from "job.h" nogil:
    enum:
        MS_NOWHERE
        MS_QUEUED
        MS_RUNS
        MS_TRANSFERS
        MS_ARRIVED
    ctypedef struct ms_node_of_path:
        int64_t id
        int32_t end_tokens
    ctypedef struct ms_job:
        int64_t request
        int32_t model
        int32_t prompt_tokens
        int32_t output_tokens
        int32_t generated_tokens
        int32_t preemptions
        int32_t attempt
        int32_t replica
        int32_t server
        int8_t place
        int8_t aborted
        int8_t transferred
        int32_t source
        void *holds
        const ms_node_of_path *path
        int32_t path_length
        int32_t cached_prompt_tokens
        int64_t cached_recompute_tokens
        int32_t priority
        double arrival_s
        double deadline_s
        int64_t session
        int64_t answer_node
        double start_s
        double first_token_s
        double finish_s
        double energy_j
        double usage_s
        double usage_usd
        double prefilled_s
        ms_job *next
        void *owner
    ctypedef struct ms_queue:
        ms_job *head
        ms_job *tail
        int64_t length
        int32_t order
    enum:
        MS_ORDER_FCFS
        MS_ORDER_PRIORITY
        MS_ORDER_EDF
    void ms_job_init(ms_job *self, int64_t request, int32_t model, int32_t prompt_tokens, int32_t output_tokens)
    void ms_job_cut_off(ms_job *self, double t_s)
    void ms_queue_push_tail(ms_queue *, ms_job *)
    ms_job *ms_queue_pop(ms_queue *)
    void ms_queue_remove(ms_queue *, ms_job *)
    int ms_queue_holds(const ms_queue *, const ms_job *)

cdef extern from "api_limits.h" nogil:
    ctypedef struct ms_limits_plan:
        double requests_per_minute
        double tokens_per_minute
        double burst_s
        int64_t most_calls
    ctypedef struct ms_api_limits:
        pass
    void ms_api_limits_init(ms_api_limits *, const ms_limits_plan *)
    int ms_api_limits_allow(const ms_api_limits *, int64_t tokens, int64_t calls, double t_s)
    void ms_api_limits_take(ms_api_limits *, int64_t tokens, double t_s)

cdef extern from "prompt_cache.h" nogil:
    ctypedef struct ms_prompt_cache_plan:
        double keep_s
        int32_t least_tokens
        int32_t step_tokens
    ctypedef struct ms_prompt_cache:
        pass
    void ms_prompt_cache_init(ms_prompt_cache *, const ms_prompt_cache_plan *)
    void ms_prompt_cache_free(ms_prompt_cache *)
    int ms_prompt_cache_send(ms_prompt_cache *, ms_job *, double t_s)

cdef extern from "cache.h" nogil:
    ctypedef struct ms_cache:
        int64_t cached
        int64_t twice
        int64_t evicted
        int64_t nodes
    int ms_cache_check(const ms_cache *)

cdef extern from "drafts.h" nogil:
    enum:
        MS_DRAFTS_MOST
    ctypedef struct ms_drafts:
        int32_t tokens
        double mean_tokens
    void ms_drafts_init(ms_drafts *, int32_t tokens, const double *accepted, const ms_stream *)
    int64_t ms_drafts_iterations(const ms_drafts *, uint64_t request, int64_t tokens)

cdef extern from "sequences.h" nogil:
    enum:
        MS_KV_RECOMPUTE
        MS_KV_RESERVE
        MS_ROLE_BOTH
        MS_ROLE_PREFILL
        MS_ROLE_DECODE
        MS_SCHEDULE_VLLM
        MS_SCHEDULE_SGLANG
        MS_SCHEDULE_TENSORRT_LLM
    ctypedef struct ms_limits:
        int32_t max_num_seqs
        int32_t max_batched_tokens
        int64_t kv_capacity_tokens
        int32_t kv_policy
        int32_t kv_block_tokens
        int32_t prefix_cache
        int32_t schedule
        int32_t max_new_tokens
        int32_t whole_prompts
        int32_t lookahead
        int32_t order
        int32_t role
        int32_t first_token_later
        int32_t track_usage
        const ms_drafts *drafts
    ctypedef struct ms_sequences:
        int64_t prompt_tokens
        int64_t cached_prompt_tokens
        int64_t capacity_blocks
        ms_cache cache
        int32_t running
        int32_t decoders
        ms_job **jobs

    int64_t ms_sequences_blocks(const ms_sequences *, int64_t n)

cdef extern from "replica.h" nogil:
    enum:
        MS_NOTHING
        MS_WAKE
        MS_RESCHEDULE
        MS_IDLE
        MS_BOUNDARY
        MS_RUNNING
        MS_DOWN
    ctypedef struct ms_replica:
        int32_t index
        int32_t state
        ms_queue *queue
        ms_queue own_queue
        int32_t kept_places
        ms_sequences sequences
        double boundary_s
        int64_t jumps
        int64_t preemptions
    int ms_replica_init(ms_replica *, int32_t index, const ms_coefficients *, const ms_limits *, ms_queue *)
    void ms_replica_free(ms_replica *)
    int ms_replica_fits(const ms_replica *, const ms_job *)
    int64_t ms_replica_unfinished(const ms_replica *)
    int64_t ms_replica_waiting(const ms_replica *)
    int ms_replica_submit(ms_replica *, ms_job *, double t_s)
    int ms_replica_notify(ms_replica *, double t_s)
    int ms_replica_finish(ms_replica *, ms_queue *done)
    int ms_replica_start(ms_replica *, double t_s, int32_t *pulled)
    int ms_replica_abort(ms_replica *, ms_job *, double t_s, int *left)
    int64_t ms_replica_cached_tokens(ms_replica *, const ms_job *, double t_s)
    double ms_replica_meter_j(const ms_replica *, double t_s)
    double ms_replica_busy_s(const ms_replica *, double t_s)
    void ms_replica_evict(ms_replica *, double t_s, ms_queue *evicted)
    void ms_replica_repair(ms_replica *)
    int ms_replica_arrive(ms_replica *, ms_job *, double t_s)
    int ms_replica_call_off(ms_replica *, ms_job *, double t_s)
    int ms_replica_let_go(ms_replica *, ms_job *, double t_s)

cdef extern from "transit.h" nogil:
    ms_job *ms_transit_depart(ms_replica *)

cdef extern from "calendar.h" nogil:
    ctypedef struct ms_heap:
        int64_t length

cdef extern from "marginal.h" nogil:
    ctypedef struct ms_server_cost:
        int32_t model
        double share
        double places
        double decoder_tokens
        ms_known_cost known
        int32_t keeps_prefixes
    void ms_marginal_costs(const ms_server_cost *, int32_t n, int32_t models, double prompt, const int32_t *cached,
                           int64_t stride, const double *known, const double *loads, double *costs)

cdef extern from "brain.h" nogil:
    enum:
        MS_ESTIMATE_MARGINAL
        MS_ESTIMATE_KNOWN
        MS_ESTIMATE_MEAN
        MS_ESTIMATE_LAST_EXPLORED
    ctypedef struct ms_brain:
        ms_policy policy
        ms_predictor *predictor
        int32_t estimate
        double prior
        const ms_server_cost *servers
        int32_t n_servers
        ms_ledger *tracked
        int64_t step
    ctypedef struct ms_page_view:
        int64_t n
        const double *features
        double *known_costs
        const double *facts
        const double *uniforms
        const int32_t *prompt_tokens
        const int32_t *cached

cdef extern from "instances.h" nogil:
    ctypedef struct ms_instances:
        int32_t count
        ms_brain *brain
        ms_ledger *delivered
    ms_ledger ms_instances_tracked(const ms_instances *, int32_t tenant)

cdef extern from "fleet.h" nogil:
    enum:
        MS_LEAST_LOADED
        MS_ROUND_ROBIN
        MS_POWER_OF_TWO
        MS_SHARED_QUEUE
        MS_RANDOM
        MS_SESSION
        MS_PREFIX_AFFINITY
        MS_KV_ROUTER
        MS_SCORED
        MS_OWN_RULE
    int MS_OWN_UNIFORMS
    ctypedef int64_t (*ms_pick_fn)(int64_t, int64_t, int64_t, int64_t, double, int64_t, const double *, const double *,
                                   const double *, const double *, const double *, const double *, const double *,
                                   double *) noexcept nogil
    ctypedef struct ms_own_rule:
        ms_pick_fn pick
        int32_t sees_loads
        int32_t sees_engines
        int32_t sees_caches
        const double *params
        double *state
    ctypedef struct ms_score_weights:
        double queue
        double kv_cache
        double prefix
        double load
        double token_load
        double session
        double no_hit_lru
        double active
    ctypedef struct ms_dispatch_plan:
        int32_t rule
        int32_t random_ties
        int32_t decode_rule
        int32_t decode_first
        double state_delay_s
        double session_ttl_s
        double cache_threshold
        int64_t balance_abs
        double balance_rel
        int64_t tree_tokens
        double eviction_s
        double prefill_load_scale
        double overlap_credit
        ms_score_weights weights
        int64_t index_block_tokens
        int64_t index_blocks
        int64_t index_tokens
        double most_load_tokens
        int64_t idle_requests
        double most_busy_score
        int32_t cold_replicas
        int32_t is_sticky
        double affinity
        double most_penalty_s
        double peak_prefill
    ctypedef struct ms_wait:
        int32_t law
        double mean_s
        double mu
        double sigma
        ms_stream stream
    int MS_SCALES_BY_SCHEDULE, MS_SCALES_BY_TARGET, MS_SCALES_BY_CONCURRENCY, MS_SCALES_BY_SATURATION, MS_COLD_PHASES
    ctypedef struct ms_autoscale_plan:
        int32_t rule
        int32_t least
        int32_t initial
        double period_s
        double zero_after_s
        double target
        double tolerance
        double up_window_s
        double down_window_s
        double up_most_factor
        int32_t up_most_replicas
        double down_most_factor
        double stable_window_s
        double panic_window_s
        double panic_threshold
        double saturated_usage
        double saturated_waiting
        double spare_usage
        double spare_waiting
        int32_t steps
        double day_s
        double *step_s
        int32_t *step_replicas
        ms_wait *cold_start
    ctypedef struct ms_pool_plan:
        int32_t model
        int32_t replicas
        int32_t is_api
        ms_coefficients coefficients
        ms_limits limits
        int64_t most_tokens
        int64_t most_prompt_tokens
        double kv_bytes_per_token
        ms_wait front_end
        int32_t front_end_workers
        double detokenize_s
        double usd_per_s
        double latency_s
        double tpot_s
        double usd_per_million_prompt_tokens
        double usd_per_million_output_tokens
        double usd_per_million_cached_prompt_tokens
        ms_limits_plan api_limits
        ms_prompt_cache_plan prompt_cache
        ms_autoscale_plan autoscale
    ctypedef struct ms_pool:
        int32_t first
    ctypedef struct ms_servers:
        ms_own_rule own
    ctypedef struct ms_fleet:
        int32_t replicas
        int32_t pools
        ms_pool *pool
        ms_servers *servers
        ms_replica *replica
        int64_t wrong_request
        int64_t wrong_pick
    double ms_fleet_meter_j(const ms_fleet *, int32_t pool, double t_s)

cdef extern from "outlook.h" nogil:
    double ms_replica_kv_usage(const ms_replica *, double t_s)
    int64_t ms_replica_settled_cached_tokens(const ms_replica *, const ms_job *)

cdef extern from "timeline.h" nogil:
    ctypedef struct ms_sample:
        int64_t request
        double time_s
        double queue
        double queue_tracked
        double certificate
        int64_t explored
    ctypedef struct ms_timeline:
        int32_t pools
        int32_t length
        int64_t stride
        ms_sample *samples
        int64_t *in_system
        double *energy_j
        int64_t *prompt_tokens
        int64_t *cached_prompt_tokens
        int32_t *replicas

cdef extern from "open.h" nogil:
    enum:
        MS_NOT_SENT
    ctypedef struct ms_page_turns:
        const int32_t *roots
        int64_t n_roots
        const int32_t *first_child
        int32_t *next_child
        const double *wait_s
        int32_t *model
        const int64_t *session
        const int32_t *new_tokens
    ctypedef struct ms_page:
        int64_t first
        int64_t n
        int64_t open
        ms_page_view view
        const double *arrival_s
        const int32_t *tenant
        const int32_t *instance
        int32_t *prompt_tokens
        const int32_t *output_tokens
        const double *satisfied
        const double *labels
        const double *feedback_uniform
        const double *delay_s
        const double *price_factor
        ms_page_turns turns
        const int64_t *path_start
        ms_node_of_path *path
        int32_t *cached
    const ms_field *ms_open_column(int i)

cdef extern from "failures.h" nogil:
    enum:
        MS_MOST_FAILURES_IN_VAIN

cdef extern from "loop.h" nogil:
    enum:
        MS_LOOP_PAUSED
        MS_LOOP_NEEDS_PAGE
        MS_LOOP_OVER
    enum:
        MS_WAITS_FOREVER
        MS_WAITS_CONSTANT
        MS_WAITS_EXPONENTIAL
        MS_WAITS_LOGNORMAL
    ctypedef struct ms_patience:
        ms_wait wait
        int32_t until_first_token
        int32_t aborts
        int32_t rates_giving_up
        int32_t retries
        ms_wait backoff
        double backoff_growth
        ms_stream uniforms
    enum ms_links:
        MS_LINK_EACH
        MS_LINK_PREFILL
        MS_LINK_DECODE
        MS_LINK_CLUSTER
    ctypedef struct ms_run_config:
        int32_t models
        int32_t tenants
        int32_t features
        int32_t reference
        int32_t in_usd
        int32_t needs_loads
        int32_t needs_caches
        int32_t keeps_session_model
        int32_t needs_features
        int32_t uniforms
        int32_t learns_every_answer
        int32_t keeps_delays
        int32_t raters_err
        int32_t one_sided
        int64_t max_waiting
        int32_t asks_next_model
        double feedback_probability
        double horizon_s
        int64_t length
        int64_t clients
        double think_s
        int32_t think_is_exponential
        ms_stream think
        double mtbf_s
        double mttr_s
        int32_t lose_on_failure
        double transfer_latency_s
        double transfer_bytes_per_s
        int32_t transfer_links
        ms_patience patience
        int32_t instances
        ms_wait decision
        int32_t router_workers
        double reconcile_s
    ctypedef struct ms_breakdown:
        int32_t replica
        int32_t random
        ms_stream fails
        ms_stream mends
        double time_s
        double for_s
    ctypedef struct ms_run:
        ms_run_config config
        ms_instances instances
        ms_fleet fleet
        ms_timeline timeline
        double now_s
        int64_t open_count
        int64_t turns_to_come
        int64_t turns_not_sent
        const int32_t *priority
        const double *ttft_objective_s
        const ms_prompt_cost *prompt_costs
        int32_t n_prompt_costs
        int64_t issued
        int64_t attempts
        int64_t explored
        int64_t rated
        int64_t labels_of_lost
        int64_t events
        double last_arrival_s
        double paid_j
        double in_system_integral
        int64_t router_begun
        double router_wait_s
        double router_busy_s
        int64_t transfers
        int64_t transferred
        double transfer_bytes
        double transfer_wait_s
        double transfer_s
        double *busy_s
        double *idle_s
        double *rented_s
        ms_breakdown *breakdowns
        int64_t error_request
        int64_t error_plan
    int ms_run_init(ms_run *, const ms_run_config *, const double *alphas, double discount, int64_t window,
                     int32_t pools, const ms_pool_plan *, const ms_dispatch_plan *, const ms_stream *)
    void ms_run_free(ms_run *)
    int ms_run_plan_breakdowns(ms_run *, int32_t n)
    int ms_loop_begin(ms_run *)
    void ms_loop_turn_page(ms_run *, ms_page *)
    void ms_loop_no_more(ms_run *)
    int ms_loop_run(ms_run *, int64_t budget)
    void ms_loop_cut(ms_run *)

cdef extern from "histogram.h" nogil:
    ctypedef struct ms_log_histogram:
        int64_t *counts
        int64_t bins
        double least
        double bins_per_octave
        int64_t zeros
        double sum
    void ms_log_histogram_add(ms_log_histogram *, const double *values, int64_t n)

cdef extern from "tally.h" nogil:
    const double MS_KEPT_TOLERANCE
    enum:
        MS_TALLY_SUMS
        MS_TALLY_COUNTS
        MS_LATENCIES
    ctypedef struct ms_records:
        int64_t n
        const int64_t *id
        const int32_t *tenant
        const int32_t *model
        const int8_t *status
        const uint8_t *explored
        const int32_t *prompt_tokens
        const int32_t *output_tokens
        const int32_t *cached_prompt_tokens
        const int64_t *cached_recompute_tokens
        const int32_t *preemptions
        const double *arrival_s
        const double *start_s
        const double *first_token_s
        const double *finish_s
        const double *satisfied
        const double *feedback_s
        const double *energy_j
        const double *cost
        const double *exploration_cost
    ctypedef struct ms_tally:
        int64_t statuses
        int64_t models
        int64_t tenants
        double *sums
        int64_t *counts
        int64_t *by_status
        int64_t *answered
        double *satisfied
        double *visible_cost
        int64_t *tenant_answered
        double *tenant_satisfied
    ctypedef struct ms_running:
        int64_t answered
        int64_t last_short
        double satisfied
        double promised
        double cost
        double curve_sum
    int ms_tally_add(ms_tally *, const ms_records *)
    int64_t ms_running_add(ms_running *, int64_t n, const int64_t *id, const double *satisfied, const double *promised,
                           const double *cost, int64_t stride, int64_t *sample_id, double *sample_satisfied,
                           double *sample_promised, double *sample_cost)
    void ms_latencies_add(ms_log_histogram *, const ms_records *, int64_t warmup, int32_t tenant)
    ctypedef struct ms_objectives:
        const double *ttft_s
        const double *tpot_s
        const double *e2e_s
    void ms_attained(const ms_records *, const ms_objectives *, int64_t *arrived, int64_t *attained)
    double ms_scores_add(double *good, double *bad, int64_t bins, int64_t n, const double *scores,
                         const double *satisfied)

cdef extern from "frontier.h" nogil:
    enum: MS_FRONTIER_BINS
    enum: MS_FRONTIER_SUMS
    enum: MS_FRONTIER_MODELS
    ctypedef struct ms_frontier_bin:
        double gain
        double cost
        double least
        double most
    ctypedef struct ms_frontier:
        int64_t models
        double *sums
        ms_frontier_bin *bins
    void ms_frontier_add(ms_frontier *, int64_t n, const int32_t *tenant, const double *satisfied, const double *costs)
