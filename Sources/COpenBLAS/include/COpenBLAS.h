#pragma once
int quern_openblas_placeholder(void);
