/* open.h - the parts of opening an engine that engine.c and open.c share. */
#ifndef HADAL_ENGINE_OPEN_H
#define HADAL_ENGINE_OPEN_H

#include "engine/engine.h"

must_use enum status step_buffers_open(struct engine *engine);
void step_buffers_close(struct engine *engine);

#endif
