/* later.h - shapes of published models that plans know and hadal does not run: V3.2 with its index, and V4 with compressed attention
 * and hyper-connections. Sums over what their configurations say. Constant data and pure functions. */
#ifndef HADAL_PLAN_LATER_H
#define HADAL_PLAN_LATER_H

#include "plan/shape.h"

struct later_model;
const struct later_model *later_find(const char *name); /* NULL: none of them */
const char *later_name(int index);                      /* NULL past the end */

/* `type`: native is what was published; bf16; fp8; or the name of a format of hadal quantize, then for all matrices but
 * routers: mixes count as the format that they are named after. */
must_use enum status later_shape_of(struct plan_shape *shape, const struct later_model *model,
                                    const char *type);

#endif
