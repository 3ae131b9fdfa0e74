#pragma once
#include "quern_igemm.h"

// Pointwise products into levels, with remainders or without, onto a residual that has them or none: what turns accumulators
// into those is up to half of the time of such a layer if it comes after each tile's products, though it keeps other units of
// the processor busy than they do. Here a tile's rows are finished between the products of the next tile.

// Whether the product is one that `quern_igemm_avx512vnni_late` takes.
int quern_igemm_is_late(const quern_igemm_args *a);

// `pass` rows at a time.
void quern_igemm_avx512vnni_late(const quern_igemm_args *a, size_t pass);
