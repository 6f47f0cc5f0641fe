/* checkpoint_load.h - the two containers behind checkpoint_open(). Each fills maps and tensors of a
 * checkpoint that checkpoint.c owns and closes, also after a failure in the middle. */
#ifndef HADAL_FORMAT_CHECKPOINT_LOAD_H
#define HADAL_FORMAT_CHECKPOINT_LOAD_H

#include "format/checkpoint.h"

/* "directory/name" in the arena; NULL when out of memory. */
char *checkpoint_join(struct arena *arena, const char *directory, const char *name);
/* A JSON file that must hold an object. */
must_use enum status checkpoint_read_object(const char *path, size_t limit_bytes, json_t **root);

/* model.safetensors or the shards of the index; checkpoint->config is read already. */
must_use enum status checkpoint_load_safetensors(struct checkpoint *checkpoint);
/* Gives every F8_E4M3 weight of the sorted list its scale, and removes the scales from the list. */
must_use enum status checkpoint_pair_scales(struct checkpoint *checkpoint);
/* All parts; only the keys of the first without CHECKPOINT_TENSORS in `flags`. */
must_use enum status checkpoint_load_gguf(struct checkpoint *checkpoint, unsigned flags);

#endif
