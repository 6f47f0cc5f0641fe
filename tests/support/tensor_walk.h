/* tensor_walk.h - does every view of a list that was read from hostile bytes lie inside them, and decode? */
#ifndef HADAL_TESTS_SUPPORT_TENSOR_WALK_H
#define HADAL_TESTS_SUPPORT_TENSOR_WALK_H

#include "base/file_map.h"
#include "format/tensor_file.h"

void tensor_walk(const struct tensor_list *list, const struct file_map *map); /* aborts when one does not */

#endif
