/* plan.h - the parts of `hadal plan`. Main thread only. */
#ifndef HADAL_CLI_PLAN_H
#define HADAL_CLI_PLAN_H

#include "cli/options.h"
#include "plan/sheet.h"

/* cmd_plan.c: applies --set, computes, and prints the sheet in the form that was asked for. */
must_use enum status plan_print_sheet(const struct option_values *values, struct sheet *sheet);

/* plan_model.c: for a model on a machine. */
must_use enum status plan_fit(const struct option_values *values);
must_use enum status plan_serve(const struct option_values *values);
must_use enum status plan_train(const struct option_values *values);

/* plan_lists.c: tables of what plans draw from. */
must_use enum status plan_list_presets(const struct option_values *values);
must_use enum status plan_list_hardware(const struct option_values *values);
must_use enum status plan_list_prices(const struct option_values *values);

#endif
