/* test_layout.c - names on a hub, what they become on the disk, and listings that lie. */
#include "support/scratch.h"

#include "hub/listing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void test_names(void **state) {
    (void)state;
    struct hub_name name;
    assert_true(hub_name_from("deepseek-ai/DeepSeek-V3.1", &name));
    assert_string_equal(name.repository, "deepseek-ai/DeepSeek-V3.1");
    assert_string_equal(name.revision, "main");
    assert_string_equal(name.file, "");
    assert_true(hub_name_from("a/b/q4/m-00001-of-00002.gguf@v1.0", &name));
    assert_string_equal(name.repository, "a/b");
    assert_string_equal(name.file, "q4/m-00001-of-00002.gguf");
    assert_string_equal(name.revision, "v1.0");
    assert_true(hub_name_from("a/b@refs/pr/1", &name));
    assert_string_equal(name.revision, "refs/pr/1");
    static const char *const none[] = {"",         "a",        "/a/b",   "a/",    "./b",      "../b", "a/..",
                                       "a/b/../c", "a/b@",     "a/b/",   "a b/c", "a/b@..",   "a//b", "a\n/b",
                                       "~/b",      "a/b@x\ny", "a--b/c", "-a/b",  "a/b@c/d@e"};
    for (size_t i = 0; i < COUNT_OF(none); i++)
        if (hub_name_from(none[i], &name)) fail_msg("'%s' is taken", none[i]);
    char long_name[1000];
    memset(long_name, 'a', sizeof long_name);
    long_name[50] = '/';
    long_name[sizeof long_name - 1] = '\0';
    assert_false(hub_name_from(long_name, &name));
}

static void refused(const char *text, const char *message) {
    struct hub_listing listing;
    if (hub_listing_parse(&listing, text, strlen(text), "o/n") == STATUS_OK) fail_msg("taken: %s", text);
    if (!strstr(status_message(), message)) fail_msg("'%s' says '%s'", text, status_message());
}

#define HASH        "0123456789abcdef0123456789abcdef01234567"
#define FILES(list) "{\"sha\": \"" HASH "\", \"siblings\": [" list "]}"

static void test_listings(void **state) {
    (void)state;
    refused("[]", "expected an object");
    refused("{\"siblings\": []}", "names no commit");
    refused("{\"sha\": \"../../x\", \"siblings\": []}", "names no commit");
    refused("{\"sha\": \"" HASH "\"}", "\"siblings\"");
    refused(FILES("{\"rfilename\": \"../x\", \"size\": 1, \"blobId\": \"" HASH "\"}"), "no name for a file");
    refused(FILES("{\"rfilename\": \"/x\", \"size\": 1, \"blobId\": \"" HASH "\"}"), "no name for a file");
    refused(FILES("{\"rfilename\": \"x\", \"size\": 1, \"blobId\": \"../../x\"}"), "no checksum");
    refused(FILES("{\"rfilename\": \"x\", \"size\": -1, \"blobId\": \"" HASH "\"}"), "size");
    refused(FILES("{\"rfilename\": \"x\", \"lfs\": {\"size\": 1, \"sha256\": \"" HASH "\"}}"), "no checksum");
    refused(FILES("{\"rfilename\": \"x\", \"size\": 1125899906842624, \"blobId\": \"" HASH
                  "\"}, {\"rfilename\": \"y\", \"size\": 1, \"blobId\": \"" HASH "\"}"),
            "y and the files before it");
    struct hub_listing listing;
    static const char none[] = FILES("");
    assert_int_equal(hub_listing_parse(&listing, none, strlen(none), "o/n"), STATUS_OK);
    assert_int_equal(hub_choose(&listing, &(struct hub_choice){0}, "o/n"), STATUS_UNSUPPORTED);
    hub_listing_free(&listing);
}

/* What is needed of the .gguf files `names`, which are parted by commas; NULL: it is refused. */
static void chosen(const char *names, const char *wanted) {
    struct hub_listing listing;
    char text[2048] = "{\"sha\": \"" HASH "\", \"siblings\": [", list[1024], found[1024] = "";
    snprintf(list, sizeof list, "%s", names);
    for (char *rest = list, *name; (name = strsep(&rest, ","));)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "%s{\"rfilename\": \"%s\", \"size\": 1, \"blobId\": \"" HASH "\"}", name > list ? ", " : "",
                 name);
    snprintf(text + strlen(text), sizeof text - strlen(text), "]}");
    assert_int_equal(hub_listing_parse(&listing, text, strlen(text), "o/n"), STATUS_OK);
    enum status status = hub_choose(&listing, &(struct hub_choice){0}, "o/n");
    for (int i = 0; i < listing.files; i++)
        if (listing.file[i].needed)
            snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", *found ? "," : "",
                     listing.file[i].name);
    if ((status == STATUS_OK) != (wanted != NULL)) fail_msg("%s: %s", names, status_message());
    if (wanted) assert_string_equal(found, wanted);
    hub_listing_free(&listing);
}

static void test_parts(void **state) {
    (void)state;
    static const char parts[] = "m-00001-of-00002.gguf,m-00002-of-00002.gguf";
    chosen("a.gguf", "a.gguf");
    chosen("mixture-of-experts.gguf", "mixture-of-experts.gguf");
    chosen(parts, parts);
    chosen("mixture-of-experts-00001-of-00002.gguf,mixture-of-experts-00002-of-00002.gguf",
           "mixture-of-experts-00001-of-00002.gguf,mixture-of-experts-00002-of-00002.gguf");
    chosen("m-00001-of-00002.gguf,m-00002-of-00002.gguf,n-00002-of-00003.gguf", parts);
    chosen("a.gguf,mixture-of-experts.gguf", NULL);
    chosen("m-00002-of-00002.gguf", NULL);
}

/* ORG/NAME is a folder with a configuration, or the only file of another kind. */
static void test_finding(void **state) {
    (void)state;
    struct scratch scratch;
    struct hub_name name;
    char path[HUB_PATH_BYTES], command[1024];
    scratch_open(&scratch);
    const char *at = scratch.directory;
    snprintf(command, sizeof command,
             "cd '%s' && mkdir -p models--o--n/refs models--o--n/snapshots/" HASH " && echo " HASH
             " > models--o--n/refs/main && touch models--o--n/snapshots/" HASH "/x.gguf",
             at);
    assert_int_equal(system(command), 0);
    assert_true(hub_name_from("o/n", &name));
    assert_int_equal(hub_find(at, &name, path), STATUS_OK);
    assert_non_null(strstr(path, HASH "/x.gguf"));
    snprintf(command, sizeof command, "touch '%s/models--o--n/snapshots/" HASH "/y.gguf'", at);
    assert_int_equal(system(command), 0);
    assert_int_equal(hub_find(at, &name, path), STATUS_INPUT);
    assert_true(hub_name_from("o/n/y.gguf", &name));
    assert_int_equal(hub_find(at, &name, path), STATUS_OK);
    assert_non_null(strstr(path, HASH "/y.gguf"));
    assert_true(hub_name_from("o/n/z.gguf", &name));
    assert_int_equal(hub_find(at, &name, path), STATUS_NOT_FOUND);
    assert_true(hub_name_from("o/m", &name));
    assert_int_equal(hub_find(at, &name, path), STATUS_NOT_FOUND);
    snprintf(command, sizeof command, "echo ../../../etc > '%s/models--o--n/refs/main'", at);
    assert_int_equal(system(command), 0);
    assert_true(hub_name_from("o/n", &name));
    assert_int_equal(hub_find(at, &name, path), STATUS_NOT_FOUND);
    snprintf(command, sizeof command, "rm -r '%s'/models--o--n", at);
    assert_int_equal(system(command), 0);
    scratch_close(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_listings),
                                       cmocka_unit_test(test_parts), cmocka_unit_test(test_finding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
