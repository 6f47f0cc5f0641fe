/* bench_load.c - `hadal bench load`: options, and one run for each number of users. */
#include "base/json.h"
#include "cli/bench.h"
#include "cli/load.h"

#include <signal.h>
#include <string.h>

static enum status read_extra(const char *text, json_t **extra) {
    if (!text) return STATUS_OK;
    TRY(json_parse(text, strlen(text), "--extra", extra));
    return json_is_object(*extra) ? STATUS_OK : fail(STATUS_USAGE, "--extra: must be an object of JSON");
}

static enum status read_plan(const struct option_values *values, struct load_plan *plan) {
    *plan = (struct load_plan){.model = option_text(values, "model-name"),
                               .chat = !strcmp(option_text(values, "endpoint"), "chat"),
                               .rate = option_real(values, "rate"),
                               .requests = option_int(values, "requests"),
                               .seconds = option_real(values, "duration"),
                               .prompt_tokens = option_int(values, "prompt-tokens"),
                               .tokens = option_int(values, "tokens"),
                               .turn_tokens = option_int(values, "turn-tokens"),
                               .turns = (int)option_int(values, "turns"),
                               .shared_share = option_real(values, "shared-share"),
                               .think_seconds = option_real(values, "think-time"),
                               .timeout = option_real(values, "timeout"),
                               .first_limit = option_real(values, "ttft-limit"),
                               .between_limit = option_real(values, "tpot-limit"),
                               .seed = (uint64_t)option_int(values, "seed")};
    plan->target.key = option_text(values, "api-key");
    plan->target.unverified = option_flag(values, "insecure");
    plan->target.authorities = option_text(values, "tls-ca");
    if (plan->target.key && strpbrk(plan->target.key, "\r\n"))
        return fail(STATUS_USAGE, "--api-key: a key has no line ends");
    if (plan->tokens < 1 || plan->prompt_tokens < 1)
        return fail(STATUS_USAGE, "--tokens and --prompt-tokens: at least one of each is asked for");
    if (!plan->requests) plan->requests = plan->seconds > 0 ? INT64_MAX / 2 : 64;
    if (plan->requests < plan->turns)
        return fail(STATUS_USAGE, "--requests %lld: fewer than the %d turns of a conversation",
                    (long long)plan->requests, plan->turns);
    TRY(read_extra(option_text(values, "extra"), &plan->extra));
    return load_target_from(&plan->target, option_text(values, "url"));
}

static enum status measure(const struct load_plan *plan, bool json) {
    struct load_result result;
    enum status status = load_run(plan, &result);
    if (status == STATUS_OK) status = load_report(plan, &result, json);
    if (status == STATUS_OK && result.interrupted) status = fail(STATUS_CANCELLED, "interrupted");
    load_result_free(&result);
    return status;
}

enum status bench_load(const struct option_values *values) {
    struct load_plan plan;
    char name[256];
    const int64_t *users;
    const int runs = option_real(values, "rate") > 0 ? 1 : option_ints(values, "users", &users);
    signal(SIGPIPE, SIG_IGN);
    enum status status = read_plan(values, &plan);
    if (status == STATUS_OK) status = load_prepare(&plan, name, sizeof name);
    for (int i = 0; i < runs && status == STATUS_OK; i++) {
        if (plan.rate <= 0) plan.users = (int)users[i];
        status = measure(&plan, option_flag(values, "json"));
        plan.seed++; /* a run must not find the prompts of the one before */
    }
    json_decref(plan.extra);
    return status;
}
