/* rates.h - how fast this program multiplies on a machine, measured part by part, and what a model's steps take by it: a sum over
 * the table of weights, each matrix in its format and at the number of rows that meet it. No weights are read. Pure functions. */
#ifndef HADAL_PLAN_RATES_H
#define HADAL_PLAN_RATES_H

#include "plan/shape.h"

enum { RATE_ROWS = 8, RATE_TYPES_MOST = 16, RATE_ATTENTIONS_MOST = 8 };
extern const int plan_rate_rows[RATE_ROWS]; /* rows that are measured, ascending from 1 */

/* Measured with one matrix, or one layer's attention, of usual size. */
struct plan_rates {
    struct {
        enum dtype dtype;
        double seconds[RATE_ROWS]; /* of a product, for each weight of the matrix */
    } type[RATE_TYPES_MOST];
    int types;
    struct {
        bool latent, prompt;
        int heads;
        double operations; /* a second */
    } attention[RATE_ATTENTIONS_MOST];
    int attentions;
    double pass; /* seconds for a value that is read twice and written once, between products */
    double wake; /* seconds from handing work to the threads until all of them work */
};

/* Seconds for each weight of a matrix that meets so many rows; between the rows that were measured by the logarithm. A
 * format that was not measured counts as the one nearest in bytes. */
double plan_rate_seconds(const struct plan_rates *rates, enum dtype dtype, double rows);
/* Operations a second of attention of a kind; between numbers of heads by the logarithm. 0 when none was measured. */
double plan_rate_attention(const struct plan_rates *rates, bool latent, bool prompt, int heads);

struct plan_steps {
    double step_seconds;                       /* of the products of a decoding step of `batch` tokens */
    double prompt_seconds;                     /* of a prompt's, the logits of its last token included */
    double values;                             /* that a token has between products, each passed over once */
    double operations;                         /* that are handed to the threads in either */
    double decode_attention, prompt_attention; /* operations a second */
};
must_use enum status plan_steps_of(struct plan_steps *steps, const struct plan_rates *rates,
                                   const struct model_desc *desc, const char *type, double batch,
                                   double prompt);

/* Sets the shares of a sheet of fit whose model, machine and questions are filled in, so that its formulas come to the
 * measured seconds. */
must_use enum status plan_fill_rates(struct sheet *sheet, const struct plan_rates *rates,
                                     const struct model_desc *desc, const char *type, const char *source);

#endif
