#include "COpenBLAS.h"
int quern_openblas_placeholder(void) { return 0; }
