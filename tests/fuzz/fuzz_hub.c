/* What a hub lists, and names of models: any bytes are refused, or give names and checksums that lead out of no folder. */
#include "hub/listing.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_name(const char *text) {
    struct hub_name name;
    char path[HUB_PATH_BYTES];
    if (!hub_name_from(text, &name)) return;
    MUST(hub_path("/c", name.repository, NULL, path) == STATUS_OK);
    MUST(!strncmp(path, "/c/models--", 11) && !strchr(path + 11, '/'));
    MUST(!*name.file || hub_file_is_safe(name.file));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char *const pattern[] = {"*.gguf"};
    struct hub_choice choice = {pattern, bytes % 3 == 0, pattern, bytes % 5 == 0};
    struct hub_listing listing;
    char *text = malloc(bytes + 1);
    MUST(text);
    memcpy(text, data, bytes);
    text[bytes] = 0;
    check_name(text);
    if (hub_listing_parse(&listing, text, bytes, "fuzz/hub") == STATUS_OK) {
        for (int i = 0; i < listing.files; i++)
            MUST(hub_file_is_safe(listing.file[i].name) && hub_hash_is_valid(listing.file[i].hash) &&
                 listing.file[i].bytes >= 0);
        if (hub_choose(&listing, &choice, "fuzz/hub") != STATUS_OK)
            MUST(strstr(status_message(), "fuzz/hub"));
        hub_listing_free(&listing);
    }
    free(text);
    return 0;
}
