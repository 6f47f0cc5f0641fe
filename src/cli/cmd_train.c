/* cmd_train.c - `hadal train`: options to a run of training, and what is shown of pretraining and tuning: a line now and then
 * on standard output, the progress on standard error. Reinforcement learning is in train_grpo.c. */
#include "base/memory.h"
#include "base/thread_pool.h"
#include "cli/answer_options.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/ranks.h"
#include "cli/train.h"
#include "kernel/kernel.h"

#include <stdio.h>
#include <string.h>

enum { CONFIG_LIMIT = 1 << 20, MICRO_TOKENS = 2048 };

/* ---- what is shown ---- */

struct screen {
    struct progress progress;
    char what[60];
    int64_t text_bytes, begun, every;
};

static bool show_reading(void *context, int64_t bytes) {
    struct screen *screen = context;
    screen->text_bytes += bytes;
    progress_update(&screen->progress, screen->text_bytes);
    return !interrupt_seen();
}

static void show_beginning(void *context, const struct pretrain_report *report, int64_t data_tokens) {
    struct screen *screen = context;
    progress_finish(&screen->progress);
    screen->begun = report->step;
    printf("%lld tokens of text; ", (long long)data_tokens);
    if (report->step)
        printf("going on after step %lld\n", (long long)report->step);
    else
        printf("%lld steps\n", (long long)report->steps);
    fflush(stdout);
    progress_start(&screen->progress, screen->what, 0, "tokens");
}

static void print_step(const struct pretrain_report *report) {
    printf("step %lld  loss %.4f", (long long)report->step, report->loss);
    if (report->mtp_loss > 0) printf("  mtp %.4f", report->mtp_loss);
    printf("  rate %.3g  gradient %.3g", report->rate, report->norm);
    if (report->load_most > 0) printf("  busiest expert %.2fx", report->load_most);
    if (report->step < report->steps) printf("  %.2f h left", report->seconds_left / 3600);
    printf("  %.3f TFLOP/s  %.0f tokens/s%s\n", report->flops_per_second * 1e-12, report->tokens_per_second,
           report->skipped ? "  (left out: a spike)" : "");
    fflush(stdout);
}

static bool show_step(void *context, const struct pretrain_report *report) {
    struct screen *screen = context;
    int64_t each = report->tokens / report->step;
    bool last = report->step == report->steps;
    snprintf(screen->what, sizeof screen->what, "step %lld, loss %.3f", (long long)report->step,
             report->loss);
    screen->progress.total = (report->steps - screen->begun) * each;
    if (last || report->skipped || report->step % screen->every == 0) {
        progress_finish(&screen->progress);
        print_step(report);
    }
    progress_update(&screen->progress, (report->step - screen->begun) * each);
    return !interrupt_seen();
}

static void show_validation(void *context, int64_t step, double loss) {
    struct screen *screen = context;
    progress_finish(&screen->progress);
    printf("step %lld  loss of the validation texts %.4f\n", (long long)step, loss);
    fflush(stdout);
}

static void show_saved(void *context, int64_t step) {
    (void)context;
    (void)step;
}

/* Of the other ranks: what is shown the first shows. */

static bool pass_reading(void *context, int64_t bytes) {
    (void)context, (void)bytes;
    return !interrupt_seen();
}

static void pass_beginning(void *context, const struct pretrain_report *report, int64_t data_tokens) {
    (void)context, (void)report, (void)data_tokens;
}

static bool pass_step(void *context, const struct pretrain_report *report) {
    (void)context, (void)report;
    return !interrupt_seen();
}

static void pass_validation(void *context, int64_t step, double loss) {
    (void)context, (void)step, (void)loss;
}

/* ---- options ---- */

static enum status read_shape(const struct option_values *values, struct pretrain_options *options,
                              json_t **config) {
    const char *like = option_text(values, "like"), *file = option_text(values, "config");
    char path[4096];
    if (!like && !file && options->init) {
        snprintf(path, sizeof path, "%s/config.json", options->init);
        options->origin = options->init;
        return json_read_file(path, CONFIG_LIMIT, config);
    }
    if (!like == !file) return fail(STATUS_USAGE, "one of --like NAME and --config FILE says which shape");
    options->origin = like ? like : file;
    if (file) return json_read_file(file, CONFIG_LIMIT, config);
    const char *text = model_preset_config(like);
    if (text) return json_parse(text, strlen(text), like, config);
    return fail(STATUS_USAGE, "--like: '%.40s' is not known; `hadal synth --help` lists the names", like);
}

static void read_schedule(const struct option_values *values, struct pretrain_options *options) {
    const char *kind = option_text(values, "schedule");
    double peak = option_real(values, "lr");
    int64_t steps = options->steps;
    options->schedule = (struct schedule){
        .kind = !strcmp(kind, "wsd")      ? SCHEDULE_WSD
                : !strcmp(kind, "cosine") ? SCHEDULE_COSINE
                                          : SCHEDULE_CONSTANT,
        .peak = peak,
        .floor = option_given(values, "lr-floor") ? option_real(values, "lr-floor") : peak / 10,
        .warmup = option_given(values, "warmup") ? option_int(values, "warmup") : steps / 100,
        .steps = steps,
        .decay = option_given(values, "decay-steps") ? option_int(values, "decay-steps") : steps / 5};
    options->mtp = (struct schedule_switch){option_real(values, "mtp-weight"),
                                            option_real(values, "mtp-weight-late"), 2.0 / 3};
    options->bias = (struct schedule_switch){option_real(values, "bias-rate"), 0, 29.0 / 30};
}

static void read_sizes(const struct option_values *values, struct pretrain_options *options) {
    enum cpu_level level;
    MUST(cpu_level_from_name(option_text(values, "cpu"), &level)); /* the table allows no other */
    options->trainer = (struct trainer_options){.threads = (int)option_int(values, "threads"),
                                                .cpu_level_cap = (int)level,
                                                .strict = option_flag(values, "strict"),
                                                .fp8 = option_flag(values, "fp8"),
                                                .recompute = option_flag(values, "recompute")};
    if (options->comm->ranks > 1 && !options->trainer.threads)
        options->trainer.threads = ranks_threads(options->comm);
    options->sequence_rows = (int)option_int(values, "sequence");
    options->batch_sequences = (int)option_int(values, "batch");
    options->micro_sequences = (int)option_int(values, "micro-batch");
    if (!options->micro_sequences) options->micro_sequences = MICRO_TOKENS / options->sequence_rows;
    if (options->micro_sequences < 1) options->micro_sequences = 1;
    if (options->micro_sequences > options->batch_sequences)
        options->micro_sequences = options->batch_sequences;
}

static void read_optimizer(const struct option_values *values, struct pretrain_options *options) {
    bool muon = !strcmp(option_text(values, "optimizer"), "muon");
    options->optimizer = optimizer_defaults(muon ? OPTIMIZER_MUON : OPTIMIZER_ADAMW);
    options->optimizer.decay = option_real(values, "weight-decay");
    options->optimizer.clip = option_real(values, "clip");
    options->balance = option_real(values, "balance");
    options->spike = option_real(values, "spike");
    options->deviation = option_real(values, "deviation");
    options->seed = (uint64_t)option_int(values, "seed");
}

/* The template of --template, else of the model that is begun with, else of the tokenizer's directory. Pretraining does without
 * when its texts are texts. */
static enum status read_form(const struct option_values *values, bool needed, struct train_sources *source,
                             struct pretrain_options *options) {
    const char *from = options->init ? options->init : options->tokenizer;
    source->form.plain = option_flag(values, "plain");
    options->dialogue = &source->form;
    if (source->form.plain) return STATUS_OK;
    bool found = from && checkpoint_open(&source->checkpoint, from, 0) == STATUS_OK;
    enum status status = STATUS_UNSUPPORTED;
    if (found || option_text(values, "template"))
        status = render_options_from(values, found ? &source->checkpoint : NULL, &source->arena,
                                     &source->form.render);
    if (status == STATUS_OK) return STATUS_OK;
    options->dialogue = NULL;
    return needed ? fail(STATUS_USAGE, "--template NAME says how conversations become text, or --plain that "
                                       "prompt and completion are laid one behind the other")
                  : STATUS_OK;
}

void train_sources_close(struct train_sources *source) {
    checkpoint_close(&source->checkpoint);
    adapter_config_free(&source->adapter);
    arena_free(&source->arena);
}

static enum status read_kind(const struct option_values *values, enum training *kind) {
    static const char *const names[] = {[TRAINING_PRETRAIN] = "pretrain",
                                        [TRAINING_SFT] = "sft",
                                        [TRAINING_GRPO] = "grpo",
                                        [TRAINING_DISTILL] = "distill"};
    const char *const *what;
    int count = option_positionals(values, &what);
    for (size_t i = 0; count == 1 && i < COUNT_OF(names); i++) {
        *kind = (enum training)i;
        if (!strcmp(what[0], names[i])) return STATUS_OK;
    }
    return fail(STATUS_USAGE, "say which training: hadal train pretrain, sft, grpo, distill ...");
}

/* Rank, scale and targets: of the options, or of the adapter that is begun with. */
static enum status read_adapters(const struct option_values *values, struct train_sources *source,
                                 struct pretrain_options *options) {
    struct adapter_options *lora = &options->trainer.lora;
    options->adapter = option_text(values, "adapter");
    lora->rank = (int)option_int(values, "lora");
    lora->alpha = option_given(values, "lora-alpha") ? option_real(values, "lora-alpha") : 2 * lora->rank;
    lora->targets = option_texts(values, "lora-target", &lora->target);
    if (lora->rank && !options->init) return fail(STATUS_USAGE, "--lora: --init MODEL says what is adapted");
    if (!lora->rank && !options->adapter && (lora->targets || option_given(values, "lora-alpha")))
        return fail(STATUS_USAGE, "--lora RANK says how large adapters are");
    if (!options->adapter) return STATUS_OK;
    if (lora->rank || lora->targets || option_given(values, "lora-alpha"))
        return fail(STATUS_USAGE,
                    "--adapter: the directory says rank, scale and matrices, no other option does");
    TRY(adapter_config_read(&source->adapter, options->adapter));
    *lora = source->adapter.options;
    return STATUS_OK;
}

enum status train_options_read(const struct option_values *values, enum training kind,
                               struct pretrain_options *options, struct train_sources *source,
                               json_t **config) {
    bool tuned = kind != TRAINING_PRETRAIN;
    options->init = option_text(values, "init");
    options->tokenizer = option_text(values, "tokenizer");
    options->datas = option_texts(values, "data", &options->data);
    options->valids = option_texts(values, "valid", &options->valid);
    options->run = option_text(values, "output");
    options->resume = !strcmp(option_text(values, "resume"), "auto");
    options->steps = option_int(values, "steps");
    options->save_every = option_int(values, "save-every");
    options->valid_every = option_int(values, "valid-every");
    options->keep = (int)option_int(values, "keep");
    options->middle_rate = option_real(values, "fim-rate");
    options->keep_best = option_flag(values, "keep-best");
    options->packing = tuned ? PACK_WHOLE : option_flag(values, "cross-texts") ? PACK_CROSS : PACK_CUT;
    if (!options->tokenizer) options->tokenizer = options->init;
    if (tuned && !options->init) return fail(STATUS_USAGE, "--init MODEL says what is tuned");
    TRY(read_form(values, tuned, source, options));
    read_sizes(values, options);
    TRY(read_adapters(values, source, options));
    read_optimizer(values, options);
    read_schedule(values, options);
    TRY(read_shape(values, options, config));
    options->config = *config;
    return STATUS_OK;
}

/* ---- the command ---- */

/* Half of what a processor's float units can do at best is a fair guess of the speed. */
static double seconds_of(const struct pretrain_options *options, double flops) {
    double threads = options->trainer.threads ? options->trainer.threads : processors_available();
    enum cpu_level level = cpu_level_available();
    if ((int)level > options->trainer.cpu_level_cap) level = (enum cpu_level)options->trainer.cpu_level_cap;
    double each = level >= CPU_AVX512 ? 50e9 : level >= CPU_AVX2 ? 25e9 : 1e9;
    return flops / (threads * each * options->comm->ranks);
}

void train_print_time(const struct pretrain_options *options, double flops, const char *words) {
    double seconds = seconds_of(options, flops);
    printf("time               about ");
    if (seconds < 3600)
        printf("%.1f minutes", seconds / 60);
    else
        printf("%.1f hours", seconds / 3600);
    printf(" on %s%s\n", options->comm->ranks > 1 ? "machines like this one" : "this machine", words);
}

static void print_moments(const struct pretrain_options *options, const struct pretrain_plan *plan) {
    char least[32], most[32];
    if (options->comm->ranks == 1) return;
    printf("of it moments      %s to %s, shared by %d ranks\n", bytes_text(plan->moments_least, least),
           bytes_text(plan->moments_most, most), options->comm->ranks);
}

static enum status print_plan(const struct pretrain_options *options) {
    struct pretrain_plan plan;
    char memory[32], available[32];
    TRY(pretrain_plan(options, &plan));
    printf("parameters         %lld, %lld of them active for a token, and %lld for multi-token prediction\n",
           (long long)plan.parameters.total, (long long)plan.parameters.active,
           (long long)plan.parameters.mtp);
    if (options->trainer.lora.rank)
        printf("learnt             %lld in adapters of rank %d\n", (long long)plan.adapters,
               options->trainer.lora.rank);
    printf("memory             %s of %s%s\n", bytes_text(plan.memory, memory),
           bytes_text(plan.available, available), options->comm->ranks > 1 ? ", each rank" : "");
    print_moments(options, &plan);
    printf("tokens             %lld\n", (long long)plan.tokens);
    printf("operations         %.3g for a token, %.3g for the run\n", plan.flops_per_token, plan.flops);
    train_print_time(options, plan.flops, "");
    return STATUS_OK;
}

static enum status pretrain(struct pretrain_options *options, int64_t log_every) {
    struct screen screen = {.every = log_every};
    struct pretrain_listener listener = {&screen,   show_reading,    show_beginning,
                                         show_step, show_validation, show_saved};
    struct pretrain_listener silent = {NULL,      pass_reading,    pass_beginning,
                                       pass_step, pass_validation, show_saved};
    bool first = options->comm->rank == 0;
    if (!options->tokenizer) return fail(STATUS_USAGE, "--tokenizer PATH says how texts are cut");
    if (!options->datas) return fail(STATUS_USAGE, "--data PATH says what to learn from");
    if (!options->run) return fail(STATUS_USAGE, "-o RUN says where the run goes");
    options->listener = first ? &listener : &silent;
    interrupt_catch();
    if (first) progress_start(&screen.progress, "reading texts", 0, "bytes");
    enum status status = pretrain_run(options);
    if (first) progress_finish(&screen.progress);
    return status;
}

static enum status run(const struct option_values *values, enum training kind,
                       struct pretrain_options *options) {
    if (kind >= TRAINING_GRPO) return train_grpo(values, kind == TRAINING_DISTILL, options);
    if (!option_flag(values, "dry-run")) return pretrain(options, option_int(values, "log-every"));
    return options->comm->rank ? STATUS_OK : print_plan(options);
}

static enum status train_model(const struct option_values *values, struct comm *comm) {
    json_t *config = NULL;
    struct pretrain_options options = {.comm = comm};
    struct train_sources source = {0};
    enum training kind = TRAINING_PRETRAIN;
    TRY(read_kind(values, &kind));
    enum status status = train_options_read(values, kind, &options, &source, &config);
    if (status == STATUS_OK) status = run(values, kind, &options);
    train_sources_close(&source);
    json_decref(config);
    return status;
}

/* What one process does by itself. */
typedef enum status lone_job(const struct option_values *values);

static const struct {
    const char *name;
    lone_job *run;
} lone_jobs[] = {{"tokenizer", train_tokenizer}, {"plot", train_plot}, {"merge", train_merge}};

/* NULL: it is none of these. */
static lone_job *find_lone_job(const struct option_values *values, const char *word) {
    for (size_t i = 0; word && i < COUNT_OF(lone_jobs); i++)
        if (!strcmp(word, lone_jobs[i].name)) return lone_jobs[i].run;
    return option_flag(values, "selftest") ? train_selftest : NULL;
}

static enum status do_job(const struct option_values *values, struct comm *comm) {
    const char *const *what;
    const char *word = option_positionals(values, &what) >= 1 ? what[0] : NULL;
    lone_job *job = find_lone_job(values, word);
    if (job && comm->ranks > 1)
        return fail(STATUS_USAGE,
                    "only pretrain, sft, grpo, distill and sample are shared by several processes");
    if (job) return job(values);
    if (word && !strcmp(word, "sample")) return train_sample(values, comm);
    return train_model(values, comm);
}

enum status command_train(const struct option_values *values) {
    struct comm comm;
    enum status status = ranks_open(&comm);
    if (status == STATUS_OK) status = do_job(values, &comm);
    return ranks_close(&comm, status);
}
