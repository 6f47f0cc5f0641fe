/* config.json: any text is either refused with a sentence or becomes a description whose sizes hold together. */
#include "model/kv_planes.h"
#include "model/weight_table.h"

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { LONGEST_ROTATION = MODEL_MAX_WIDTH / 2 };

/* The frequencies of an accepted rotation are finite: they become angles. */
static void check_rotation(const struct model_desc *desc) {
    static double frequency[LONGEST_ROTATION];
    double multiplier;
    int dim = model_rope_dim(desc);
    MUST(dim >= 2 && dim <= MODEL_MAX_WIDTH);
    rope_frequencies(&desc->rope, dim, frequency, &multiplier);
    MUST(isfinite(multiplier));
    for (int i = 0; i < dim / 2; i++) MUST(isfinite(frequency[i]));
    MUST(isfinite(desc->attention_scale));
}

static void check_weights(const struct model_desc *desc) {
    const struct weight_row *rows = weight_rows();
    for (int w = 0; w < WEIGHT_COUNT; w++) {
        char name[128];
        int64_t shape[3], elements = 4; /* bytes as f32 */
        int last = rows[w].copies == PER_MODEL ? 1 : desc->layers + desc->mtp_layers;
        for (int layer = 0; layer < last; layer++) {
            if (!weight_exists(desc, (enum weight)w, layer)) continue;
            int rank = weight_shape(desc, (enum weight)w, shape);
            for (int i = 0; i < rank; i++) {
                MUST(shape[i] > 0);
                MUST(!__builtin_mul_overflow(elements, shape[i], &elements));
            }
            elements = 4;
            weight_name(&rows[w], true, layer, 0, name, sizeof name);
            MUST(strlen(name) < sizeof name - 1);
            if (!rows[w].hugging_face) continue;
            weight_name(&rows[w], false, layer, MODEL_MAX_EXPERTS, name, sizeof name);
            MUST(strlen(name) < sizeof name - 1);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static struct model_desc desc;
    struct kv_plane plane[KV_PLANES];
    json_t *config;
    if (json_parse((const char *)data, bytes, "config.json", &config) != STATUS_OK) {
        MUST(strstr(status_message(), "config.json"));
        return 0;
    }
    if (model_desc_from_config(&desc, config, "config.json") == STATUS_OK) {
        struct parameter_counts counts = model_parameters(&desc);
        MUST(counts.active > 0 && counts.total >= counts.active && counts.mtp >= 0);
        check_weights(&desc);
        check_rotation(&desc);
        MUST(kv_planes_of(&desc, DTYPE_BF16, plane) == STATUS_OK);
        MUST(kv_bytes_per_token(&desc, plane, true) > 0);
    } else {
        MUST(strstr(status_message(), "config.json"));
    }
    json_decref(config);
    return 0;
}
