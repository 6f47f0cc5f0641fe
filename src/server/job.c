/* job.c - starting a job, hearing from the engine, and ending it. */
#include "server/job.h"

#include "base/clock.h"
#include "server/api.h"
#include "server/endpoints.h"
#include "server/job_form.h"
#include "server/job_prompt.h"
#include "server/job_search.h"
#include "server/search/search.h"
#include "text/json_print.h"
#include "text/tool_calls.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_ALIVE_SECONDS 10.0

/* ---- names ---- */

void job_make_id(char id[JOB_ID_BYTES]) {
    unsigned char b[16];
    randombytes_buf(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(id, JOB_ID_BYTES, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

const char *job_finish_reason(const struct job_answer *answer) {
    if (job_ends_in_calls(answer)) return "tool_calls";
    if (answer->finish == FINISH_STOP) return "stop";
    if (answer->finish == FINISH_LENGTH) return "length";
    return "insufficient_system_resource";
}

void job_write_text(struct buffer *out, const char *text, size_t bytes) {
    json_print_text(out, text ? text : "", text ? bytes : 0);
}

void job_write_usage(const struct job *job, struct buffer *out) {
    const struct service_usage *usage = &job->usage;
    buffer_printf(out,
                  "{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d,"
                  "\"prompt_tokens_details\":{\"cached_tokens\":%d},\"prompt_cache_hit_tokens\":%d,"
                  "\"prompt_cache_miss_tokens\":%d",
                  usage->prompt_tokens, usage->generated_tokens,
                  usage->prompt_tokens + usage->generated_tokens, usage->cache.hit_tokens,
                  usage->cache.hit_tokens, usage->prompt_tokens - usage->cache.hit_tokens);
    if (job->wire->splits_reasoning && (usage->reasoning_tokens > 0 || job->thinking))
        buffer_printf(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":%d}",
                      usage->reasoning_tokens);
    if (job->sources)
        buffer_printf(out, ",\"server_tool_use\":{\"web_search_requests\":%d,\"web_fetch_requests\":%d}",
                      job->searches, job->fetches);
    buffer_append_char(out, '}');
}

/* ---- the end ---- */

static void free_job(struct job *job) {
    for (int i = 0; job->answer && i < job->order.choices; i++) {
        job_free_calls(&job->answer[i]);
        buffer_free(&job->answer[i].item);
        buffer_free(&job->answer[i].items);
        for (int kind = 0; kind < TEXT_KINDS; kind++) {
            buffer_free(&job->answer[i].text[kind]);
            buffer_free(&job->answer[i].logprobs[kind]);
        }
    }
    job_mask_close(job->mask);
    json_decref(job->sources);
    json_decref(job->query);
    free(job->answer);
    buffer_free(&job->body);
    buffer_free(&job->sentence);
    free(job->last);
    buffer_free(&job->out);
    order_free(&job->order);
    free(job);
}

static void unlink_job(struct job *job) {
    if (job->previous)
        job->previous->next = job->next;
    else
        job->api->first = job->next;
    if (job->next) job->next->previous = job->previous;
    job->api->jobs--;
}

static void client_gone(void *context) {
    struct job *job = context;
    job->exchange = NULL;
    atomic_store(&job->abandoned, true);
    if (job->accepted) service_cancel(job->api->service, job->number);
}

/* What was written goes out. A client that does not read loses its answer, not the server its memory. */
static void send_out(struct job *job) {
    if (job->exchange && job->out.bytes > 0 &&
        (job->out.failed || !http_stream_write(job->exchange, job->out.data, job->out.bytes))) {
        http_stream_abort(job->exchange);
        client_gone(job);
    }
    buffer_clear(&job->out);
    job->last_sent = clock_seconds();
}

static void begin_stream(struct job *job) {
    const bool events = job->order.stream;
    if (job->streaming || !job->exchange) return;
    if (events) http_header_add(job->exchange, "Cache-Control", "no-cache");
    http_stream_begin(job->exchange, 200, events ? "text/event-stream; charset=utf-8" : "application/json");
    job->streaming = true;
}

void job_keep_alive(struct job *job, double now) {
    if (!job->exchange || !job->accepted || now - job->last_sent < KEEP_ALIVE_SECONDS) return;
    begin_stream(job);
    buffer_append_text(&job->out, job->order.stream ? job->wire->keep_alive : "\n");
    send_out(job);
}

/* ---- what the engine says ---- */

static void keep_text(void *context, enum text_kind kind, const char *text, size_t bytes) {
    struct job_answer *answer = context;
    if (kind == TEXT_ANSWER) {
        job_hear_answer(answer, text, bytes);
        return;
    }
    buffer_append(&answer->text[kind], text, bytes);
    answer->reasoned = true;
}

static void hear_piece(struct job *job, const struct mail *mail) {
    struct job_answer *answer = &job->answer[mail->choice_index];
    const enum text_kind kind =
        job->wire->splits_reasoning && answer->splitter.thinking ? TEXT_REASONING : TEXT_ANSWER;
    if (!job->first_token) job->first_token = clock_seconds();
    if (!job->exchange) return; /* nobody reads it; the engine may be gone, too */
    if (mail->has_choice) answer->tokens++;
    if (mail->has_choice && job->order.sampling.logprobs >= 0)
        job->wire->add_logprob(job, answer, kind, &mail->choice);
    if (job->wire->splits_reasoning)
        reasoning_split(&answer->splitter, mail->text, mail->bytes, keep_text, answer);
    else
        buffer_append(&answer->text[TEXT_ANSWER], mail->text, mail->bytes);
    if (!job->order.stream || !job->exchange) return;
    begin_stream(job);
    job->wire->write_piece(job, mail->choice_index, &job->out);
    if (job->out.bytes) send_out(job);
}

static void hear_choice_end(struct job *job, const struct mail *mail) {
    struct job_answer *answer = &job->answer[mail->choice_index];
    answer->finish = mail->finish;
    answer->stop = mail->stop;
    answer->ended = true;
    /* it ended because nothing more could come, or not in time: that is no end of the answer's own */
    if (answer->finish == FINISH_STOP && job->mask && job_mask_was_cut(job->mask, mail->choice_index))
        answer->finish = FINISH_DEADLINE;
    if (job->wire->splits_reasoning) reasoning_split_finish(&answer->splitter, keep_text, answer);
    job_end_answer(answer, job->order.stream);
    if (!job->order.stream || !job->exchange) return;
    begin_stream(job);
    job->wire->write_piece(job, mail->choice_index, &job->out);
    send_out(job);
}

/* The last chunk of each answer needs usage, which is known at the end. */
static void finish_stream(struct job *job) {
    for (int i = 0; i < job->order.choices; i++) {
        job->answers_ended++;
        job->wire->write_end(job, i, &job->out);
    }
    job->wire->write_done(job, &job->out);
    begin_stream(job);
    send_out(job);
    if (job->exchange) http_stream_end(job->exchange);
}

static void finish_whole(struct job *job) {
    job->wire->write_whole(job, &job->out);
    if (job->streaming) {
        send_out(job);
        if (job->exchange) http_stream_end(job->exchange);
    } else if (job->out.failed) {
        api_reply_error(job->exchange, job->wire->refuse, 500, "the answer does not fit into memory");
    } else {
        http_reply(job->exchange, 200, "application/json", job->out.data, job->out.bytes);
    }
}

/* Before the head of the answer an error can still be said as one. */
static void fail_exchange(struct job *job, enum status status, const char *sentence) {
    if (!job->streaming) {
        api_reply_error(job->exchange, job->wire->refuse, status_http(status), sentence);
        return;
    }
    if (job->order.stream)
        finish_stream(job);
    else
        finish_whole(job);
}

static void count_end(struct job *job) {
    struct api_counts *counts = &job->api->counts;
    const double now = clock_seconds();
    for (int i = 0; i < job->order.choices; i++) counts->finished[job->answer[i].finish]++;
    histogram_add(&counts->whole, now - job->arrival);
    if (job->first_token) histogram_add(&counts->first_token, job->first_token - job->arrival);
    if (job->usage.generated_tokens > 1)
        histogram_add(&counts->between_tokens, (now - job->first_token) / (job->usage.generated_tokens - 1));
    if (!job->first_token) return;
    histogram_add(&counts->prefill, job->usage.prefill_seconds);
    histogram_add(&counts->decode, job->usage.decode_seconds);
    histogram_add_tokens(&counts->prompt_tokens, job->usage.prompt_tokens);
    histogram_add_tokens(&counts->generated_tokens, job->usage.generated_tokens);
}

static void hear_end(struct job *job, const struct mail *mail) {
    job->usage = mail->usage;
    job->last = NULL; /* it is this mail */
    count_end(job);
    billing_end(job, mail->status, mail->text);
    struct http_exchange *exchange = job->exchange;
    if (exchange) http_on_gone(exchange, NULL, NULL);
    if (exchange && mail->status != STATUS_OK)
        fail_exchange(job, mail->status, mail->text);
    else if (exchange && !job->started && !job->streaming)
        fail_exchange(job, STATUS_UNAVAILABLE,
                      "the request has waited for too long: the server is overloaded");
    else if (exchange && job->order.stream)
        finish_stream(job);
    else if (exchange)
        finish_whole(job);
    unlink_job(job);
    free_job(job);
}

/* The client may have left before there was a number to cancel, and so may the service, when the server ends. */
static void hear_queued(struct job *job, const struct mail *mail) {
    job->accepted = true;
    job->number = mail->request;
    job->api->counts.requests++;
    if (!job->exchange && job->api->service) service_cancel(job->api->service, job->number);
}

void job_hear(struct job *job, const struct mail *mail) {
    switch (mail->kind) {
    case SERVICE_QUEUED: hear_queued(job, mail); break;
    case SERVICE_STARTED:
        job->usage = mail->usage;
        job->started = true;
        histogram_add(&job->api->counts.queue, mail->usage.queue_seconds);
        break;
    case SERVICE_PREFILL: break;
    case SERVICE_PIECE: hear_piece(job, mail); break;
    case SERVICE_CHOICE_END: hear_choice_end(job, mail); break;
    case SERVICE_END: hear_end(job, mail); break;
    }
}

/* ---- the beginning ---- */

/* On the engine's thread. */
static void listen(void *context, const struct service_event *event) {
    struct job *job = context;
    if (event->kind == SERVICE_PREFILL) return;
    billing_count(job, event);
    if (!mailbox_push(job->api->mailbox, job, event, job->last))
        service_cancel(job->api->service, event->request);
}

static enum status check_room(const struct order *order, const struct engine *engine, size_t prompt_tokens) {
    const int64_t wanted = order->max_tokens > 0 ? order->max_tokens : 1, tokens = (int64_t)prompt_tokens;
    if (tokens + wanted <= engine->context) return STATUS_OK;
    return fail(
        STATUS_INPUT,
        "This model's maximum context length is %lld tokens. However, you requested %lld tokens (%lld in "
        "the messages, %lld in the completion). Please reduce the length of the messages or completion.",
        (long long)engine->context, (long long)(tokens + wanted), (long long)tokens, (long long)wanted);
}

/* What the dialect has where a request says nothing, as far as there is room. */
static void settle_length(struct job *job, const struct engine *engine, size_t prompt_tokens) {
    const struct dialect *dialect = job->api->dialect;
    const int64_t own = job->api->answer_tokens;
    const int64_t usual = own > 0 ? own : job->thinking ? dialect->thinking_tokens : dialect->answer_tokens;
    job->room = engine->context - (int64_t)prompt_tokens;
    if (job->order.max_tokens < 0 && usual > 0) job->order.max_tokens = usual;
    if (job->order.max_tokens > job->room) job->order.max_tokens = job->room;
}

/* Reasoning leaves a quarter of what there may be to the answer, unless the request says how long it may be. A model
 * without the token that ends it does not reason. */
static int64_t thinking_budget(const struct job *job, int32_t end_id) {
    const struct order *order = &job->order;
    const int64_t budget = order->thinking_budget >= 0 ? order->thinking_budget : job->api->thinking_budget,
                  all = order->max_tokens > 0 ? order->max_tokens : job->room, most = all - (all + 3) / 4;
    if (end_id < 0) return -1;
    return budget < 0 || budget > most ? most : budget;
}

static struct service_request request_of(struct job *job, const struct token_list *prompt) {
    const struct order *order = &job->order;
    const struct engine *engine = service_engine(job->api->service);
    const int32_t end_id = tokenizer_find(engine->tokenizer, "</think>");
    return (struct service_request){
        .prompt = prompt->id,
        .prompt_tokens = (int)prompt->count,
        .chat = !order->prompt,
        .account = job->account,
        .priority = api_keys_priority(&job->api->keys, job->account),
        .deadline = job->api->request_seconds > 0 ? job->arrival + job->api->request_seconds : 0,
        .reply = {.sampling = order->sampling,
                  .max_tokens = order->max_tokens,
                  .stop = order->stop,
                  .stops = order->stops,
                  .show_special = job->tools != TOOL_FORMAT_NONE,
                  .hide_end = true,
                  .ignore_end = order->ignore_end && !job->mask,
                  .reasoning = {.counted = job->wire->splits_reasoning,
                                .thinking = job->thinking,
                                .begin_id = tokenizer_find(engine->tokenizer, "<think>"),
                                .end_id = end_id,
                                .tokens = thinking_budget(job, end_id)}},
        .choices = order->choices,
        .start_deadline = job->api->queue_seconds > 0 ? job->arrival + job->api->queue_seconds : 0,
        .listener = listen,
        .context = job};
}

/* The prompt and what the answers may be. */
static enum status prepare(struct job *job, const char *isolation, struct token_list *prompt,
                           struct buffer *opening) {
    const struct api_model *model = &job->api->model;
    const struct order *order = &job->order;
    struct prompt_source source = {job->api->service, isolation, model->template, model->bos, NULL};
    const struct engine *engine = service_engine(job->api->service);
    const enum thinking wanted = chat_thinking_wanted(model->template, order->thinking);
    struct grammar *call = NULL;
    if (json_array_size(order->chat.tools) && order->tool_choice != TOOLS_NONE)
        job->tools = chat_template_tool_format(model->template);
    if (order->tool_choice == TOOLS_REQUIRED)
        TRY(tool_calls_force(order->chat.tools, order->tool_name, job->tools, opening, &call));
    if (call) buffer_append_char(opening, 0);
    enum status status = buffer_check(opening, "tool_choice");
    if (call) source.opening = opening->data;
    if (status == STATUS_OK) status = job_prompt(order, &source, prompt, &job->thinking);
    if (status == STATUS_OK) status = check_room(order, engine, prompt->count);
    if (status == STATUS_OK) {
        settle_length(job, engine, prompt->count);
        /* a call that must come has no reasoning before it, which is said so that it can come back */
        job->reasons = job->thinking || (call && chat_template_thinks(model->template, wanted));
        return job_constrain(job, call);
    }
    grammar_close(call);
    return status;
}

/* An answer that goes on behind words, or follows a form, does not begin as the template's answers do. */
static bool begins_spaced(const struct job *job) {
    const struct chat *chat = &job->order.chat;
    const struct message *last = chat->messages ? &chat->message[chat->messages - 1] : NULL;
    if (job->order.prompt || job->mask || !chat_template_spaces(job->api->model.template)) return false;
    return !(last && last->role == ROLE_ASSISTANT && last->prefix && last->content && *last->content);
}

static void begin_answers(struct job *job, const struct buffer *opening) {
    const bool spaced = begins_spaced(job);
    for (int i = 0; i < job->order.choices; i++) {
        struct job_answer *answer = &job->answer[i];
        answer->splitter.thinking = job->thinking;
        answer->splitter.spaced = spaced;
        answer->parser.format = job->tools;
        if (opening->bytes) job_hear_answer(answer, opening->data, opening->bytes - 1);
    }
}

/* What only the prompt needed: a request that waits is small. */
static void forget_request(struct job *job) {
    struct order *order = &job->order;
    chat_free(&order->chat);
    if (job->wire->reads_body) return;
    json_decref(order->root);
    order->root = NULL;
    order->form = NULL;
}

/* The account and, where it names one, its user: "account\nuser". */
static enum status submit(struct job *job) {
    struct token_list prompt = {0};
    struct buffer isolation = {0}, opening = {0};
    uint64_t number;
    buffer_printf(&isolation, "%s\n%s", job->account, job->order.user ? job->order.user : "");
    enum status status = buffer_check(&isolation, "user_id");
    if (status == STATUS_OK) status = prepare(job, isolation.data, &prompt, &opening);
    if (status == STATUS_OK) status = billing_reserve(job, (int64_t)prompt.count);
    if (status == STATUS_OK) {
        begin_answers(job, &opening);
        struct service_request request = request_of(job, &prompt);
        request.isolation = isolation.data;
        if (job->mask) request.reply.mask = job_mask_hooks(job->mask);
        forget_request(job);
        status = service_submit(job->api->service, &request, &number);
        if (status != STATUS_OK) billing_release(job);
    }
    buffer_free(&opening);
    buffer_free(&isolation);
    token_list_free(&prompt);
    return status;
}

/* What the body asks for. */
static enum status read_order(struct job *job) {
    const struct api *api = job->api;
    TRY(job->parse(&job->order, job->body.data ? job->body.data : "", job->body.bytes, api->dialect));
    TRY(endpoint_check(api, job->wire, &job->order));
    if (!job->order.seed_given) randombytes_buf(&job->order.sampling.seed, sizeof job->order.sampling.seed);
    job->answer = calloc((size_t)job->order.choices, sizeof *job->answer);
    if (!job->answer) return fail(STATUS_MEMORY, "out of memory for the request");
    buffer_free(&job->body);
    return STATUS_OK;
}

static bool keep_refusal(struct job *job, enum status status) {
    buffer_append_text(&job->sentence, status_message());
    job->refusal = status;
    return true;
}

static void refused(void *context);

/* On a thread of the search's desk: requests to the model do not wait behind slow pages. */
static bool search_and_submit(void *context) {
    struct job *job = context;
    enum status status =
        atomic_load(&job->abandoned) ? fail(STATUS_CANCELLED, "the client has left") : job_search(job);
    if (status == STATUS_OK) status = submit(job);
    return status == STATUS_OK ? false : keep_refusal(job, status);
}

/* On the network's thread, behind work(). */
static void begin_search(void *context) {
    struct job *job = context;
    const struct search *search = job->api->search;
    job->task = (struct desk_task){
        .work = search_and_submit, .done = refused, .context = job, .bytes = job->task.bytes};
    if (desk_submit(search->desk, &job->task)) return;
    buffer_append_text(&job->sentence, "too many searches are being made");
    job->refusal = STATUS_UNAVAILABLE;
    refused(job);
}

/* Clients of the other interfaces declare a search by habit: there it is left out where there is none. */
static enum status check_served(struct job *job) {
    if (!job->order.served || (job->api->search && job->api->search->desk)) return STATUS_OK;
    job->order.served = 0;
    if (job->wire != &chat_wire) return STATUS_OK;
    return fail(STATUS_INPUT, "tools: this server searches nothing: it was started without --search");
}

/* On a thread of the desk. A job that was submitted is not touched any more: the engine's mail may have ended it. */
static bool work(void *context) {
    struct job *job = context;
    enum status status =
        atomic_load(&job->abandoned) ? fail(STATUS_CANCELLED, "the client has left") : read_order(job);
    if (status == STATUS_OK) status = check_served(job);
    if (status == STATUS_OK && job->order.served) {
        job->task.done = begin_search;
        return true;
    }
    if (status == STATUS_OK) status = submit(job);
    return status == STATUS_OK ? false : keep_refusal(job, status);
}

static void refused(void *context) {
    struct job *job = context;
    const char *sentence = job->sentence.data ? job->sentence.data : "";
    job->api->counts.refused++;
    api_log_job(job->api, job, job->refusal, sentence);
    if (job->exchange) {
        http_on_gone(job->exchange, NULL, NULL);
        api_reply_failure(job->exchange, job->wire->refuse, job->refusal, sentence);
    }
    unlink_job(job);
    free_job(job);
}

static struct job *make_job(struct api *api, struct http_exchange *exchange, const struct wire *wire,
                            order_parser *parse, const char *account) {
    struct job *job = calloc(1, sizeof *job);
    if (!job) return NULL;
    *job = (struct job){.api = api, .exchange = exchange, .wire = wire, .parse = parse};
    job->last = mail_reserve();
    if (!job->last) {
        free(job);
        return NULL;
    }
    snprintf(job->account, sizeof job->account, "%s", account);
    if (api->caller)
        job->billing = (struct billing){.account = api->caller->account, .key = api->caller->key};
    job_make_id(job->id);
    job->created = time(NULL);
    job->arrival = job->last_sent = clock_seconds();
    job->body = http_request_take_body(exchange);
    job->task = (struct desk_task){.work = work, .done = refused, .context = job, .bytes = job->body.bytes};
    return job;
}

void job_start(struct api *api, struct http_exchange *exchange, const struct wire *wire, order_parser *parse,
               const char *account) {
    struct job *job = make_job(api, exchange, wire, parse, account);
    if (!job) {
        api_reply_error(exchange, wire->refuse, 503, "out of memory for the request");
        return;
    }
    http_header_add(exchange, "X-Request-Id", job->id);
    http_request_forget(exchange);
    http_on_gone(exchange, client_gone, job);
    job->next = api->first;
    if (api->first) api->first->previous = job;
    api->first = job;
    api->jobs++;
    if (desk_submit(api->desk, &job->task)) return;
    buffer_append_text(&job->sentence, "too many large requests are being read");
    job->refusal = STATUS_UNAVAILABLE;
    refused(job);
}
