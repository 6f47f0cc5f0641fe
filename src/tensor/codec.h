/* codec.h - the decode and encode functions behind the traits table, one pair per format. Only
 * dtype.c names them; everyone else goes through dtype_traits(). */
#ifndef HADAL_TENSOR_CODEC_H
#define HADAL_TENSOR_CODEC_H

#include <stdint.h>

typedef void block_decode(const void *blocks, float *values, int64_t elements);
typedef void block_encode(const float *values, void *blocks, int64_t elements);

typedef void block_fit(const float *values, const float *importance, void *blocks, int64_t elements);

block_decode decode_f32, decode_f16, decode_bf16, decode_e4m3, decode_e8m0;   /* block_plain.c */
block_decode decode_q8_0, decode_q4_0, decode_q4_1, decode_q5_0, decode_q5_1; /* block_small.c */
block_decode decode_iq4_nl, decode_mxfp4, decode_f8_scaled;                   /* block_small.c */
block_decode decode_q2_k, decode_q3_k, decode_q4_k, decode_q5_k, decode_q6_k; /* block_k.c */
block_decode decode_iq4_xs, decode_iq2_xxs, decode_iq2_xs, decode_iq2_s, decode_iq3_xxs,
    decode_iq3_s;                        /* block_iq.c */
block_decode decode_iq1_s, decode_iq1_m; /* block_iq.c */

block_encode encode_f32, encode_f16, encode_bf16, encode_e4m3; /* block_plain.c */
block_encode encode_q8_0, encode_q4_0, encode_q4_1, encode_q5_0, encode_q5_1, encode_mxfp4,
    encode_f8_scaled; /* encode_small.c */
block_encode encode_q2_k, encode_q3_k, encode_q4_k, encode_q5_k, encode_q6_k, encode_iq4_nl,
    encode_iq4_xs; /* encode_k.c */

block_fit fit_q4_0, fit_q4_1, fit_q5_0, fit_q5_1, fit_q2_k, fit_q3_k, fit_q4_k, fit_q5_k, fit_q6_k,
    fit_iq4_nl, fit_iq4_xs; /* encode_k.c */

#endif
