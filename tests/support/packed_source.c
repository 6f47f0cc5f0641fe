/* packed_source.c - the checkpoint and the backend. */
#include "support/packed_source.h"

#include "base/bytes.h"
#include "kernel/panel.h"
#include "model/synth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char latent_config[] =
    "{\"model_type\":\"deepseek_v3\",\"vocab_size\":300,\"hidden_size\":256,\"intermediate_size\":512,"
    "\"moe_intermediate_size\":256,\"num_hidden_layers\":3,\"first_k_dense_replace\":1,\"num_attention_"
    "heads\":4,"
    "\"n_routed_experts\":4,\"n_shared_experts\":1,\"num_experts_per_tok\":2,\"n_group\":1,\"topk_group\":1,"
    "\"norm_topk_prob\":true,\"routed_scaling_factor\":1.0,\"q_lora_rank\":128,\"kv_lora_rank\":64,"
    "\"qk_rope_head_dim\":32,\"qk_nope_head_dim\":64,\"v_head_dim\":64,\"max_position_embeddings\":512,"
    "\"bos_token_id\":0,\"eos_token_id\":1}";

static const char tied_config[] =
    "{\"model_type\":\"qwen2\",\"vocab_size\":300,\"hidden_size\":256,\"intermediate_size\":512,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"tie_word_embeddings\":"
    "true,"
    "\"max_position_embeddings\":512,\"rms_norm_eps\":1e-6,\"rope_theta\":10000.0,\"bos_token_id\":0,"
    "\"eos_token_id\":1}";

static void require(enum status status) {
    if (status == STATUS_OK) return;
    fprintf(stderr, "packed source: %s\n", status_message());
    abort();
}

void packed_source_write(const char *path, enum dtype type, bool tied, uint64_t seed) {
    json_t *config;
    struct synth_result result;
    const char *text = tied ? tied_config : latent_config;
    require(json_parse(text, strlen(text), "packed source", &config));
    struct synth_options options = {.config = config,
                                    .origin = "packed source",
                                    .name = "packed",
                                    .path = path,
                                    .mix = {.type = type},
                                    .seed = seed,
                                    .threads = 1};
    require(synth_write(&options, &result));
    json_decref(config);
}

void packed_source_open(struct packed_source *source, const char *path) {
    require(checkpoint_open(&source->checkpoint, path, CHECKPOINT_TENSORS));
    require(model_desc_from_gguf(&source->desc, &source->checkpoint.gguf));
    require(weights_load(&source->weights, &source->desc, &source->checkpoint));
}

void packed_source_close(struct packed_source *source) {
    weights_free(&source->weights);
    checkpoint_close(&source->checkpoint);
}

static void pack(struct backend *base, const struct tensor *w, int format, void *panels) {
    struct packing_backend *backend = (struct packing_backend *)base;
    if (backend->before) backend->before(backend);
    backend->packs++;
    panels_pack((enum panel_format)format, w, 0, divide_up(w->shape[0], PANEL_OUTS), panels);
}

void packing_backend_make(struct packing_backend *backend) {
    *backend = (struct packing_backend){.ops = {.name = "packing", .pack = pack}};
    backend->base = (struct backend){.ops = &backend->ops, .integer_products = true};
}
