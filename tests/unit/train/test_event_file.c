/* test_event_file.c - event files are framed, summed up and filled as TensorBoard expects: read back by a reader of its own. */
#include "support/scratch.h"
#include "train/event_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* The check value of the catalogue of CRCs, and 32 zeros and ones of RFC 3720 B.4. */
static void test_checksum(void **state) {
    (void)state;
    unsigned char bytes[32] = {0};
    assert_int_equal(crc32c("123456789", 9), 0xE3069283);
    assert_int_equal(crc32c(bytes, 32), 0x8A9136AA);
    memset(bytes, 0xFF, 32);
    assert_int_equal(crc32c(bytes, 32), 0x62A8AB43);
    assert_int_equal(crc32c("", 0), 0);
}

static uint64_t read_fixed(const unsigned char *at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static uint32_t unmask(uint64_t value) {
    uint32_t rotated = (uint32_t)value - 0xA282EAD8u;
    return rotated >> 17 | rotated << 15;
}

/* The next record; its size, or 0 at the end. */
static size_t next_record(const unsigned char *file, size_t bytes, size_t *at, const unsigned char **event) {
    if (*at == bytes) return 0;
    assert_true(bytes - *at > 16);
    size_t size = (size_t)read_fixed(file + *at, 8);
    assert_int_equal(unmask(read_fixed(file + *at + 8, 4)), crc32c(file + *at, 8));
    assert_true(size <= bytes - *at - 16);
    *event = file + *at + 12;
    assert_int_equal(unmask(read_fixed(*event + size, 4)), crc32c(*event, size));
    *at += size + 16;
    return size;
}

static bool contains(const unsigned char *event, size_t bytes, const void *part, size_t part_bytes) {
    for (size_t i = 0; i + part_bytes <= bytes; i++)
        if (!memcmp(event + i, part, part_bytes)) return true;
    return false;
}

static void test_scalars(void **state) {
    (void)state;
    struct scratch scratch;
    struct event_file events = {0};
    size_t bytes, at = 0, size;
    const unsigned char *event = NULL;
    scratch_open(&scratch);
    assert_int_equal(event_file_open(&events, scratch.directory), STATUS_OK);
    json_t *line = json_pack("{s:i, s:f, s:i, s:b, s:f}", "step", 300, "loss", 0.5, "tokens", 7, "skipped", 1,
                             "unix_seconds", 2.0);
    assert_int_equal(event_file_write(&events, line), STATUS_OK);
    json_decref(line);
    event_file_close(&events);
    char *file = file_contents(scratch_path(&scratch, EVENT_FILE_NAME), &bytes);
    size = next_record((unsigned char *)file, bytes, &at, &event);
    assert_true(size && contains(event, size,
                                 "\x1A\x0D"
                                 "brain.Event:2",
                                 15));
    size = next_record((unsigned char *)file, bytes, &at, &event);
    static const unsigned char head[] = {0x09, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x10, 0xAC, 0x02, 0x2A};
    static const unsigned char loss[] = {0x0A, 11, 0x0A, 4, 'l', 'o', 's', 's', 0x15, 0, 0, 0, 0x3F};
    static const unsigned char tokens[] = {0x0A, 13,  0x0A, 6, 't', 'o',  'k', 'e',
                                           'n',  's', 0x15, 0, 0,   0xE0, 0x40};
    assert_int_equal(size, sizeof head + 1 + sizeof loss + sizeof tokens);
    assert_memory_equal(event, head, sizeof head);
    assert_int_equal(event[sizeof head], sizeof loss + sizeof tokens);
    assert_true(contains(event, size, loss, sizeof loss));
    assert_true(contains(event, size, tokens, sizeof tokens));
    assert_int_equal(next_record((unsigned char *)file, bytes, &at, &event), 0);
    free(file);
    scratch_close(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_checksum), cmocka_unit_test(test_scalars)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
