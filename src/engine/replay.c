/* replay.c - a hash table of texts, bounded by bytes. */
#include "engine/replay.h"

#include "base/bytes.h"
#include "engine/replay_file.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { BUCKETS = 1 << 14, LEAD_TOKENS_MOST = 16, LEAD_TOKENS_OF_CHAT = 1 << 14, NEWLINE_TOKENS_MOST = 4 };

struct known_text {
    uint64_t hash;
    struct prefix_key root;
    int32_t *id;
    int ids;
    size_t bytes;
    struct known_text *bucket_next, *older, *newer;
    char text[]; /* [bytes] */
};

struct replay {
    const struct tokenizer *tokenizer;
    struct replay_file *file; /* NULL: none */
    pthread_mutex_t lock;     /* of everything below */
    struct known_text **bucket;
    struct known_text *oldest, *newest;
    int64_t bytes, most_bytes;
};

/* ---- the table ---- */

static uint64_t hash_of(const struct prefix_key *root, const char *text, size_t bytes) {
    return XXH3_64bits_withSeed(text, bytes, read_u64(root->bytes));
}

static int64_t size_of(const struct known_text *known) {
    return (int64_t)(sizeof *known + known->bytes + (size_t)known->ids * sizeof *known->id);
}

static struct known_text *find(const struct replay *replay, const struct prefix_key *root, const char *text,
                               size_t bytes) {
    uint64_t hash = hash_of(root, text, bytes);
    struct known_text *known = replay->bucket[hash % BUCKETS];
    while (known && (known->hash != hash || known->bytes != bytes ||
                     memcmp(&known->root, root, sizeof *root) != 0 || memcmp(known->text, text, bytes) != 0))
        known = known->bucket_next;
    return known;
}

static void unlink_use(struct replay *replay, struct known_text *known) {
    *(known->older ? &known->older->newer : &replay->oldest) = known->newer;
    *(known->newer ? &known->newer->older : &replay->newest) = known->older;
}

static void link_newest(struct replay *replay, struct known_text *known) {
    known->older = replay->newest;
    known->newer = NULL;
    *(replay->newest ? &replay->newest->newer : &replay->oldest) = known;
    replay->newest = known;
}

static void drop(struct replay *replay, struct known_text *known) {
    struct known_text **at = &replay->bucket[known->hash % BUCKETS];
    while (*at != known) at = &(*at)->bucket_next;
    *at = known->bucket_next;
    unlink_use(replay, known);
    replay->bytes -= size_of(known);
    free(known->id);
    free(known);
}

void replay_close(struct replay *replay) {
    if (!replay) return;
    replay_file_close(replay->file);
    while (replay->oldest) drop(replay, replay->oldest);
    pthread_mutex_destroy(&replay->lock);
    free(replay->bucket);
    free(replay);
}

static bool same_tokens(const struct known_text *a, const struct known_text *b) {
    return a->ids == b->ids && !memcmp(a->id, b->id, (size_t)a->ids * sizeof *a->id);
}

/* The newest tokens of a text count. True: they are news. */
static bool insert(struct replay *replay, struct known_text *known) {
    pthread_mutex_lock(&replay->lock);
    struct known_text *there = find(replay, &known->root, known->text, known->bytes);
    bool news = !there || !same_tokens(there, known);
    if (there) drop(replay, there);
    known->bucket_next = replay->bucket[known->hash % BUCKETS];
    replay->bucket[known->hash % BUCKETS] = known;
    link_newest(replay, known);
    replay->bytes += size_of(known);
    while (replay->bytes > replay->most_bytes) drop(replay, replay->oldest);
    pthread_mutex_unlock(&replay->lock);
    return news;
}

enum status replay_find(struct replay *replay, const struct prefix_key *root, const char *text, size_t bytes,
                        struct token_list *list, bool *found) {
    enum status status = STATUS_OK;
    pthread_mutex_lock(&replay->lock);
    struct known_text *known = find(replay, root, text, bytes);
    *found = known;
    if (known) {
        unlink_use(replay, known);
        link_newest(replay, known);
    }
    for (int i = 0; known && i < known->ids && status == STATUS_OK; i++)
        status = token_list_append(list, known->id[i]);
    pthread_mutex_unlock(&replay->lock);
    return status;
}

/* ---- answers ---- */

static void append_bytes(const struct replay *replay, const int32_t *id, int ids, struct buffer *text) {
    for (int i = 0; i < ids; i++) {
        size_t bytes;
        const char *data = tokenizer_bytes(replay->tokenizer, id[i], &bytes);
        if (bytes) buffer_append(text, data, bytes);
    }
}

/* The tokens of `lead` and of `id`, as one text; NULL: none, or no memory. */
static struct known_text *make_text(const struct replay *replay, const struct prefix_key *root,
                                    const int32_t *lead, int leads, const int32_t *id, int ids) {
    struct buffer text = {0};
    append_bytes(replay, lead, leads, &text);
    append_bytes(replay, id, ids, &text);
    size_t bytes = text.bytes, numbers = (size_t)leads + (size_t)ids;
    struct known_text *known = bytes && !text.failed ? malloc(sizeof *known + bytes) : NULL;
    if (known) {
        *known = (struct known_text){.root = *root, .ids = leads + ids, .bytes = bytes};
        known->hash = hash_of(root, text.data, bytes);
        known->id = malloc(numbers * sizeof *known->id);
        memcpy(known->text, text.data, bytes);
    }
    buffer_free(&text);
    if (!known || !known->id) {
        free(known);
        return NULL;
    }
    if (leads) memcpy(known->id, lead, (size_t)leads * sizeof *lead);
    memcpy(known->id + leads, id, (size_t)ids * sizeof *id);
    return known;
}

static void note_text(struct replay *replay, const struct prefix_key *root, const int32_t *lead, int leads,
                      const int32_t *id, int ids) {
    struct known_text *known = make_text(replay, root, lead, leads, id, ids);
    struct buffer tokens = {0}; /* the known ones are the table's once they are in it */
    if (!known) return;
    if (replay->file) buffer_append(&tokens, known->id, (size_t)known->ids * sizeof *known->id);
    int numbers = known->ids;
    if (insert(replay, known) && replay->file && !tokens.failed)
        replay_file_append(replay->file, &(struct replay_record){
                                             *root, (const int32_t *)(const void *)tokens.data, numbers});
    buffer_free(&tokens);
}

static bool is_newlines(const struct replay *replay, int32_t id) {
    size_t bytes;
    const char *data = tokenizer_bytes(replay->tokenizer, id, &bytes);
    for (size_t i = 0; i < bytes; i++)
        if (data[i] != '\n') return false;
    return bytes > 0;
}

/* Templates and clients drop the newlines in front of a text. */
static void note_stretch(struct replay *replay, const struct prefix_key *root, const int32_t *lead, int leads,
                         const int32_t *id, int ids) {
    int newlines = 0;
    if (ids) note_text(replay, root, lead, leads, id, ids);
    while (newlines < ids && newlines < NEWLINE_TOKENS_MOST && is_newlines(replay, id[newlines])) newlines++;
    if (newlines && newlines < ids) note_text(replay, root, lead, leads, id + newlines, ids - newlines);
}

/* 0 also where there are too many: the end of a text of its own, which nobody goes on with. */
static int lead_tokens(const struct replay *replay, const struct replay_answer *answer) {
    const int most = answer->chat ? LEAD_TOKENS_OF_CHAT : LEAD_TOKENS_MOST;
    int leads = 0;
    while (leads < answer->prompt_tokens &&
           !tokenizer_is_added(replay->tokenizer, answer->prompt[answer->prompt_tokens - 1 - leads]))
        if (++leads > most) return 0;
    return leads;
}

static void note_answer(struct replay *replay, const struct prefix_key *root,
                        const struct replay_answer *answer) {
    int leads = lead_tokens(replay, answer);
    const int32_t *id = answer->id, *lead = answer->prompt + answer->prompt_tokens - leads;
    for (int begin = 0, end = 0; begin < answer->ids; begin = ++end) {
        while (end < answer->ids && !tokenizer_is_added(replay->tokenizer, id[end])) end++;
        note_stretch(replay, root, lead, leads, id + begin, end - begin);
        leads = 0;
    }
}

/* A part of a token is what the tokenizer makes of it. */
void replay_note(struct replay *replay, const struct prefix_key *root, const struct replay_answer *answer) {
    struct replay_answer whole = *answer;
    struct token_list list = {0};
    enum status status = STATUS_OK;
    for (int i = 0; answer->part && i < answer->ids && status == STATUS_OK; i++)
        status = token_list_append(&list, answer->id[i]);
    if (answer->part && status == STATUS_OK) {
        const char *text = tokenizer_bytes(replay->tokenizer, answer->id[answer->ids], &(size_t){0});
        status = tokenizer_encode(replay->tokenizer, text, answer->part, TOKENIZE_PLAIN, &list);
        whole.id = list.id;
        whole.ids = (int)list.count;
    }
    if (status == STATUS_OK) note_answer(replay, root, &whole);
    token_list_free(&list);
}

/* ---- opening ---- */

/* Tokens say their text themselves: a record is what it is for, or nothing. */
static void load(void *context, const struct replay_record *record) {
    struct replay *replay = context;
    int32_t vocabulary = tokenizer_vocabulary(replay->tokenizer);
    for (int i = 0; i < record->ids; i++)
        if (record->id[i] < 0 || record->id[i] >= vocabulary) return;
    struct known_text *known = make_text(replay, &record->root, NULL, 0, record->id, record->ids);
    if (known) (void)insert(replay, known);
}

static enum status open_file(struct replay *replay, const struct replay_options *options) {
    struct replay_file_options file = {.folder = options->folder,
                                       .most_bytes = options->most_bytes,
                                       .day_bytes = options->day_bytes,
                                       .hear = load,
                                       .context = replay};
    return options->folder ? replay_file_open(&replay->file, &file) : STATUS_OK;
}

enum status replay_open(struct replay **replay, const struct replay_options *options) {
    struct replay *made = *replay = calloc(1, sizeof *made);
    if (made) made->bucket = calloc(BUCKETS, sizeof(struct known_text *));
    if (!made || !made->bucket) {
        free(made);
        *replay = NULL;
        return fail(STATUS_MEMORY, "no memory for a list of answers");
    }
    made->tokenizer = options->tokenizer;
    made->most_bytes = options->most_bytes;
    pthread_mutex_init(&made->lock, NULL);
    enum status status = open_file(made, options);
    if (status == STATUS_OK) return STATUS_OK;
    replay_close(made);
    *replay = NULL;
    return status;
}
