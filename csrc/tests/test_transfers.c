#include "loops.h"

#include "transfers.h"

/* Whose replicas prefill and decode; the other model's do both. */
static int32_t split_model;

/* KV crosses in 0.25 s and 0.25 s a token, at 1e8 bytes each. */
static ms_run_config with_link(ms_run_config config)
{
    config.transfer_latency_s = 0.25;
    config.transfer_bytes_per_s = 4e8;
    return config;
}

/* A pool that prefills for another. */
static ms_pool_plan prefilling(int32_t model, int32_t replicas)
{
    ms_pool_plan plan = pool_of(model, replicas);
    plan.limits.role = MS_ROLE_PREFILL;
    plan.kv_bytes_per_token = 1e8;
    return plan;
}

/* One replica prefills, `decoders` decode; another model has one that nobody asks. A prompt of 4 tokens crosses in
 * 0.25 + 1 s. */
static void make_split(ms_run *loop, ms_run_config config, int32_t decoders, int decode_first)
{
    ms_pool_plan plans[] = {prefilling(split_model, 1), pool_of(split_model, decoders), pool_of(1 - split_model, 1)};
    config = with_link(config);
    plans[1].limits.role = MS_ROLE_DECODE;
    plans[1].usd_per_s = 0.03;
    config.keeps_delays = 1;
    const ms_dispatch_plan dispatch = {.rule = MS_LEAST_LOADED, .decode_first = decode_first};
    CHECK(ms_run_init(loop, &config, alphas, 1.0, 0, 3, plans, &dispatch, streams) == 0);
    loop->instances.brain[0].policy = lists;
}

/* Prefilled by 1 s, there at 2.25 s, where its last token is computed again for the second of the answer. */
static void a_request_crosses_from_one_replica_to_another(void)
{
    for (int usd = 0; usd < 2; usd++) {
        ms_run loop;
        ms_run_config config = plain;
        config.in_usd = usd;
        ask(1, 1.0, 4, 3);
        make_split(&loop, config, 1, 0);
        begin(&loop);
        run_until(&loop, 2.0);
        /* under way it is the first's */
        CHECK(loop.fleet.pool[0].unfinished == 1 && loop.fleet.pool[1].unfinished == 0);
        CHECK(loop.fleet.replica[0].sequences.set_aside == 4 && loop.fleet.replica[1].sequences.set_aside == 5);
        run_until(&loop, 2.5);
        CHECK(loop.fleet.pool[0].unfinished == 0 && loop.fleet.pool[1].unfinished == 1);
        end(&loop);
        const sheet *s = &sheets[0];
        CHECK(s->status[0] == MS_COMPLETED && s->replica[0] == 1);
        CHECK(s->start[0] == 0.0 && s->first_token[0] == 1.0 && s->finish[0] == 4.25);
        CHECK(s->energy[0] == 6.0 + 2.0 * 3.0);
        CHECK_NEAR(s->cost[0], usd ? 1.0 * 0.01 + 2.0 * 0.03 : 12.0, 1e-12);
        CHECK(loop.transfers == 1 && loop.transfer_bytes == 4e8 && loop.transfer_s == 1.25 &&
              loop.transfer_wait_s == 0.0);
        ms_run_free(&loop);
    }
}

/* The prefill's end, the transfer's and the other's: who prefills goes on with the next. */
static void a_transfer_waits_for_a_place(void)
{
    ms_run loop;
    ask(3, 0.0, 4, 4);
    make_split(&loop, plain, 1, 0);
    loop.fleet.replica[1].sequences.limits.max_num_seqs = 2;
    begin(&loop);
    end(&loop);
    const sheet *s = &sheets[0];
    CHECK(s->first_token[0] == 1.0 && s->first_token[2] == 1.0); /* all three in one iteration: 12 tokens of 16 */
    CHECK(s->finish[0] == 5.25 && s->finish[1] == 5.25);
    CHECK(s->finish[2] == 5.25 + 1.25 + 3.0); /* a place is free at 5.25 s */
    CHECK(loop.transfers == 3 && loop.transfer_wait_s == 4.25 && loop.transfer_s == 3.75);
    ms_run_free(&loop);
}

/* Memory of 10: the second prompt of 6 waits until the first has crossed, in 0.25 + 1.5 s. */
static void what_is_kept_for_another_holds_memory(void)
{
    ms_run loop;
    ask(2, 0.25, 6, 2);
    make_split(&loop, plain, 1, 0);
    loop.fleet.replica[0].sequences.capacity_blocks = 10;
    begin(&loop);
    end(&loop);
    CHECK(sheets[0].start[0] == 0.0 && sheets[0].start[1] == 2.75 && sheets[0].finish[0] == 3.75);
    ms_run_free(&loop);
}

/* Whoever fails while a request crosses, it begins again from its prompt: the first at 5 s, the other at once, to
 * wait for a decoder that is up at 5 s. */
static void a_failure_amid_a_transfer_begins_again(void)
{
    const double finish_s[] = {5.0 + 1.0 + 1.25 + 2.0, 5.0 + 1.25 + 2.0};
    for (int32_t who = 0; who < 2; who++) {
        ms_run loop;
        ask(1, 1.0, 4, 3);
        make_split(&loop, plain, 1, 0);
        break_down(&loop, who, 2.0, 3.0);
        begin(&loop);
        run_until(&loop, 2.0);
        CHECK(loop.fleet.replica[1].kept_places == 0 && loop.fleet.replica[1].incoming.length == 0);
        CHECK(loop.fleet.kept[0] == NULL && loop.fleet.pool[0].unfinished == 1 && loop.fleet.pool[1].unfinished == 0);
        end(&loop);
        CHECK(sheets[0].first_token[0] == 1.0 && sheets[0].finish[0] == finish_s[who] && sheets[0].preemptions[0] == 0);
        CHECK(sheets[0].energy[0] == 6.0 + 6.0 + 2.0 * 3.0); /* the prompt is computed twice */
        CHECK(loop.transfers == 2);
        ms_run_free(&loop);
    }
}

/* Held, it is lost with the replica that prefilled it; it may not be handed over twice. */
static void a_failure_takes_what_is_held_or_waits(void)
{
    for (int k = 0; k < 4; k++) {
        ms_run loop;
        const int up = k % 2;
        ask(2, 0.25, 4, 3);
        split_model = k / 2;
        plans_are(split_model, split_model, split_model, split_model);
        make_split(&loop, plain, 1, 0);
        loop.fleet.replica[1].sequences.limits.max_num_seqs = 1; /* the second waits there */
        CHECK(ms_run_plan_breakdowns(&loop, up ? 1 : 2) == 0);
        loop.breakdowns[0] = (ms_breakdown){.replica = 0, .time_s = 2.125, .for_s = 1.0};
        if (!up) { /* both are held */
            loop.breakdowns[1] = (ms_breakdown){.replica = 1, .time_s = 0.5, .for_s = 5.0};
        }
        begin(&loop);
        run_until(&loop, 2.0);
        CHECK(loop.fleet.servers[MODELS + split_model].held.length == (up ? 0 : 2));
        CHECK(loop.fleet.replica[1].own_queue.length == (up ? 1 : 0));
        run_until(&loop, 3.0);
        CHECK(loop.fleet.servers[MODELS + split_model].held.length == 0 && loop.fleet.replica[1].own_queue.length == 0);
        CHECK(loop.fleet.servers[split_model].held.length == 2 && loop.fleet.pool[0].unfinished == 2);
        end(&loop);
        const double ready_s = up ? 4.125 : 5.5; /* both prefilled again by 4.125 s */
        CHECK(sheets[0].finish[0] == ready_s + 1.25 + 2.0 && sheets[0].finish[1] == ready_s + 2.0 * 3.25);
        ms_run_free(&loop);
    }
    split_model = 0;
}

/* Given up while it is prefilled, while it crosses, or while it decodes: nothing is left of it anywhere. */
static void who_gives_up_amid_a_transfer_leaves_at_its_end(void)
{
    const double patience_s[] = {0.5, 1.5, 2.5}, over_s[] = {1.0, 2.25, 3.25}, energy_j[] = {6.0, 6.0, 9.0};
    for (int k = 0; k < 3; k++) {
        ms_run loop;
        ms_run_config config = plain;
        config.patience = (ms_patience){.wait = seconds(patience_s[k]), .aborts = 1};
        ask(1, 1.0, 4, 3);
        make_split(&loop, config, 1, 0);
        begin(&loop);
        end(&loop);
        CHECK(sheets[0].status[0] == MS_TIMED_OUT && loop.now_s == over_s[k] && sheets[0].energy[0] == energy_j[k]);
        ms_run_free(&loop);
    }
}

/* Chosen before the prefill, where it decodes counts as a request from then on: the second goes elsewhere. */
static void a_decoder_may_be_chosen_first(void)
{
    for (int first = 0; first < 2; first++) {
        ms_run loop;
        ask(2, 0.5, 4, 3);
        make_split(&loop, plain, 2, first);
        begin(&loop);
        run_until(&loop, 0.75);
        CHECK(loop.fleet.promised[1] == first && loop.fleet.promised[2] == first);
        CHECK(ms_view_unfinished(&loop.fleet, 1) == first);
        run_until(&loop, 1.5);
        CHECK(loop.fleet.promised[1] == 0 && loop.fleet.promised[2] == first);
        end(&loop);
        CHECK(sheets[0].replica[0] == 1 && sheets[0].replica[1] == 2);
        CHECK(sheets[0].finish[0] == 4.25 && sheets[0].finish[1] == 5.25);
        ms_run_free(&loop);
    }
}

/* Who decodes may be the first of all replicas. */
static void the_first_replica_may_decode(void)
{
    for (int first = 0; first < 2; first++) {
        ms_run loop;
        const ms_run_config config = with_link(plain);
        ms_pool_plan plans[] = {pool_of(0, 2), prefilling(0, 1), pool_of(1, 1)};
        const ms_dispatch_plan dispatch = {.rule = MS_LEAST_LOADED, .decode_first = first};
        plans[0].limits.role = MS_ROLE_DECODE;
        ask(1, 1.0, 4, 3);
        CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 3, plans, &dispatch, streams) == 0);
        loop.instances.brain[0].policy = lists;
        begin(&loop);
        run_until(&loop, 0.75);
        CHECK(loop.fleet.promised[0] == first);
        end(&loop);
        CHECK(sheets[0].status[0] == MS_COMPLETED && sheets[0].replica[0] == 0);
        CHECK(sheets[0].first_token[0] == 1.0 && sheets[0].finish[0] == 4.25);
        ms_run_free(&loop);
    }
}

/* Pools are not numbered as replicas are: the first that decodes is the fourth of three pools. */
static void who_has_crossed_counts_in_the_pool_that_decodes(void)
{
    ms_run loop;
    const ms_run_config config = with_link(plain);
    ms_pool_plan plans[] = {pool_of(1, 1), prefilling(0, 2), pool_of(0, 2)};
    plans[2].limits.role = MS_ROLE_DECODE;
    ask(1, 1.0, 4, 3);
    CHECK(ms_run_init(&loop, &config, alphas, 1.0, 0, 3, plans, &(ms_dispatch_plan){.rule = MS_LEAST_LOADED}, streams) == 0);
    loop.instances.brain[0].policy = lists;
    begin(&loop);
    run_until(&loop, 2.0);
    CHECK(loop.fleet.pool[1].unfinished == 1 && loop.fleet.pool[2].unfinished == 0);
    run_until(&loop, 3.0);
    CHECK(loop.fleet.pool[1].unfinished == 0 && loop.fleet.pool[2].unfinished == 1);
    end(&loop);
    CHECK(sheets[0].status[0] == MS_COMPLETED && loop.fleet.pool[2].unfinished == 0);
    ms_run_free(&loop);
}

/* It fails before the prefill is done: another is chosen. */
static void a_decoder_that_fails_is_replaced(void)
{
    ms_run loop;
    ask(1, 0.5, 4, 3);
    make_split(&loop, plain, 2, 1);
    break_down(&loop, 1, 0.5, 50.0);
    begin(&loop);
    end(&loop);
    CHECK(sheets[0].replica[0] == 2 && sheets[0].finish[0] == 4.25);
    ms_run_free(&loop);
}

/* The decoder fails while the first crosses: its memory where it was prefilled is free at that moment for both. */
static void a_decoders_failure_lets_memory_go(void)
{
    ms_run loop;
    ask(2, 0.25, 6, 2);
    make_split(&loop, plain, 1, 0);
    loop.fleet.replica[0].sequences.capacity_blocks = 10;
    break_down(&loop, 1, 2.0, 10.0);
    begin(&loop);
    end(&loop);
    CHECK(sheets[0].start[0] == 0.0 && sheets[0].start[1] == 2.0 && sheets[0].first_token[1] == 3.0);
    CHECK(sheets[0].finish[1] == 12.0 + 0.25 + 1.5 + 1.0); /* held until the decoder is up again */
    ms_run_free(&loop);
}

/* Six that cross at once are there at one instant, in the order of requests. */
static void who_crosses_at_once_arrives_in_order(void)
{
    ms_run loop;
    ask(6, 0.0, 2, 3);
    make_split(&loop, plain, 1, 0);
    for (int i = 0; i < 2; i++) {
        loop.fleet.replica[i].sequences.limits.max_num_seqs = 6;
    }
    begin(&loop);
    run_until(&loop, 2.0);
    const ms_sequences *there = &loop.fleet.replica[1].sequences;
    CHECK(there->running == 6);
    for (int i = 0; i < there->running; i++) {
        CHECK(there->jobs[i]->request == i);
    }
    end(&loop);
    ms_run_free(&loop);
}

/* The second has arrived amid an iteration as the decoder fails at 5 s: its prompt is computed again, too, all of
 * it. */
static void who_has_arrived_begins_again_from_its_prompt(void)
{
    ms_run loop;
    ask(2, 1.5, 4, 20);
    make_split(&loop, plain, 1, 0);
    break_down(&loop, 1, 5.0, 3.0);
    begin(&loop);
    run_until(&loop, 4.75);
    CHECK(loop.fleet.replica[1].arrived.length == 1 && loop.fleet.replica[1].sequences.running == 1);
    run_until(&loop, 5.0);
    const ms_sequences *again = &loop.fleet.replica[0].sequences;
    CHECK(again->running == 2 && again->chunk[0] == 4 && again->chunk[1] == 4);
    CHECK(loop.fleet.replica[1].arrived.length == 0 && loop.fleet.replica[1].kept_places == 0);
    end(&loop);
    CHECK(sheets[0].first_token[0] == 1.0 && sheets[0].first_token[1] == 2.5);
    ms_run_free(&loop);
}

/* While no decoder is up none is promised: one is chosen after the prefill. */
static void nobody_is_promised_while_none_is_up(void)
{
    ms_run loop;
    ask(1, 1.0, 4, 3);
    sheets[0].arrival_in[0] = 1.0;
    make_split(&loop, plain, 1, 1);
    break_down(&loop, 1, 0.5, 1.0);
    begin(&loop);
    run_until(&loop, 1.25);
    const ms_job *job = loop.newest->jobs;
    CHECK(job->destination == -1 && !job->is_promised && loop.fleet.promised[1] == 0);
    end(&loop);
    CHECK(sheets[0].finish[0] == 2.0 + 1.25 + 2.0);
    ms_run_free(&loop);
}

/* Two prompts of 4 and one of 2 are prefilled by 1 s; their 4e8, 4e8 and 2e8 bytes share the link of where they come
 * from or that of all, at a third of 4e8 bytes/s each until the small one is over at 2.5 s. To decoders of their own
 * the first and third cross beside the second. */
static void transfers_share_their_links(void)
{
    const double first_s[] = {2.0, 3.5, 2.5, 3.5}, second_s[] = {2.0, 3.5, 2.0, 3.5}, third_s[] = {1.5, 2.5, 2.0, 2.5};
    for (int32_t links = MS_LINK_EACH; links <= MS_LINK_CLUSTER; links++) {
        ms_run loop;
        ms_run_config config = plain;
        config.transfer_links = links;
        ask(3, 0.0, 4, 3);
        sheets[0].prompt[2] = 2;
        make_split(&loop, config, 2, 0);
        begin(&loop);
        end(&loop);
        const double ends_s[] = {first_s[links], second_s[links], third_s[links]};
        CHECK(sheets[0].replica[0] == 1 && sheets[0].replica[1] == 2 && sheets[0].replica[2] == 1);
        for (int i = 1; i < 3; i++) { /* the first comes amid an iteration where the third decodes */
            CHECK(sheets[0].finish[i] == ends_s[i] + 0.25 + 2.0);
        }
        CHECK_NEAR(loop.transfer_s, ends_s[0] + ends_s[1] + ends_s[2] - 3.0 + 3.0 * 0.25, 1e-9);
        ms_run_free(&loop);
    }
}

/* The decoder of the first fails at 2 s, when half of both has crossed: the second has the link for itself. */
static void a_transfer_that_ends_early_leaves_its_link(void)
{
    ms_run loop;
    ms_run_config config = plain;
    config.transfer_links = MS_LINK_CLUSTER;
    config.lose_on_failure = 1;
    ask(2, 0.0, 4, 3);
    make_split(&loop, config, 2, 0);
    break_down(&loop, 1, 2.0, 50.0);
    begin(&loop);
    end(&loop);
    CHECK(sheets[0].status[0] == MS_LOST && sheets[0].status[1] == MS_COMPLETED);
    CHECK(sheets[0].finish[1] == 2.5 + 0.25 + 2.0);
    ms_run_free(&loop);
}

/* The replica that prefilled both fails at 2 s, when half of them has crossed: both begin again, and their links are free. */
static void what_is_lost_amid_a_transfer_leaves_its_link(void)
{
    for (int32_t links = MS_LINK_PREFILL; links <= MS_LINK_CLUSTER; links++) {
        ms_run loop;
        ms_run_config config = plain;
        config.transfer_links = links;
        ask(2, 0.0, 4, 3);
        make_split(&loop, config, 2, 0);
        break_down(&loop, 0, 1.5, 2.5);
        begin(&loop);
        run_until(&loop, 1.5);
        CHECK(loop.transfers == 2 && loop.fleet.replica[1].kept_places == 0 && loop.fleet.replica[2].kept_places == 0);
        CHECK(loop.fleet.replica[1].sequences.set_aside == 0 && loop.transferred == 0);
        const ms_queue *held = &loop.fleet.servers[0].held;
        CHECK(held->length == 2 && !held->head->is_on_link && !held->tail->is_on_link);
        end(&loop);
        const double crosses_s = links == MS_LINK_DECODE ? 1.0 : 2.0; /* from 5 s on */
        for (int i = 0; i < 2; i++) {
            CHECK(sheets[0].status[i] == MS_COMPLETED && sheets[0].finish[i] == 5.0 + crosses_s + 0.25 + 2.0);
        }
        CHECK(loop.transfers == 4 && loop.transferred == 2);
        ms_run_free(&loop);
    }
}

/* It goes where it was promised to, however crowded that is by then. */
static void a_promise_is_kept(void)
{
    ms_run loop;
    ask(1, 1.0, 4, 3);
    make_split(&loop, plain, 2, 1);
    begin(&loop);
    run_until(&loop, 0.5);
    const ms_job *job = loop.oldest->jobs;
    CHECK(loop.fleet.promised[1] == 1 && job->destination == 1);
    loop.fleet.promised[1] += 5;
    run_until(&loop, 2.0);
    CHECK(job->destination == -1); /* where it goes when that fails is chosen anew */
    CHECK(loop.fleet.replica[1].sequences.set_aside == 5 && loop.fleet.replica[2].sequences.set_aside == 0);
    loop.fleet.promised[1] -= 5;
    end(&loop);
    CHECK(sheets[0].replica[0] == 1);
    ms_run_free(&loop);
}

/* What a prompt of 8 left in the caches of both sides, and its answer on the other, is used by nobody at the end: 2 blocks of 4,
 * and one more. While it crosses both use the prompt's; what was on a replica that fails is forgotten. */
static void caches_of_both_sides_are_let_go(void)
{
    for (int fails = 0; fails < 3; fails++) { /* nobody; who prefilled; who is to decode */
        ms_run loop;
        ms_pool_plan plans[3] = {pool_of(0, 1), pool_of(0, 1)};
        ask(1, 1.0, 8, 5);
        for (int p = 0; p < 2; p++) {
            plans[p].limits.role = MS_ROLE_PREFILL + p;
            plans[p].limits.prefix_cache = 1;
            plans[p].limits.kv_block_tokens = 4;
            plans[p].kv_bytes_per_token = 1.0;
        }
        ms_run_config config = plain;
        config.transfer_latency_s = 2.0;
        config.transfer_bytes_per_s = 1e9;
        serve(&loop, &config, 2, plans, MS_LEAST_LOADED);
        if (fails > 0) {
            break_down(&loop, fails - 1, 2.0, 1.0);
        }
        begin(&loop);
        run_until(&loop, 1.5);
        const ms_job *job = loop.oldest->jobs;
        const ms_cache *caches[] = {&loop.fleet.replica[0].sequences.cache, &loop.fleet.replica[1].sequences.cache};
        CHECK(job->holds != NULL && job->holds_there != NULL && caches[0]->cached == 0 && caches[1]->cached == 0);
        run_until(&loop, fails > 0 ? 2.0 : 4.0);
        CHECK((job->holds == NULL) == (fails == 1) && job->holds_there == NULL);
        CHECK(caches[0]->cached == (fails == 0 ? 2 : 0));
        end(&loop);
        CHECK(sheets[0].status[0] == MS_COMPLETED && caches[0]->cached == 2 && caches[1]->cached == 3);
        ms_run_free(&loop);
    }
}

/* A transfer comes by where it goes, then by request and attempt; the next end on a link by the link, behind these. */
static void transfers_have_an_order(void)
{
    for (int is_shared = 0; is_shared < 2; is_shared++) {
        ms_run loop;
        ms_run_config config = plain;
        config.transfer_links = is_shared ? MS_LINK_DECODE : MS_LINK_EACH;
        ask_eighth(0);
        make_split(&loop, config, 1, 0);
        break_down(&loop, 1, 9.125, 1.0); /* while it crosses for the first time */
        begin(&loop);
        if (is_shared) {
            CHECK(is_due_as(&loop, MS_DO_LINK, ms_order(MS_ENDS, 1), 3));
        }
        CHECK(is_due_as(&loop, MS_DO_TRANSFERRED, ms_order(MS_ENDS, 1), ((uint64_t)9 << 24) + (uint64_t)is_shared));
        end(&loop);
        ms_run_free(&loop);
    }
}

int main(void)
{
    RUN(a_request_crosses_from_one_replica_to_another);
    RUN(a_transfer_waits_for_a_place);
    RUN(what_is_kept_for_another_holds_memory);
    RUN(a_failure_amid_a_transfer_begins_again);
    RUN(a_failure_takes_what_is_held_or_waits);
    RUN(who_gives_up_amid_a_transfer_leaves_at_its_end);
    RUN(a_decoder_may_be_chosen_first);
    RUN(the_first_replica_may_decode);
    RUN(who_has_crossed_counts_in_the_pool_that_decodes);
    RUN(a_decoder_that_fails_is_replaced);
    RUN(a_decoders_failure_lets_memory_go);
    RUN(who_crosses_at_once_arrives_in_order);
    RUN(who_has_arrived_begins_again_from_its_prompt);
    RUN(nobody_is_promised_while_none_is_up);
    RUN(transfers_share_their_links);
    RUN(a_transfer_that_ends_early_leaves_its_link);
    RUN(what_is_lost_amid_a_transfer_leaves_its_link);
    RUN(a_promise_is_kept);
    RUN(caches_of_both_sides_are_let_go);
    RUN(transfers_have_an_order);
    return report();
}
