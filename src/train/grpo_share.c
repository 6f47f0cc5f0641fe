/* grpo_share.c - answers from the rank that sampled them to all others, which learn from them and decide by them as it does: those
 * of a rank travel as one string of bytes. */
#include "base/buffer.h"
#include "train/grpo_job.h"

#include <stdlib.h>
#include <string.h>

void grpo_round_part(const struct grpo_round *round, const struct comm *comm, int rank, int *begin,
                     int *end) {
    *begin = (int)((int64_t)round->count * rank / comm->ranks);
    *end = (int)((int64_t)round->count * (rank + 1) / comm->ranks);
}

/* Before the arrays of an answer; all ranks run the same program. */
struct header {
    int64_t kepts;
    int32_t tokens, truncated;
};

/* ---- to bytes ---- */

static void pack_answer(const struct rollout_answer *answer, struct buffer *bytes) {
    size_t tokens = (size_t)answer->tokens;
    struct header header = {.tokens = answer->tokens, .truncated = answer->truncated};
    if (answer->kept && tokens) header.kepts = answer->kept_end[tokens - 1];
    buffer_append(bytes, &header, sizeof header);
    buffer_append(bytes, answer->id, tokens * sizeof *answer->id);
    buffer_append(bytes, answer->logprob, tokens * sizeof *answer->logprob);
    if (!header.kepts) return;
    buffer_append(bytes, answer->kept, (size_t)header.kepts * sizeof *answer->kept);
    buffer_append(bytes, answer->kept_end, tokens * sizeof *answer->kept_end);
}

static enum status pack_part(const struct grpo_round *round, int begin, int end, struct buffer *bytes) {
    for (int i = begin * round->group; i < end * round->group; i++) pack_answer(&round->answer[i], bytes);
    return buffer_check(bytes, "the answers of a step");
}

/* ---- from bytes ---- */

static void *take_array(const char **at, size_t count, size_t each) {
    void *array = malloc(count * each + 1);
    if (array) memcpy(array, *at, count * each);
    *at += count * each;
    return array;
}

static bool unpack_answer(struct rollout_answer *answer, const char **at) {
    struct header header;
    memcpy(&header, *at, sizeof header);
    *at += sizeof header;
    size_t tokens = (size_t)header.tokens;
    *answer = (struct rollout_answer){.tokens = header.tokens,
                                      .capacity = header.tokens,
                                      .kept_capacity = header.kepts,
                                      .truncated = header.truncated};
    answer->id = take_array(at, tokens, sizeof *answer->id);
    answer->logprob = take_array(at, tokens, sizeof *answer->logprob);
    if (!header.kepts) return answer->id && answer->logprob;
    answer->kept = take_array(at, (size_t)header.kepts, sizeof *answer->kept);
    answer->kept_end = take_array(at, tokens, sizeof *answer->kept_end);
    return answer->id && answer->logprob && answer->kept && answer->kept_end;
}

static enum status unpack_part(const struct grpo_round *round, int begin, int end, const char *bytes) {
    for (int i = begin * round->group; i < end * round->group; i++)
        if (!unpack_answer(&round->answer[i], &bytes))
            return fail(STATUS_MEMORY, "no memory for the answers");
    return STATUS_OK;
}

/* ---- from rank to rank ---- */

static enum status take_room(const struct comm *comm, const int64_t *size, char **room) {
    int64_t most = 1;
    for (int r = 0; r < comm->ranks; r++)
        if (size[r] > most) most = size[r];
    *room = malloc((size_t)most);
    return *room ? STATUS_OK : fail(STATUS_MEMORY, "no memory for the answers of other ranks");
}

static enum status pass_parts(const struct grpo_round *round, struct comm *comm, const int64_t *size,
                              const struct buffer *mine, char *room) {
    for (int r = 0; r < comm->ranks; r++) {
        int begin, end;
        char *bytes = r == comm->rank ? mine->data : room;
        grpo_round_part(round, comm, r, &begin, &end);
        if (!size[r]) continue;
        TRY(comm_broadcast(comm, r, bytes, size[r]));
        if (r != comm->rank) TRY(unpack_part(round, begin, end, bytes));
    }
    return STATUS_OK;
}

static enum status share(const struct grpo_round *round, struct comm *comm, int64_t *size,
                         struct buffer *mine, char **room) {
    int begin, end;
    grpo_round_part(round, comm, comm->rank, &begin, &end);
    TRY(pack_part(round, begin, end, mine));
    size[comm->rank] = (int64_t)mine->bytes;
    TRY(comm_merge(comm, size, comm->ranks * (int64_t)sizeof *size));
    TRY(take_room(comm, size, room));
    return pass_parts(round, comm, size, mine, *room);
}

enum status grpo_share_answers(const struct grpo_round *round, struct comm *comm) {
    struct buffer mine = {.limit = SIZE_MAX / 4};
    char *room = NULL;
    if (comm->ranks == 1) return STATUS_OK;
    int64_t *size = calloc((size_t)comm->ranks, sizeof *size);
    if (!size) return fail(STATUS_MEMORY, "no memory for what %d ranks say", comm->ranks);
    enum status status = share(round, comm, size, &mine, &room);
    buffer_free(&mine);
    free(room);
    free(size);
    return status;
}
