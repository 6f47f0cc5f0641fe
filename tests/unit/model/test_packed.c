/* test_packed.c - rearranged weights: what is packed, where it is kept, and that a cache file is used exactly when it is
 * what would be written now. */
#include "model/packed.h"

#include "base/bytes.h"
#include "kernel/panel.h"
#include "model/packed_parts.h"
#include "support/packed_source.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <setjmp.h>

#include <cmocka.h>

static const int64_t plenty = INT64_C(1) << 40;

struct fixture {
    struct scratch scratch; /* of the checkpoint */
    struct scratch cache;
    char path[256];
    struct packed_source source;
    struct packing_backend backend;
    struct packed packed;
};

static void good(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static void expect(enum status status, enum status expected, const char *sentence) {
    assert_int_equal(status, expected);
    if (!strstr(status_message(), sentence)) fail_msg("\"%s\" lacks \"%s\"", status_message(), sentence);
}

static void open_type(struct fixture *fixture, enum dtype type, bool tied) {
    memset(fixture, 0, sizeof *fixture);
    scratch_open(&fixture->scratch);
    scratch_open(&fixture->cache);
    snprintf(fixture->path, sizeof fixture->path, "%s", scratch_path(&fixture->scratch, "model.gguf"));
    packed_source_write(fixture->path, type, tied, 1);
    packed_source_open(&fixture->source, fixture->path);
    packing_backend_make(&fixture->backend);
}

static void open_fixture(struct fixture *fixture) {
    open_type(fixture, DTYPE_Q8_0, false);
}

static void close_fixture(struct fixture *fixture) {
    packed_close(&fixture->packed);
    packed_source_close(&fixture->source);
    scratch_close(&fixture->scratch);
    scratch_close(&fixture->cache);
}

static enum status prepare_with(struct fixture *fixture, const struct packed_options *options) {
    struct packed_source *source = &fixture->source;
    fixture->backend.packs = 0;
    packed_close(&fixture->packed);
    return packed_prepare(&fixture->packed, &source->weights, &source->desc, &source->checkpoint, options);
}

static enum status arrange(struct fixture *fixture) {
    return packed_arrange(&fixture->packed, &fixture->source.weights, &fixture->source.checkpoint,
                          &fixture->backend.base);
}

static enum status pack_with(struct fixture *fixture, const struct packed_options *options) {
    TRY(prepare_with(fixture, options));
    return arrange(fixture);
}

static enum status pack(struct fixture *fixture, enum pack_mode mode) {
    return pack_with(fixture, &(struct packed_options){
                                  .mode = mode, .cache_dir = fixture->cache.directory, .available = plenty});
}

/* Packs into the file and tells whether it had to be made. */
static bool is_built(struct fixture *fixture) {
    good(pack(fixture, PACK_FILE));
    assert_int_equal(fixture->packed.place, PACKED_IN_FILE);
    assert_true(fixture->packed.built == (fixture->backend.packs > 0));
    return fixture->packed.built;
}

/* The panels that the weights point to are those of their numbers. Returns how many there are. */
static int check_panels(const struct weights *weights, const struct model_desc *desc) {
    int count = 0;
    for (int w = 0; w < WEIGHT_COUNT; w++) {
        enum weight_copies copies = weight_rows()[w].copies;
        int layers = copies == PER_MODEL ? 1 : desc->layers + desc->mtp_layers;
        int experts = copies == PER_EXPERT ? desc->experts : 1;
        for (int i = 0; i < layers * experts; i++) {
            const struct tensor *slot = weights_matrix(weights, (enum weight)w, i / experts, i % experts);
            if (!slot || !slot->panels) continue;
            struct tensor flat = tensor_flat(slot);
            enum panel_format format = panel_format_for(flat.dtype, flat.shape[1]);
            int64_t bytes = panels_bytes(format, flat.shape[0], flat.shape[1]);
            uint8_t *expected = aligned_alloc(PANEL_ALIGNMENT, (size_t)round_up(bytes, PANEL_ALIGNMENT));
            panels_pack(format, &flat, 0, divide_up(flat.shape[0], PANEL_OUTS), expected);
            assert_int_equal(slot->panel_format, format);
            assert_int_equal((uintptr_t)slot->panels % PANEL_ALIGNMENT, 0);
            assert_memory_equal(slot->panels, expected, (size_t)bytes);
            free(expected);
            count++;
        }
    }
    return count;
}

static void check_all(struct fixture *fixture) {
    int count = check_panels(&fixture->source.weights, &fixture->source.desc);
    assert_true(count > 0);
    assert_int_equal(count, fixture->packed.entries);
}

/* ---- what is packed ---- */

static const struct tensor *matrix(const struct fixture *fixture, enum weight weight, int layer) {
    return weights_matrix(&fixture->source.weights, weight, layer, 0);
}

static void test_which(void **state) {
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    good(pack(&fixture, PACK_MEMORY));
    static const enum weight packed[] = {WEIGHT_Q_A,         WEIGHT_Q_B,          WEIGHT_KV_A,
                                         WEIGHT_EXPERT_GATE, WEIGHT_EXPERT_UP,    WEIGHT_EXPERT_DOWN,
                                         WEIGHT_SHARED_GATE, WEIGHT_LATENT_OUTPUT};
    for (size_t i = 0; i < COUNT_OF(packed); i++) assert_non_null(matrix(&fixture, packed[i], 1)->panels);
    assert_non_null(matrix(&fixture, WEIGHT_GATE, 0)->panels);
    assert_non_null(matrix(&fixture, WEIGHT_HEAD, 0)->panels);
    assert_null(matrix(&fixture, WEIGHT_EMBED, 0)->panels);
    assert_null(matrix(&fixture, WEIGHT_ROUTER, 1)->panels);
    assert_null(matrix(&fixture, WEIGHT_K_B, 1)->panels); /* in BF16 there */
    check_all(&fixture);
    close_fixture(&fixture);
}

/* One matrix for each head, decoded for prompts: the memory plan counts both forms. */
static void test_heads(void **state) {
    (void)state;
    struct fixture fixture;
    open_type(&fixture, DTYPE_Q4_0, false);
    good(pack(&fixture, PACK_MEMORY));
    int64_t before = fixture.packed.native_bytes;
    for (int layer = 0; layer < 3; layer++) {
        const struct tensor *k_b = matrix(&fixture, WEIGHT_K_B, layer),
                            *v_b = matrix(&fixture, WEIGHT_V_B, layer);
        assert_int_equal(k_b->rank, 3);
        assert_non_null(k_b->panels);
        assert_non_null(v_b->panels);
        assert_null(tensor_matrix(k_b, 1).panels);
        before += tensor_bytes(k_b) + tensor_bytes(v_b);
    }
    int64_t all = 0;
    for (int64_t i = 0; i < fixture.packed.entries; i++)
        all += tensor_bytes(&fixture.source.weights.slot[fixture.packed.entry[i].source]);
    assert_int_equal(all, before);
    check_all(&fixture);
    close_fixture(&fixture);
}

static void test_every_format(void **state) {
    (void)state;
    static const enum dtype types[] = {DTYPE_Q8_0, DTYPE_Q4_0, DTYPE_Q4_K,
                                       DTYPE_Q5_K, DTYPE_Q6_K, DTYPE_Q3_K};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct fixture fixture;
        open_type(&fixture, types[i], false);
        good(pack(&fixture, PACK_MEMORY));
        check_all(&fixture);
        assert_true(is_built(&fixture));
        check_all(&fixture);
        close_fixture(&fixture);
    }
}

static void test_plain_types(void **state) {
    (void)state;
    struct fixture fixture;
    open_type(&fixture, DTYPE_BF16, false);
    good(pack(&fixture, PACK_FILE));
    assert_int_equal(fixture.packed.place, PACKED_NOWHERE);
    assert_int_equal(fixture.packed.bytes, 0);
    assert_string_equal(fixture.packed.notice, "");
    assert_int_equal(scratch_entries(&fixture.cache), 0);
    close_fixture(&fixture);
}

/* The head becomes a matrix with the embedding's numbers; the embedding is still read by rows. */
static void test_tied_head(void **state) {
    (void)state;
    struct fixture fixture;
    open_type(&fixture, DTYPE_Q8_0, true);
    assert_true(fixture.source.desc.tied_head);
    assert_null(matrix(&fixture, WEIGHT_HEAD, 0));
    good(pack(&fixture, PACK_MEMORY));
    const struct tensor *embed = matrix(&fixture, WEIGHT_EMBED, 0), *head = matrix(&fixture, WEIGHT_HEAD, 0);
    assert_null(embed->panels);
    assert_non_null(head->panels);
    assert_ptr_equal(head->data, embed->data);
    assert_true(fixture.packed.bytes > fixture.packed.native_bytes + tensor_bytes(embed) / 2);
    check_all(&fixture);
    close_fixture(&fixture);
}

/* ---- where ---- */

static void test_modes(void **state) {
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    good(pack(&fixture, PACK_OFF));
    assert_int_equal(fixture.packed.place, PACKED_NOWHERE);
    assert_int_equal(check_panels(&fixture.source.weights, &fixture.source.desc), 0);
    good(pack(&fixture, PACK_AUTOMATIC)); /* small: memory, and no file */
    assert_int_equal(fixture.packed.place, PACKED_IN_MEMORY);
    assert_true(fixture.packed.built);
    assert_int_equal(scratch_entries(&fixture.cache), 0);
    check_all(&fixture);
    assert_true(is_built(&fixture));
    good(pack(&fixture, PACK_AUTOMATIC)); /* what is there is used */
    assert_int_equal(fixture.packed.place, PACKED_IN_FILE);
    assert_int_equal(fixture.backend.packs, 0);
    good(pack(&fixture, PACK_MEMORY));
    assert_int_equal(fixture.packed.place, PACKED_IN_MEMORY);
    close_fixture(&fixture);
}

static void test_little_memory(void **state) {
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    struct packed_options options = {.mode = PACK_AUTOMATIC, .available = 1000};
    good(pack_with(&fixture, &options));
    assert_int_equal(fixture.packed.place, PACKED_NOWHERE);
    assert_int_equal(fixture.packed.bytes, 0);
    assert_non_null(strstr(fixture.packed.notice, "no cache directory"));
    assert_int_equal(fixture.backend.packs, 0);
    options.mode = PACK_FILE;
    expect(pack_with(&fixture, &options), STATUS_INPUT, "needs a cache directory");
    char deep[256];
    snprintf(deep, sizeof deep, "%s/a/b", fixture.cache.directory);
    options = (struct packed_options){.mode = PACK_AUTOMATIC, .available = 1000, .cache_dir = deep};
    good(pack_with(&fixture, &options));
    assert_int_equal(fixture.packed.place, PACKED_IN_FILE);
    assert_string_equal(fixture.packed.notice, "");
    check_all(&fixture);
    close_fixture(&fixture);
}

/* A directory that cannot be made is a notice where another way was allowed, and a failure where it was not. */
static void test_no_directory(void **state) {
    (void)state;
    struct fixture fixture;
    char below_file[320];
    open_fixture(&fixture);
    snprintf(below_file, sizeof below_file, "%s/cache", fixture.path);
    struct packed_options options = {.mode = PACK_AUTOMATIC, .available = 1000, .cache_dir = below_file};
    good(pack_with(&fixture, &options));
    assert_int_equal(fixture.packed.place, PACKED_NOWHERE);
    assert_non_null(strstr(fixture.packed.notice, "cannot make the cache directory"));
    options.mode = PACK_FILE;
    expect(pack_with(&fixture, &options), STATUS_IO, "cannot make the cache directory");
    close_fixture(&fixture);
}

/* ---- the file ---- */

static void test_found_again(void **state) {
    (void)state;
    struct fixture fixture;
    struct packed_report report;
    open_fixture(&fixture);
    assert_true(is_built(&fixture));
    check_all(&fixture);
    assert_int_equal(scratch_entries(&fixture.cache), 1);
    assert_false(is_built(&fixture));
    check_all(&fixture);
    good(packed_check(&fixture.packed));
    good(packed_verify(fixture.packed.path, NULL, NULL, &report));
    assert_string_equal(report.source, fixture.path);
    assert_int_equal(report.matrices, fixture.packed.entries);
    assert_int_equal(report.bytes, packed_payload_offset(report.matrices) + fixture.packed.bytes);
    close_fixture(&fixture);
}

static void reopen_source(struct fixture *fixture) {
    packed_close(&fixture->packed);
    packed_source_close(&fixture->source);
    packed_source_open(&fixture->source, fixture->path);
}

static void test_stale(void **state) {
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    assert_true(is_built(&fixture));
    packed_source_write(fixture.path, DTYPE_Q8_0, false, 2); /* as many bytes, other numbers */
    reopen_source(&fixture);
    assert_true(is_built(&fixture));
    check_all(&fixture);
    struct timespec times[2] = {{1000000000, 0}, {1000000000, 1}};
    assert_int_equal(utimensat(AT_FDCWD, fixture.path, times, 0), 0);
    reopen_source(&fixture);
    assert_true(is_built(&fixture));
    assert_false(is_built(&fixture));
    packed_source_write(fixture.path, DTYPE_Q4_K, false, 1);
    reopen_source(&fixture);
    assert_true(is_built(&fixture));
    check_all(&fixture);
    assert_int_equal(scratch_entries(&fixture.cache), 1); /* one for each path */
    close_fixture(&fixture);
}

/* ---- damage ---- */

struct damage {
    const char *name;
    int64_t offset; /* of the byte that is changed; below 0: from the end */
    bool sealed;    /* with hashes that match */
};

static const int64_t table_at = PACKED_ALIGNMENT;
#define HEADER(field) ((int64_t)offsetof(struct packed_header, field))
#define RECORD(field) (PACKED_ALIGNMENT + (int64_t)offsetof(struct packed_record, field))

static const struct damage damages[] = {{"magic", HEADER(magic), true},
                                        {"byte order", HEADER(byte_order), true},
                                        {"version", HEADER(version), true},
                                        {"panel version", HEADER(panel_version), true},
                                        {"identity", HEADER(identity), true},
                                        {"entries", HEADER(entries), true},
                                        {"many entries", HEADER(entries) + 6, true},
                                        {"negative entries", HEADER(entries) + 7, true},
                                        {"payload", HEADER(payload_offset) + 1, true},
                                        {"bytes", HEADER(file_bytes), true},
                                        {"table hash", HEADER(table_hash), false},
                                        {"source", HEADER(source), false},
                                        {"hash", HEADER(hash), false},
                                        {"slot", RECORD(slot), true},
                                        {"offset", RECORD(offset) + 1, true},
                                        {"size", RECORD(bytes), true},
                                        {"format", RECORD(format), true},
                                        {"table", RECORD(slot), false}};

static void seal(uint8_t *data) {
    struct packed_header header;
    memcpy(&header, data, sizeof header);
    int64_t most = 1000; /* matrices of the test's file */
    if (header.entries >= 0 && header.entries < most)
        header.table_hash =
            XXH3_64bits(data + table_at, (size_t)header.entries * sizeof(struct packed_record));
    header.hash = XXH3_64bits(&header, offsetof(struct packed_header, hash));
    memcpy(data, &header, sizeof header);
}

static void write_whole(const char *path, const void *data, size_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void test_damage(void **state) {
    (void)state;
    struct fixture fixture;
    struct packed_report report;
    size_t bytes;
    open_fixture(&fixture);
    assert_true(is_built(&fixture));
    char *path = strdup(fixture.packed.path);
    char *whole = file_contents(path, &bytes);
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        packed_close(&fixture.packed);
        uint8_t *data = malloc(bytes);
        memcpy(data, whole, bytes);
        data[damages[i].offset] ^= 0x80;
        if (damages[i].sealed) seal(data);
        write_whole(path, data, bytes);
        free(data);
        if (strcmp(damages[i].name, "identity") && !strstr("slot offset format", damages[i].name))
            assert_int_equal(packed_verify(path, NULL, NULL, &report), STATUS_FORMAT);
        if (!is_built(&fixture)) fail_msg("a file with another %s is used", damages[i].name);
        assert_false(is_built(&fixture));
    }
    check_all(&fixture);
    free(whole);
    free(path);
    close_fixture(&fixture);
}

static void test_sizes(void **state) {
    (void)state;
    struct fixture fixture;
    struct packed_report report;
    size_t bytes;
    open_fixture(&fixture);
    assert_true(is_built(&fixture));
    char *path = strdup(fixture.packed.path);
    char *whole = file_contents(path, &bytes);
    const size_t sizes[] = {0, 1, 100, 4095, 4096, 4097, 8192, bytes / 2, bytes - 4096, bytes - 1};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        packed_close(&fixture.packed);
        write_whole(path, whole, sizes[i]);
        assert_int_equal(packed_verify(path, NULL, NULL, &report), STATUS_FORMAT);
        assert_true(is_built(&fixture));
    }
    packed_close(&fixture.packed);
    whole = realloc(whole, bytes + 1);
    whole[bytes] = 0;
    write_whole(path, whole, bytes + 1);
    assert_true(is_built(&fixture));
    check_all(&fixture);
    packed_close(&fixture.packed);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0); /* nothing that can be replaced */
    expect(pack(&fixture, PACK_FILE), STATUS_INPUT, "is a directory");
    free(whole);
    free(path);
    close_fixture(&fixture);
}

/* The panels themselves are looked at by the verification alone. */
static void test_damaged_panels(void **state) {
    (void)state;
    struct fixture fixture;
    struct packed_report report;
    open_fixture(&fixture);
    assert_true(is_built(&fixture));
    char *path = strdup(fixture.packed.path);
    int64_t at = packed_payload_offset(fixture.packed.entries) + fixture.packed.entry[2].offset + 5;
    packed_close(&fixture.packed);
    FILE *file = fopen(path, "r+b");
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    fputc(byte ^ 1, file);
    assert_int_equal(fclose(file), 0);
    expect(packed_verify(path, NULL, NULL, &report), STATUS_FORMAT, "matrix 2");
    assert_false(is_built(&fixture));
    free(path);
    close_fixture(&fixture);
}

static void test_hostile_records(void **state) {
    (void)state;
    struct fixture fixture;
    struct packed_report report;
    size_t bytes;
    open_fixture(&fixture);
    assert_true(is_built(&fixture));
    char *data = file_contents(fixture.packed.path, &bytes);
    const int64_t lies[][2] = {{-1, 4}, {0, -1}, {INT64_MAX, INT64_MAX}, {0, INT64_MAX}, {(int64_t)bytes, 1}};
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        memcpy(data + RECORD(offset), &lies[i][0], 8);
        memcpy(data + RECORD(bytes), &lies[i][1], 8);
        seal((uint8_t *)data);
        const char *path = scratch_write(&fixture.scratch, "hostile", data, bytes);
        expect(packed_verify(path, NULL, NULL, &report), STATUS_FORMAT, "outside the file");
    }
    free(data);
    close_fixture(&fixture);
}

static void test_shrinks(void **state) {
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    assert_true(is_built(&fixture));
    good(packed_check(&fixture.packed));
    assert_int_equal(truncate(fixture.packed.path, 8192), 0);
    expect(packed_check(&fixture.packed), STATUS_IO, "shrank");
    close_fixture(&fixture);
}

/* ---- while it is made ---- */

static bool stop_halfway(void *context, int64_t done, int64_t total) {
    int64_t *last = context;
    assert_true(done >= *last && done <= total);
    *last = done;
    return done < total / 2;
}

static void test_cancelled(void **state) {
    (void)state;
    struct fixture fixture;
    int64_t last = 0;
    open_fixture(&fixture);
    struct packed_options options = {.mode = PACK_FILE,
                                     .cache_dir = fixture.cache.directory,
                                     .available = plenty,
                                     .progress = stop_halfway,
                                     .progress_context = &last};
    expect(pack_with(&fixture, &options), STATUS_CANCELLED, "stopped");
    assert_int_equal(scratch_entries(&fixture.cache), 0);
    assert_true(last >= fixture.packed.bytes / 2);
    options.mode = PACK_MEMORY;
    last = 0;
    expect(pack_with(&fixture, &options), STATUS_CANCELLED, "stopped");
    assert_true(is_built(&fixture));
    close_fixture(&fixture);
}

static void touch_source(struct packing_backend *backend) {
    if (backend->packs == 3) utimensat(AT_FDCWD, backend->context, NULL, 0);
}

static void test_source_changes(void **state) {
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture);
    fixture.backend.before = touch_source;
    fixture.backend.context = fixture.path;
    expect(pack(&fixture, PACK_FILE), STATUS_IO, "changed while");
    assert_int_equal(scratch_entries(&fixture.cache), 0);
    fixture.backend.before = NULL;
    assert_true(is_built(&fixture));
    close_fixture(&fixture);
}

static void die(struct packing_backend *backend) {
    if (backend->packs == 5) kill(getpid(), SIGKILL);
}

/* What a dead process leaves is no cache, and goes with the next build. */
static void test_killed(void **state) {
    (void)state;
    struct fixture fixture;
    int how;
    open_fixture(&fixture);
    pid_t child = fork();
    if (!child) {
        fixture.backend.before = die;
        _exit(pack(&fixture, PACK_FILE) == STATUS_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how));
    assert_int_equal(scratch_entries(&fixture.cache), 1);
    good(prepare_with(&fixture,
                      &(struct packed_options){.mode = PACK_FILE, .cache_dir = fixture.cache.directory}));
    assert_null(fixture.packed.panels);
    assert_int_equal(access(fixture.packed.path, F_OK), -1);
    assert_true(is_built(&fixture));
    assert_int_equal(scratch_entries(&fixture.cache), 1);
    check_all(&fixture);
    close_fixture(&fixture);
}

static void take_time(struct packing_backend *backend) {
    (void)backend;
    usleep(3000);
}

static void test_two_processes(void **state) {
    (void)state;
    struct fixture fixture;
    int how;
    open_fixture(&fixture);
    fixture.backend.before = take_time;
    pid_t child = fork();
    enum status status = pack(&fixture, PACK_FILE);
    if (!child) _exit(status != STATUS_OK ? 9 : fixture.packed.built);
    good(status);
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how) + fixture.packed.built, 1); /* one of them made it */
    assert_int_equal(scratch_entries(&fixture.cache), 1);
    check_all(&fixture);
    close_fixture(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which),          cmocka_unit_test(test_heads),
        cmocka_unit_test(test_every_format),   cmocka_unit_test(test_plain_types),
        cmocka_unit_test(test_tied_head),      cmocka_unit_test(test_modes),
        cmocka_unit_test(test_little_memory),  cmocka_unit_test(test_no_directory),
        cmocka_unit_test(test_found_again),    cmocka_unit_test(test_stale),
        cmocka_unit_test(test_damage),         cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_damaged_panels), cmocka_unit_test(test_hostile_records),
        cmocka_unit_test(test_shrinks),        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_source_changes), cmocka_unit_test(test_killed),
        cmocka_unit_test(test_two_processes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
