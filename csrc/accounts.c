#include "accounts.h"

#include "view.h"

static void change(ms_fleet *fleet, ms_job *job, int32_t replica, int64_t prefill_tokens, int64_t held_tokens)
{
    fleet->prefill_tokens[replica] += prefill_tokens - job->charged_prefill_tokens;
    fleet->held_tokens[replica] += held_tokens - job->charged_held_tokens;
    job->charged_prefill_tokens = prefill_tokens;
    job->charged_held_tokens = held_tokens;
    ms_view_show_account(fleet, replica);
}

void ms_accounts_charge(ms_fleet *fleet, ms_job *job, int32_t replica, int64_t prefill_tokens)
{
    const int64_t block = ms_pool_of(fleet, replica)->plan.limits.kv_block_tokens;
    const int64_t tokens = job->prompt_tokens, held = block > 1 ? (tokens + block - 1) / block * block : tokens;
    job->charged_to = replica;
    change(fleet, job, replica, prefill_tokens, held);
}

void ms_accounts_release(ms_fleet *fleet, ms_job *job)
{
    if (job->charged_held_tokens > 0) {
        change(fleet, job, job->charged_to, 0, 0);
    }
    if (job->is_promised) {
        job->is_promised = 0;
        fleet->promised[job->destination]--;
        ms_view_note_load(fleet, job->destination);
    }
}

void ms_accounts_settle(ms_fleet *fleet, int32_t replica, double t_s)
{
    const ms_sequences *sequences = &fleet->replica[replica].sequences;
    if (fleet->prefill_tokens[replica] == 0) {
        return;
    }
    for (int32_t i = sequences->running - 1; i >= 0; i--) { /* those who came last come first */
        ms_job *job = sequences->jobs[i];
        if (job->charged_prefill_tokens > 0 && job->first_token_s <= t_s) {
            change(fleet, job, replica, 0, job->charged_held_tokens);
        } else if (job->first_token_s < t_s && job->preemptions == 0) {
            break;
        }
    }
}
