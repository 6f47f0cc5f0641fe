/* job_form.h - what a job's answers must follow: a schema, a grammar, choices, a call of a tool. On a thread of the desk. */
#ifndef HADAL_SERVER_JOB_FORM_H
#define HADAL_SERVER_JOB_FORM_H

#include "server/job.h"

/* Opens the job's mask, if it takes one. `call` is the grammar of a call that must come, which is taken over, or NULL. */
must_use enum status job_constrain(struct job *job, struct grammar *call);

#endif
