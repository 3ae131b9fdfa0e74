#pragma once
#include "quern_igemm.h"

// Pointwise products stored as levels, with or without remainders, with a residual that has remainders or without a
// residual. If the epilogue follows the products of each tile, it takes up to half of the time of such a layer,
// although it uses other units of the processor. Here, it is interleaved with the products of the next tile.

// Whether `quern_igemm_avx512vnni_pipelined` can compute the product.
int quern_igemm_is_pipelined(const quern_igemm_args *a);

// Computes the product, `pass` rows at a time.
void quern_igemm_avx512vnni_pipelined(const quern_igemm_args *a, size_t pass);
