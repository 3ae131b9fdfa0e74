#include "rows.h"

void quern_layernorm_scalar(const quern_layernorm_args *a) { run_rows(a); }
