/* Self-tests of this machine, whose kernels are right, or of which one was broken on purpose. */
#include "check.h"
#include "tests.h"

enum { MAX = QUERN_SELFTEST_MAX_RESULTS };

#if defined(__aarch64__)
static const quern_tier BROKEN_TIER = QUERN_TIER_NEON, SOUND_TIER = QUERN_TIER_NEON_DOT;
#else
static const quern_tier BROKEN_TIER = QUERN_TIER_AVX2, SOUND_TIER = QUERN_TIER_AVX512_VNNI;
#endif

static quern_model *described(const char *path) {
  quern_model *model = NULL;
  quern_model_options options = QUERN_MODEL_OPTIONS_INIT;
  options.flags = QUERN_MODEL_DESCRIBE_ONLY;
  EXPECT(quern_model_open(path, &options, &model), QUERN_OK);
  return model;
}

static void check_passed(const quern_selftest_result *result) {
  CHECK(result->struct_size == sizeof *result && result->difference == QUERN_DIFFERENCE_NONE);
  CHECK(result->checks > 0 && result->skipped_checks == 0 && result->failed_threads == 0);
  CHECK(result->different_layers == 0 && result->suspect_layers == 0);
  CHECK(result->layer == NULL && result->op == NULL && result->first_suspect == NULL);
}

static void test_errors_of(const quern_model *model) {
  quern_selftest_result results[MAX] = {QUERN_SELFTEST_RESULT_INIT};
  size_t count = 99;
  EXPECT(quern_selftest(NULL, NULL, NULL, 0, &count), QUERN_ERROR_INVALID_ARGUMENT);
  CHECK(count == 0);
  EXPECT(quern_selftest(model, NULL, results, 0, &count), QUERN_ERROR_BUFFER_TOO_SMALL);
  size_t sizes[] = {0, sizeof *results - 1, sizeof *results + 1, (size_t)-1};
  for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
    results->struct_size = sizes[index];
    EXPECT(quern_selftest(model, NULL, results, MAX, &count), QUERN_ERROR_INVALID_ARGUMENT);
  }
  quern_selftest_options options = QUERN_SELFTEST_OPTIONS_INIT;
  options.struct_size = 3;
  EXPECT(quern_selftest(model, &options, NULL, 0, NULL), QUERN_ERROR_INVALID_ARGUMENT);
  options = (quern_selftest_options)QUERN_SELFTEST_OPTIONS_INIT;
  options.tier = 99;
  EXPECT(quern_selftest(model, &options, NULL, 0, NULL), QUERN_ERROR_INVALID_ARGUMENT);
  options.tier = quern_tier_available(QUERN_TIER_NEON) ? QUERN_TIER_AVX2 : QUERN_TIER_NEON;
  EXPECT(quern_selftest(model, &options, NULL, 0, NULL), QUERN_ERROR_NOT_AVAILABLE);
  options = (quern_selftest_options)QUERN_SELFTEST_OPTIONS_INIT;
  options.threads = 1000000;
  EXPECT(quern_selftest(model, &options, NULL, 0, NULL), QUERN_ERROR_INVALID_ARGUMENT);
  options = (quern_selftest_options)QUERN_SELFTEST_OPTIONS_INIT;
  options.flags = 1u << 31;
  EXPECT(quern_selftest(model, &options, NULL, 0, NULL), QUERN_ERROR_UNSUPPORTED);
}

/* A package that states nothing, and what callers can do wrong. */
void test_selftest_errors(const char *folder) {
  char path[4096];
  snprintf(path, sizeof path, "%s/without-selftest.quern", folder);
  quern_model *model = described(path);
  size_t count = 99;
  EXPECT(quern_selftest(model, NULL, NULL, 0, &count), QUERN_ERROR_NO_SELFTEST);
  CHECK(count == 0 && strstr(quern_last_error(), "no self-test") != NULL);
  test_errors_of(model);
  quern_model_free(model);
}

void test_selftest(const char *path) {
  quern_model *model = described(path);
  EXPECT(quern_selftest(model, NULL, NULL, 0, NULL), QUERN_OK);
  quern_selftest_options options = QUERN_SELFTEST_OPTIONS_INIT;
  options.flags = QUERN_SELFTEST_SCALAR;
  options.threads = 3;
  quern_selftest_result results[MAX] = {QUERN_SELFTEST_RESULT_INIT};
  size_t count = 0;
  EXPECT(quern_selftest(model, &options, results, MAX, &count), QUERN_OK);
  CHECK(count > 0 && results[count - 1].tier == QUERN_TIER_SCALAR);
  for (size_t index = 0; index < count; index++) {
    check_passed(&results[index]);
    CHECK(results[index].threads == 3 && quern_tier_available((quern_tier)results[index].tier));
  }
  /* All tiers of the processor, each once, and each of them alone. */
  size_t available = 0;
  options = (quern_selftest_options)QUERN_SELFTEST_OPTIONS_INIT;
  for (uint32_t tier = QUERN_TIER_SCALAR; strcmp(quern_tier_name((quern_tier)tier), "unknown tier") != 0; tier++) {
    if (!quern_tier_available((quern_tier)tier)) continue;
    available++;
    size_t found = 0;
    for (size_t index = 0; index < count; index++) found += results[index].tier == tier;
    CHECK(found == 1);
    quern_selftest_result one = QUERN_SELFTEST_RESULT_INIT;
    options.tier = tier;
    size_t single = 0;
    EXPECT(quern_selftest(model, &options, &one, 1, &single), QUERN_OK);
    CHECK(single == 1 && one.tier == tier);
    check_passed(&one);
  }
  CHECK(count == available || (count == available + 1 && results[0].tier == QUERN_TIER_AUTO));

  /* Elements of a later version are further apart. */
  struct {
    quern_selftest_result known;
    uint64_t later;
  } longer[MAX] = {{QUERN_SELFTEST_RESULT_INIT, 7}};
  longer[0].known.struct_size = sizeof *longer;
  EXPECT(quern_selftest(model, NULL, &longer[0].known, MAX, &count), QUERN_OK);
  for (size_t index = 0; index < count; index++) {
    CHECK(longer[index].known.struct_size == sizeof *longer && longer[index].later == 0);
    CHECK(longer[index].known.checks == results[0].checks && longer[index].known.tier == results[index].tier);
  }
  quern_model_free(model);
}

void test_broken_kernel(const char *path) {
  quern_model *model = described(path);
  quern_selftest_result results[MAX] = {QUERN_SELFTEST_RESULT_INIT};
  size_t count = 0;
  EXPECT(quern_selftest(model, NULL, results, MAX, &count), QUERN_ERROR_SELFTEST_FAILED);
  char message[2048];
  snprintf(message, sizeof message, "%s", quern_last_error());
  CHECK(strstr(message, quern_tier_name(BROKEN_TIER)) != NULL);
  int is_found = 0;
  for (size_t index = 0; index < count; index++) {
    const quern_selftest_result *result = &results[index];
    if (result->tier == (uint32_t)SOUND_TIER) check_passed(result);
    if (result->tier != (uint32_t)BROKEN_TIER) continue;
    is_found = 1;
    CHECK(result->difference == QUERN_DIFFERENCE_BITS && result->different_layers > 0);
    CHECK(result->threads > 0 && result->failed_threads == result->threads);
    /* Every layer of this network has a check. */
    CHECK(result->suspect_layers == 1 && strcmp(result->layer, result->first_suspect) == 0);
    CHECK(strcmp(result->op, "convolution") == 0 && strstr(message, result->layer) != NULL);
  }
  CHECK(is_found);
  quern_selftest_options options = QUERN_SELFTEST_OPTIONS_INIT;
  options.tier = (uint32_t)BROKEN_TIER;
  EXPECT(quern_selftest(model, &options, NULL, 0, NULL), QUERN_ERROR_SELFTEST_FAILED);
  options.tier = QUERN_TIER_SCALAR;
  EXPECT(quern_selftest(model, &options, NULL, 0, NULL), QUERN_OK);
  printf("%s\n", message);
  quern_model_free(model);
}
