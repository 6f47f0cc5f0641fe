/* api_log.c - one line of JSON for each request: who, how much, how long, how it ended. Never the text. */
#include "server/api.h"

#include "base/clock.h"
#include "text/json_print.h"

#include <string.h>

static void put_text(struct buffer *out, const char *name, const char *text) {
    buffer_printf(out, ",\"%s\":", name);
    json_print_text(out, text, strlen(text));
}

static void put_time(struct buffer *out) {
    char text[32];
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    buffer_printf(out, "{\"time\":\"%s.%03ldZ\"", text, now.tv_nsec / 1000000);
}

void api_write_log(const struct api *api, const struct job *job, enum status status, const char *sentence,
                   struct buffer *out) {
    const struct service_usage *usage = &job->usage;
    put_time(out);
    put_text(out, "level", status == STATUS_OK ? "info" : "warning");
    put_text(out, "event", "request");
    put_text(out, "id", job->id);
    put_text(out, "account", job->account);
    put_text(out, "model", job->order.model ? job->order.model : "");
    buffer_printf(out,
                  ",\"prompt_tokens\":%d,\"hit_tokens\":%d,\"generated_tokens\":%d,\"queue_seconds\":%.4f,"
                  "\"prefill_seconds\":%.4f,\"decode_seconds\":%.4f,\"seconds\":%.4f",
                  usage->prompt_tokens, usage->cache.hit_tokens, usage->generated_tokens,
                  usage->queue_seconds, usage->prefill_seconds, usage->decode_seconds,
                  clock_seconds() - job->arrival);
    put_text(out, "finish", job->answer ? finish_name(job->answer[0].finish) : "");
    if (api->explain_cache && usage->cache.miss[0]) put_text(out, "cache_miss", usage->cache.miss);
    if (status != STATUS_OK) put_text(out, "error", sentence);
}

void api_log_job(struct api *api, const struct job *job, enum status status, const char *sentence) {
    struct buffer out = {0};
    if (!api->log) return;
    api_write_log(api, job, status, sentence, &out);
    buffer_append_char(&out, '}');
    if (!out.failed) api->log(api->log_context, out.data);
    buffer_free(&out);
}

void api_write_call_log(const char *account, const char *id, const char *tool, bool succeeded,
                        struct buffer *out) {
    put_time(out);
    put_text(out, "level", succeeded ? "info" : "warning");
    put_text(out, "event", "request");
    put_text(out, "id", id);
    put_text(out, "account", account);
    put_text(out, "model", "tools");
    put_text(out, "tool", tool);
    buffer_append_text(out, ",\"prompt_tokens\":0,\"hit_tokens\":0,\"generated_tokens\":0");
}
