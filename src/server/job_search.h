/* job_search.h - tools that the server runs for a request before the model answers: a search with the user's last message, and
 * pages that it links to. */
#ifndef HADAL_SERVER_JOB_SEARCH_H
#define HADAL_SERVER_JOB_SEARCH_H

#include "server/job.h"

/* On a thread of the search's desk: what was found goes into the last message of the user, in DeepSeek's published form, and
 * into job->sources. Each call is charged by itself. */
must_use enum status job_search(struct job *job);

/* "search_results": [{"index", "title", "url", "summary"}], with a comma in front. Nothing where nothing was searched. */
void job_write_sources(const struct job *job, struct buffer *out);

#endif
