/* inspect_text.c - an inspection as a table to read. */
#include "base/bytes.h"
#include "base/memory.h"
#include "cli/inspect.h"

#include <stdarg.h>
#include <string.h>

enum { LABEL_CELLS = 18, NUMBER_BYTES = 40 };

static void row(FILE *stream, const char *label, const char *format, ...) printf_like(3, 4);

static void row(FILE *stream, const char *label, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stream, "  %-*s", LABEL_CELLS, label);
    vfprintf(stream, format, arguments);
    fputc('\n', stream);
    va_end(arguments);
}

/* 671026419200 -> "671,026,419,200" */
static const char *grouped(int64_t value, char text[NUMBER_BYTES]) {
    char digits[NUMBER_BYTES];
    int count = snprintf(digits, sizeof digits, "%lld", (long long)value), used = 0;
    for (int i = 0; i < count; i++) {
        text[used++] = digits[i];
        if ((count - i) % 3 == 1 && i + 1 < count) text[used++] = ',';
    }
    text[used] = 0;
    return text;
}

/* Names out of files reach a terminal here. */
static void put_clean(FILE *stream, const char *text) {
    for (; *text; text++) fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, stream);
}

static void print_layers(const struct model_desc *d, FILE *stream) {
    int with_experts = 0;
    char number[NUMBER_BYTES];
    for (int i = 0; i < d->layers; i++) with_experts += d->layer[i].ffn == FFN_EXPERTS;
    fprintf(stream, "  %-*s%d", LABEL_CELLS, "layers", d->layers);
    if (with_experts) fprintf(stream, " (%d dense, %d of experts)", d->layers - with_experts, with_experts);
    if (d->mtp_layers) fprintf(stream, ", and %d for multi-token prediction", d->mtp_layers);
    fputc('\n', stream);
    row(stream, "width", "%lld, feed-forward %lld", (long long)d->width, (long long)d->dense_ffn);
    row(stream, "vocabulary", "%s tokens%s", grouped(d->vocab, number),
        d->tied_head ? ", one table for both ends" : "");
    row(stream, "context", "%s tokens", grouped(d->context, number));
}

static void print_mechanisms(const struct model_desc *d, FILE *stream) {
    static const char *const routers[] = {[ROUTE_SOFTMAX_GREEDY] = "softmax",
                                          [ROUTE_GROUP_LIMITED] = "softmax within groups",
                                          [ROUTE_SIGMOID_BIASED] = "sigmoid with bias"};
    static const char *const ropes[] = {
        [ROPE_PLAIN] = "plain", [ROPE_LINEAR] = "linear", [ROPE_YARN] = "YaRN", [ROPE_LLAMA3] = "Llama 3"};
    if (d->layer[0].attention == ATTEND_GROUPED)
        row(stream, "attention", "grouped: %d query heads, %d key heads of %d", d->heads, d->kv_heads,
            d->head_dim);
    else if (d->q_rank)
        row(stream, "attention", "latent: %d heads of %d + %d, values %d, ranks %d and %d", d->heads,
            d->nope_dim, d->rope_dim, d->value_dim, d->q_rank, d->kv_rank);
    else
        row(stream, "attention", "latent: %d heads of %d + %d, values %d, rank %d", d->heads, d->nope_dim,
            d->rope_dim, d->value_dim, d->kv_rank);
    if (d->experts)
        row(stream, "experts", "%d of width %lld, %d for a token and %d shared; %s", d->experts,
            (long long)d->expert_ffn, d->experts_used, d->shared_experts,
            routers[d->layer[d->layers - 1].router]);
    if (d->expert_groups > 1)
        row(stream, "expert groups", "%d, of which %d are used", d->expert_groups, d->groups_used);
    if (d->rope.scaling == ROPE_PLAIN)
        row(stream, "rotation", "base %g", d->rope.base);
    else
        row(stream, "rotation", "base %g, %s: %g times %lld", d->rope.base, ropes[d->rope.scaling],
            d->rope.factor, (long long)d->rope.original_context);
}

static void print_sizes(const struct inspection *inspection, FILE *stream) {
    const struct parameter_counts *counts = &inspection->parameters;
    char number[NUMBER_BYTES], bytes[32];
    row(stream, "parameters", "%s", grouped(counts->total, number));
    if (counts->active != counts->total)
        row(stream, "  for one token", "%s", grouped(counts->active, number));
    if (counts->mtp) row(stream, "  of MTP, besides", "%s", grouped(counts->mtp, number));
    int64_t whole;
    if (!multiply_fits(inspection->kv_bytes, inspection->desc.context, &whole)) whole = INT64_MAX;
    row(stream, "cache per token", "%s bytes in %s; %s for the whole context",
        grouped(inspection->kv_bytes, number), dtype_traits(inspection->kv_type)->name,
        bytes_text(whole, bytes));
    if (inspection->checkpoint.tensors.count)
        row(stream, "weights", "%s in %zu tensors, %zu file%s", bytes_text(inspection->bytes, bytes),
            inspection->checkpoint.tensors.count, inspection->checkpoint.map_count,
            inspection->checkpoint.map_count == 1 ? "" : "s");
}

static void print_types(const struct inspection *inspection, FILE *stream) {
    fprintf(stream, "\n  %-8s %8s %20s %10s %12s  %s\n", "type", "tensors", "values", "size", "bits a value",
            "multiplied as");
    for (enum dtype t = 0; t < DTYPE_COUNT; t++) {
        char number[NUMBER_BYTES], bytes[32];
        struct type_sum sum = inspect_type(inspection, t);
        if (!sum.tensors) continue;
        fprintf(stream, "  %-8s %8lld %20s %10s %12.2f  %s%s\n", dtype_traits(t)->name,
                (long long)sum.tensors, grouped(sum.values, number), bytes_text(sum.bytes, bytes),
                sum.values ? 8.0 * (double)sum.bytes / (double)sum.values : 0.0,
                sum.panels ? sum.panels : "floats",
                !sum.panels ? ""
                : sum.exact ? " panels, exactly"
                            : " panels, rounded");
    }
}

void inspect_print_text(const struct inspection *inspection, FILE *stream) {
    const struct model_desc *d = &inspection->desc;
    put_clean(stream, inspection->model);
    fprintf(stream, " (%s)\n", inspection->form);
    row(stream, "architecture", "%s", d->architecture);
    print_layers(d, stream);
    print_mechanisms(d, stream);
    if (inspection->template) row(stream, "chat template", "%s", inspection->template);
    print_sizes(inspection, stream);
    if (inspection->checkpoint.tensors.count) print_types(inspection, stream);
    if (*inspection->problem) fprintf(stream, "\n  It cannot be run: %s\n", inspection->problem);
}
