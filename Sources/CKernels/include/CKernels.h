#pragma once
#include "quern_cpu.h"
#include "quern_depthwise.h"
#include "quern_elementwise.h"
#include "quern_histogram.h"
#include "quern_igemm.h"
#include "quern_pool.h"
#include "quern_rowlinear.h"
