/* A replica that jumps against one that steps: the same rules, played iteration by iteration from a list of
 * sequences, with every sum taken anew. All numbers of seconds are binary fractions, so that both must agree to
 * the last bit. */
#include "replicas.h"

enum { JOBS = 40, WORLDS = 1000, NODES = 6, TEXTS = 100, BLOCKS_MOST = 64 };

/* In every other world each iteration takes a second: much happens at one instant. */
static const ms_coefficients kinds[] = {{.a0_s = 1.0, .p0_w = 2.0, .e_j_per_token = 1.0, .p_cap_w = 9.0},
                                        {.a0_s = 1.0,
                                         .c0_s_per_token = 0x1p-6,
                                         .ab_s_per_sequence = 0x1p-5,
                                         .ak_s_per_token = 0x1p-8,
                                         .a1_s = 0x1p-3,
                                         .ac_s_per_token = 0x1p-9,
                                         .p0_w = 2.0,
                                         .e_j_per_token = 1.0,
                                         .ek_j_per_token = 0x1p-4,
                                         .p_cap_w = 14.0}};

typedef struct request {
    ms_job job; /* what is known of it, and what comes of it when it is stepped */
    double arrival_s;
    double abort_s;
    int64_t cached, chunk;
    int is_here, is_over;
    int uses;    /* blocks of its text, from the start on */
    int64_t text; /* numbers what it generates */
    int64_t first_hit, later_hits; /* tokens of the prompt that were there */
    ms_node_of_path path[2];
} request;

/* A block of the prefix cache. */
typedef struct cache_block {
    int is_present;
    int users;
    int64_t released; /* when its last user let it go: the least goes first */
} cache_block;

typedef struct stepper {
    const ms_coefficients *coefficients;
    const ms_limits *limits;
    request *all;
    int n;
    request *batch[JOBS]; /* in order of admission */
    int running;
    request *queue[JOBS];
    int waiting;
    int full;
    double ratio;
    int64_t clock, ratio_clock; /* decoding iterations */
    double t_s, before_s, meter_j, busy_s; /* now, and the start of the iteration before */
    double polled_s;                       /* who came by then was there when it looked last, */
    int since;                             /* so many iterations ago */
    int64_t releases, texts;
    int64_t twice, unused; /* uses of blocks beyond the first of each, and blocks that nobody uses */
} stepper;

static cache_block table[(NODES + JOBS + TEXTS) * BLOCKS_MOST];

static int decodes(const request *r)
{
    return r->cached >= r->job.prompt_tokens + r->job.generated_tokens - 1 && r->job.generated_tokens > 0 &&
        r->chunk == 0;
}

static int64_t whole(const request *r)
{
    return (int64_t)r->job.prompt_tokens + r->job.generated_tokens;
}

static int64_t block_tokens(const stepper *s)
{
    return s->limits->kv_block_tokens > 1 ? s->limits->kv_block_tokens : 1;
}

static int64_t blocks(const stepper *s, int64_t tokens)
{
    return (tokens + block_tokens(s) - 1) / block_tokens(s);
}

static int64_t capacity(const stepper *s)
{
    return s->limits->kv_capacity_tokens / block_tokens(s);
}

static int64_t max_new(const stepper *s, const request *r)
{
    return s->limits->max_new_tokens > r->job.output_tokens ? s->limits->max_new_tokens : r->job.output_tokens;
}

static int decoders(const stepper *s)
{
    int n = 0;
    for (int i = 0; i < s->running; i++) {
        n += decodes(s->batch[i]);
    }
    return n;
}

/* ---- the prefix cache, block by block -------------------------------------------------------------------------- */

/* The k-th block of its text: it belongs to the node that has its last token. */
static cache_block *block_at(const stepper *s, const request *r, int64_t k)
{
    const int64_t last = (k + 1) * block_tokens(s) - 1;
    int64_t node = NODES + r->job.request;
    if (last >= r->job.prompt_tokens) {
        node = NODES + JOBS + r->text;
    }
    for (int32_t i = r->job.path_length - 1; i >= 0; i--) {
        node = last < r->path[i].end_tokens ? r->path[i].id : node;
    }
    return &table[node * BLOCKS_MOST + k];
}

/* From its start, blocks of so many tokens that are there, or that somebody uses. */
static int64_t present(const stepper *s, const request *r, int64_t tokens, int is_used)
{
    int64_t k = 0;
    while (s->limits->prefix_cache && k < tokens / block_tokens(s) &&
           (is_used ? block_at(s, r, k)->users > 0 : block_at(s, r, k)->is_present)) {
        k++;
    }
    return k;
}

/* Tokens that need not be computed: all but the last at most. */
static int64_t hit(const stepper *s, const request *r)
{
    const int64_t there = present(s, r, whole(r), 0), most = (whole(r) - 1) / block_tokens(s);
    return (there < most ? there : most) * block_tokens(s);
}

static void use(stepper *s, request *r, int64_t tokens)
{
    while (s->limits->prefix_cache && r->uses < tokens / block_tokens(s)) {
        cache_block *b = block_at(s, r, r->uses++);
        s->unused -= b->is_present && b->users == 0;
        s->twice += b->users > 0;
        b->is_present = 1;
        b->users++;
    }
}

/* It leaves with so many tokens computed, of which what it has generated is kept if asked; the deepest block goes
 * first. */
static void release(stepper *s, request *r, int64_t tokens, int keeps_generated)
{
    if (keeps_generated && tokens > r->job.prompt_tokens) {
        use(s, r, tokens);
    }
    while (r->uses > 0) {
        cache_block *b = block_at(s, r, --r->uses);
        b->released = s->releases++;
        b->users--;
        s->twice -= b->users > 0;
        s->unused += b->users == 0;
    }
}

static void make_room(stepper *s, int64_t used)
{
    while (s->limits->prefix_cache && used + s->unused > capacity(s) && s->unused > 0) {
        cache_block *oldest = NULL;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
            cache_block *b = &table[i];
            if (b->is_present && b->users == 0 && (oldest == NULL || b->released < oldest->released)) {
                oldest = b;
            }
        }
        oldest->is_present = 0;
        s->unused--;
    }
}

/* What prompts have computed, or compute in this iteration, is there for others. */
static void share(stepper *s, int64_t iterations)
{
    for (int i = 0; i < s->running; i++) {
        request *r = s->batch[i];
        if (!decodes(r)) {
            use(s, r, r->cached + iterations * r->chunk);
        }
    }
}

/* Blocks that the batch holds in the next iteration. */
static int64_t held(const stepper *s, int decoders_go_on)
{
    int64_t n = 0;
    for (int i = 0; i < s->running; i++) {
        const request *r = s->batch[i];
        n += blocks(s, r->cached + (decodes(r) ? decoders_go_on : r->chunk));
    }
    return n - s->twice;
}

/* ---- queue and batch ------------------------------------------------------------------------------------------- */

static int goes_first(const stepper *s, const request *a, const request *b)
{
    return s->limits->order != MS_ORDER_FCFS && ms_job_precedes(s->limits->order, &a->job, &b->job);
}

static void insert(stepper *s, request *r, int at)
{
    while (at > 0 && goes_first(s, r, s->queue[at - 1])) {
        at--;
    }
    while (s->limits->order != MS_ORDER_FCFS && at < s->waiting && goes_first(s, s->queue[at], r)) {
        at++;
    }
    memmove(s->queue + at + 1, s->queue + at, (size_t)(s->waiting++ - at) * sizeof *s->queue);
    s->queue[at] = r;
}

static request *take_out(request **list, int *length, int at)
{
    request *r = list[at];
    memmove(list + at, list + at + 1, (size_t)(--*length - at) * sizeof *list);
    return r;
}

static request *preempt(stepper *s, int at)
{
    request *r = take_out(s->batch, &s->running, at);
    release(s, r, r->cached, s->limits->schedule != MS_SCHEDULE_SGLANG);
    r->job.preemptions++;
    r->cached = r->chunk = 0;
    return r;
}

static void admit(stepper *s, int64_t budget, int64_t *used)
{
    const int64_t before = s->twice;
    request *r = take_out(s->queue, &s->waiting, 0);
    r->text = r->job.generated_tokens == 0 ? s->texts++ : r->text;
    r->cached = hit(s, r);
    use(s, r, present(s, r, whole(r), 0) * block_tokens(s));
    r->chunk = whole(r) - r->cached < budget ? whole(r) - r->cached : budget;
    *(isnan(r->job.start_s) ? &r->first_hit : &r->later_hits) += r->cached;
    r->job.start_s = isnan(r->job.start_s) ? s->t_s : r->job.start_s;
    s->batch[s->running++] = r;
    *used += blocks(s, r->cached + r->chunk) - (s->twice - before);
    make_room(s, *used);
    if (s->limits->schedule != MS_SCHEDULE_SGLANG) {
        use(s, r, r->cached + r->chunk);
    }
}

/* The prompt that an iteration has cut, which comes last; NULL if there is none. */
static request *partial(const stepper *s)
{
    request *last = s->running > 0 ? s->batch[s->running - 1] : NULL;
    return last != NULL && !decodes(last) ? last : NULL;
}

/* ---- vllm and tensorrt-llm ------------------------------------------------------------------------------------- */

static int fits(const stepper *s, int64_t budget, int64_t used)
{
    const request *head = s->queue[0];
    const int reserves = s->limits->kv_policy == MS_KV_RESERVE;
    const int64_t shared = present(s, head, whole(head), 1);
    if (s->limits->whole_prompts && (reserves || whole(head) <= s->limits->max_batched_tokens) &&
        whole(head) - hit(s, head) > budget) {
        return 0;
    }
    if (!reserves) {
        return used + blocks(s, whole(head)) - shared <= capacity(s);
    }
    int64_t reserved = blocks(s, head->job.prompt_tokens + max_new(s, head) - 1);
    for (int i = 0; i < s->running; i++) {
        reserved += blocks(s, s->batch[i]->job.prompt_tokens + max_new(s, s->batch[i]) - 1);
    }
    return reserved - s->twice - shared <= capacity(s);
}

static void plan_vllm(stepper *s)
{
    int preempted = 0;
    int64_t budget;
    for (;;) {
        budget = s->limits->max_batched_tokens - decoders(s);
        request *cut = partial(s);
        if (cut != NULL) {
            const int64_t left = whole(cut) - cut->cached;
            cut->chunk = left < budget ? left : budget;
            budget -= cut->chunk;
        }
        if (s->limits->kv_policy == MS_KV_RESERVE || held(s, 1) <= capacity(s)) {
            break;
        }
        int victim = s->running - 1;
        for (int i = s->running - 2; i >= 0; i--) {
            victim = goes_first(s, s->batch[victim], s->batch[i]) ? i : victim;
        }
        insert(s, preempt(s, victim), 0);
        preempted = 1;
    }
    int64_t used = held(s, 1);
    make_room(s, used);
    share(s, 1);
    while ((!preempted || s->running == 0) && budget > 0 && s->running < s->limits->max_num_seqs && s->waiting > 0 &&
           fits(s, budget, used)) {
        admit(s, budget, &used);
        budget -= s->batch[s->running - 1]->chunk;
        preempted = 0;
    }
}

/* ---- sglang ---------------------------------------------------------------------------------------------------- */

static int64_t clipped(int64_t tokens)
{
    return tokens < 4096 ? tokens : 4096;
}

static int takes_head(stepper *s, int64_t used)
{
    const request *head = s->queue[0];
    if (s->running == 0) {
        return 1;
    }
    if (s->running < s->limits->max_num_seqs) {
        int64_t decoding = 0, beginning = 0;
        for (int i = 0; i < s->running; i++) {
            const request *r = s->batch[i];
            *(decodes(r) ? &decoding : &beginning) += clipped(max_new(s, r) - (decodes(r) ? r->job.generated_tokens
                : 0));
        }
        const int64_t steps = s->clock - s->ratio_clock;
        const double fallen = s->ratio - (double)(steps > 0 ? steps : 0) * ((0.7 - 0.7 * 0.14) / 600.0);
        const double ratio = steps <= 0 ? s->ratio : fallen > 0.7 * 0.14 ? fallen : 0.7 * 0.14;
        const int64_t shared = present(s, head, whole(head), 1);
        const int64_t room = (capacity(s) - used + shared - 1) * block_tokens(s);
        const int64_t own = whole(head) + clipped(max_new(s, head) - head->job.generated_tokens);
        if (ratio * (double)decoding + (double)beginning < (double)(room - own) - 1e-9) {
            return 1;
        }
    }
    s->full = decoders(s) > 0;
    return 0;
}

static void retract(stepper *s)
{
    int retracted = 0;
    while (s->running > 1 && held(s, 1) > capacity(s)) {
        int worst = 0;
        for (int i = 1; i < s->running; i++) {
            const ms_job *a = &s->batch[i]->job, *b = &s->batch[worst]->job;
            const int less = a->generated_tokens < b->generated_tokens;
            const int equal = a->generated_tokens == b->generated_tokens;
            worst = less || (equal && a->prompt_tokens >= b->prompt_tokens) ? i : worst;
        }
        insert(s, preempt(s, worst), s->waiting);
        retracted = 1;
    }
    if (retracted) {
        int64_t generated = 0, allowed = 0;
        for (int i = 0; i < s->running; i++) {
            generated += s->batch[i]->job.generated_tokens;
            allowed += max_new(s, s->batch[i]);
        }
        const double ratio = (double)(generated + 20 * s->running) / (double)(allowed + 1);
        s->ratio = ratio < 1.0 ? ratio : 1.0;
        s->ratio_clock = s->clock + 1;
        s->full = 0;
    }
}

/* Returns whether decoders take part. */
static int plan_sglang(stepper *s)
{
    int64_t budget = s->limits->max_batched_tokens;
    request *cut = partial(s);
    s->full = s->full && decoders(s) > 0;
    if (cut != NULL) {
        const int64_t left = whole(cut) - cut->cached;
        cut->chunk = left < budget ? left : budget;
        budget -= cut->chunk;
    }
    int64_t used = held(s, 0);
    make_room(s, used);
    while (!s->full && budget > 0 && s->waiting > 0 && takes_head(s, used)) {
        admit(s, budget, &used);
        budget -= s->batch[s->running - 1]->chunk;
    }
    if (partial(s) != NULL) {
        return 0;
    }
    retract(s);
    make_room(s, held(s, 1));
    return 1;
}

/* ---- an iteration ---------------------------------------------------------------------------------------------- */

typedef struct load {
    int64_t prompt_tokens, decoders, context, prior;
} load;

static double seconds_of(const ms_coefficients *c, load x)
{
    double s = c->a0_s + c->c0_s_per_token * (double)(x.prompt_tokens + x.decoders);
    s += c->ab_s_per_sequence * (double)x.decoders + c->ak_s_per_token * (double)x.context;
    return s + (x.prompt_tokens > 0 ? c->a1_s + c->ac_s_per_token * (double)x.prior : 0.0);
}

static double joules_of(const ms_coefficients *c, load x)
{
    const double tau = seconds_of(c, x), free_j = c->p0_w * tau + c->e_j_per_token * (double)(x.prompt_tokens +
        x.decoders) +
                                               c->ek_j_per_token * (double)x.context;
    return free_j < c->p_cap_w * tau ? free_j : c->p_cap_w * tau;
}

/* Decoders pay what they would take alone, prompts what they add, by their tokens. */
static void iterate(stepper *s, int decoders_go_on)
{
    load all = {0}, alone = {0};
    for (int i = 0; i < s->running; i++) {
        const request *r = s->batch[i];
        if (decodes(r) && decoders_go_on) {
            all.decoders++;
            all.context += r->cached;
        } else if (!decodes(r)) {
            all.prompt_tokens += r->chunk;
            all.prior += r->cached;
        }
    }
    alone.decoders = all.decoders;
    alone.context = all.context;
    const double tau = seconds_of(s->coefficients, all), all_j = joules_of(s->coefficients, all);
    const double alone_j = all.decoders > 0 ? joules_of(s->coefficients, alone) : 0.0;
    s->before_s = s->t_s;
    s->t_s += tau;
    s->busy_s += tau;
    s->meter_j += all_j;
    s->clock += decoders_go_on && all.decoders > 0;
    s->since = all.prompt_tokens > 0 ? s->limits->recv_interval : s->since + 1;
    for (int i = 0; i < s->running; i++) {
        request *r = s->batch[i];
        if (!decodes(r)) {
            r->job.energy_j += (all_j - alone_j) * (double)r->chunk / (double)all.prompt_tokens;
        } else if (decoders_go_on) {
            r->job.energy_j += alone_j / (double)all.decoders;
        }
    }
    make_room(s, held(s, decoders_go_on));
    share(s, 1);
    for (int i = 0; i < s->running; i++) {
        request *r = s->batch[i];
        const int is_prompt = !decodes(r);
        if (!is_prompt && !decoders_go_on) {
            continue;
        }
        r->cached += is_prompt ? r->chunk : 1;
        if (is_prompt && r->cached < whole(r)) {
            continue;
        }
        r->chunk = 0;
        r->job.generated_tokens++;
        r->job.first_token_s = isnan(r->job.first_token_s) ? s->t_s : r->job.first_token_s;
        if (r->job.generated_tokens == r->job.output_tokens) {
            r->job.finish_s = s->t_s;
            r->is_over = 1;
        }
    }
}

static void leave(stepper *s, int at)
{
    request *r = take_out(s->batch, &s->running, at);
    release(s, r, r->cached, 1);
    r->is_over = 1;
}

/* Who is done, or is aborted by now, leaves: as they stand in the batch, but at this very instant one after the
 * other. */
static void clear(stepper *s)
{
    const int running = s->running;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < s->running;) {
            if (pass == 0 ? s->batch[i]->is_over : s->batch[i]->abort_s < s->t_s) {
                leave(s, i);
            } else {
                i++;
            }
        }
    }
    for (int k = 0; k < s->n; k++) {
        for (int i = 0; i < s->running; i++) {
            if (s->batch[i] == &s->all[k] && s->all[k].abort_s == s->t_s) {
                leave(s, i);
            }
        }
    }
    for (int i = s->waiting - 1; i >= 0; i--) {
        if (s->queue[i]->abort_s <= s->t_s) {
            take_out(s->queue, &s->waiting, i)->is_over = 1;
        }
    }
    s->full = s->full && running == s->running;
}

/* Who has come by t_s joins the queue. Who leaves before that was never here. */
static void welcome(stepper *s, double t_s)
{
    for (int i = 0; i < s->n; i++) {
        request *r = &s->all[i];
        if (!r->is_here && r->arrival_s <= t_s) {
            r->is_here = 1;
            if (r->abort_s > s->t_s) {
                insert(s, r, s->waiting);
            } else {
                r->is_over = 1;
            }
        }
    }
}

static double next_arrival_s(const stepper *s)
{
    double t_s = INFINITY;
    for (int i = 0; i < s->n; i++) {
        t_s = !s->all[i].is_here && s->all[i].arrival_s < t_s ? s->all[i].arrival_s : t_s;
    }
    return t_s;
}

static void step_all(stepper *s)
{
    const int is_sglang = s->limits->schedule == MS_SCHEDULE_SGLANG;
    s->t_s = s->before_s = s->polled_s = -1.0;
    for (;;) {
        if (s->since >= s->limits->recv_interval) { /* it looks for who comes */
            s->since = 0;
            s->polled_s = s->limits->lookahead ? s->before_s : s->t_s;
        }
        welcome(s, s->polled_s);
        clear(s);
        if (s->running == 0 && s->waiting == 0) { /* an empty iteration takes no time: it sees everybody */
            welcome(s, s->t_s);
            clear(s);
        }
        const int decoders_go_on = is_sglang ? plan_sglang(s) : 1;
        if (!is_sglang) {
            plan_vllm(s);
        }
        if (s->running == 0) {
            const double t_s = next_arrival_s(s);
            if (t_s == INFINITY) {
                return;
            }
            if (s->busy_s > 0.0) { /* it comes to rest */
                s->ratio = 0.7;
                s->ratio_clock = s->clock;
                s->full = 0;
            }
            s->t_s = s->before_s = t_s > s->t_s ? t_s : s->t_s;
            continue;
        }
        iterate(s, decoders_go_on);
    }
}

/* ---- the same by jumps ----------------------------------------------------------------------------------------- */

/* The next that comes, or leaves; NULL for nobody. */
static request *next_event(request *all, int n, const int *state, double *t_s, int *leaves)
{
    request *next = NULL;
    *t_s = INFINITY;
    for (int i = 0; i < n; i++) {
        const double when_s = state[i] == 0 ? all[i].arrival_s : state[i] == 1 ? all[i].abort_s : INFINITY;
        if (when_s < *t_s) {
            *t_s = when_s;
            *leaves = state[i];
            next = &all[i];
        }
    }
    return next;
}

static void jump_all(ms_replica *r, request *all, int n)
{
    int state[JOBS] = {0}; /* to come, here, gone */
    ms_queue done = {0};
    int is_due = 0; /* to start */
    double now_s = 0.0;
    for (;;) {
        double event_s;
        int leaves = 0;
        request *next = next_event(all, n, state, &event_s, &leaves);
        const double boundary_s = r->state == MS_RUNNING ? r->boundary_s : INFINITY;
        if (boundary_s <= event_s && boundary_s < INFINITY && !is_due) {
            now_s = boundary_s;
            CHECK(ms_replica_finish(r, &done) == 0);
            for (ms_job *job = ms_queue_pop(&done); job != NULL; job = ms_queue_pop(&done)) {
                state[job->request] = 2;
            }
            is_due = 1;
        } else if (next != NULL && (!is_due || event_s <= now_s)) {
            const int64_t i = next->job.request;
            now_s = event_s;
            if (!leaves) {
                state[i] = 1;
                is_due |= ms_replica_submit(r, &next->job, now_s) == MS_WAKE;
            } else {
                int left = 0;
                state[i] = 2;
                if (next->job.place != MS_NOWHERE) {
                    is_due |= ms_replica_abort(r, &next->job, now_s, &left) == MS_WAKE;
                }
            }
        } else if (is_due) {
            start(r, now_s);
            is_due = 0;
        } else {
            return;
        }
    }
}

/* ---- worlds ---------------------------------------------------------------------------------------------------- */

static ms_limits limits_of(lcg *chance)
{
    const int32_t seqs = (int32_t)lcg_between(chance, 1, 6), block = (int32_t)lcg_between(chance, 0, 4);
    ms_limits limits = {.max_num_seqs = seqs,
                        .max_batched_tokens = seqs + (int32_t)lcg_between(chance, 0, 16),
                        .kv_capacity_tokens = lcg_between(chance, 60, 100),
                        .kv_block_tokens = block,
                        .schedule = (int32_t)lcg_between(chance, 0, 2)};
    limits.recv_interval = 1;
    limits.prefix_cache = lcg_between(chance, 0, 3) == 0;
    if (lcg_between(chance, 0, 1)) {
        limits.max_new_tokens = (int32_t)lcg_between(chance, 1, 30);
    }
    if (limits.schedule == MS_SCHEDULE_TENSORRT_LLM) {
        limits.whole_prompts = 1;
        limits.max_batched_tokens += 24; /* every prompt fits */
        limits.kv_policy = lcg_between(chance, 0, 1) ? MS_KV_RESERVE : MS_KV_RECOMPUTE;
    } else if (limits.schedule == MS_SCHEDULE_VLLM) {
        limits.order = (int32_t)lcg_between(chance, MS_ORDER_FCFS, MS_ORDER_EDF);
        limits.kv_policy = lcg_between(chance, 0, 2) ? MS_KV_RECOMPUTE : MS_KV_RESERVE;
        limits.lookahead = (int32_t)lcg_between(chance, 0, 1);
    } else {
        limits.lookahead = (int32_t)lcg_between(chance, 0, 1);
        limits.recv_interval = limits.lookahead ? (int32_t)lcg_between(chance, 1, 6) : 1;
    }
    return limits;
}

/* A prompt may begin with node 0 or 1, and go on with one of two nodes of it, of which it may have a part. */
static void give_path(lcg *chance, request *r)
{
    const int32_t root = (int32_t)lcg_between(chance, 0, 1), prompt = r->job.prompt_tokens;
    const int32_t first = root == 0 ? 4 : 9, second = (int32_t)lcg_between(chance, first + 1, 20);
    r->path[0] = (ms_node_of_path){root, first < prompt ? first : prompt};
    r->path[1] = (ms_node_of_path){2 + 2 * root + lcg_between(chance, 0, 1), second < prompt ? second : prompt};
    r->job.path_length = (int32_t)lcg_between(chance, 0, first < prompt ? 2 : 1);
}

/* Times are multiples of `grain`. */
static int ask_at_random(lcg *chance, request *all, double grain)
{
    double t_s = 0.0;
    const int n = (int)lcg_between(chance, 5, JOBS);
    const int64_t gap = lcg_between(chance, 1, (int64_t)(20.0 / grain));
    for (int i = 0; i < n; i++) {
        ms_job job = ms_job_new(i, 0, (int32_t)lcg_between(chance, 1, 24), (int32_t)lcg_between(chance, 1, 30));
        job.priority = (int32_t)lcg_between(chance, 0, 2);
        t_s += lcg_between(chance, 0, 2) == 0 ? (double)lcg_between(chance, 0, gap) * grain : 0.0;
        job.arrival_s = t_s;
        job.deadline_s = t_s + (double)lcg_between(chance, 1, 40);
        all[i] = (request){.job = job, .arrival_s = t_s, .abort_s = INFINITY};
        give_path(chance, &all[i]);
        if (lcg_between(chance, 0, 5) == 0) {
            all[i].abort_s = t_s + (double)lcg_between(chance, 1, (int64_t)(25.0 / grain)) * grain;
        }
    }
    return n;
}

static int same_s(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void a_jump_is_as_many_steps(void)
{
    int64_t preemptions[3] = {0}, aborted = 0, wrong = 0, hits = 0, later_hits = 0, evicted = 0;
    for (uint64_t world = 0; world < WORLDS && wrong == 0; world++) {
        lcg chance = {world * 7919 + 1};
        static request stepped[JOBS], jumped[JOBS];
        const ms_limits limits = limits_of(&chance);
        const int n = ask_at_random(&chance, stepped, world / 2 % 2 ? 0x1p-4 : 0.5);
        memcpy(jumped, stepped, sizeof jumped);
        for (int i = 0; i < n; i++) {
            jumped[i].job.path = jumped[i].path;
        }
        memset(table, 0, sizeof table);
        const ms_coefficients *c = &kinds[world / 2 % 2];
        stepper s = {.coefficients = c, .limits = &limits, .all = stepped, .n = n};
        s.ratio = world % 2 ? 0.0 : 0.7; /* 0: all come in at first */
        ms_replica r;
        CHECK(ms_replica_init(&r, 0, c, &limits, NULL) == 0);
        CHECK(r.ratio == (limits.schedule == MS_SCHEDULE_SGLANG ? 0.7 : 0.0));
        r.ratio = s.ratio;
        step_all(&s);
        jump_all(&r, jumped, n);
        for (int i = 0; i < n && wrong == 0; i++) {
            const ms_job *a = &jumped[i].job, *b = &stepped[i].job;
            wrong += !CHECK(same_s(a->start_s, b->start_s) && same_s(a->first_token_s, b->first_token_s));
            wrong += !CHECK(same_s(a->finish_s, b->finish_s) && a->preemptions == b->preemptions);
            wrong += !CHECK_NEAR(a->energy_j, b->energy_j, 1e-9);
            wrong += !CHECK(a->cached_prompt_tokens == stepped[i].first_hit);
            wrong += !CHECK(a->cached_recompute_tokens == stepped[i].later_hits);
            preemptions[limits.schedule] += a->preemptions;
            aborted += isnan(a->finish_s);
            hits += a->cached_prompt_tokens;
            later_hits += a->cached_recompute_tokens;
        }
        wrong += !CHECK_NEAR(ms_replica_meter_j(&r, s.t_s), s.meter_j, 1e-9);
        wrong += !CHECK_NEAR(ms_replica_busy_s(&r, s.t_s), s.busy_s, 1e-9);
        CHECK(r.sequences.running == 0 && r.queue->length == 0 && r.sequences.reserved_blocks == 0);
        if (wrong) {
            fprintf(stderr, "world %d: schedule %d order %d reserve %d lookahead %d interval %d cache %d\n", (int)world,
                    limits.schedule, limits.order, limits.kv_policy, limits.lookahead, limits.recv_interval,
                    limits.prefix_cache);
        }
        evicted += r.sequences.cache.evicted;
        CHECK(s.texts < TEXTS);
        ms_replica_free(&r);
    }
    CHECK(hits > 5 * WORLDS && later_hits > 2 * WORLDS && evicted > 20 * WORLDS);
    CHECK(preemptions[MS_SCHEDULE_VLLM] > WORLDS && preemptions[MS_SCHEDULE_SGLANG] > 50 && aborted > WORLDS);
}

int main(void)
{
    RUN(a_jump_is_as_many_steps);
    return report();
}
