/* What callers and files can do wrong: each must be a status with a message, and never a crash. */
#include "check.h"
#include "tests.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static quern_status open_bytes(const uint8_t *bytes, size_t size) {
  quern_model *model = (quern_model *)(uintptr_t)1;
  quern_status status = quern_model_open_memory(bytes, size, NULL, &model);
  CHECK((status == QUERN_OK) == (model != NULL));
  quern_model_free(model);
  return status;
}

static void test_opening(const char *path, const char *folder) {
  quern_model *model = NULL;
  EXPECT(quern_model_open(NULL, NULL, &model), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_open(path, NULL, NULL), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_open("/no/such/file.quern", NULL, &model), QUERN_ERROR_NOT_FOUND);
  EXPECT(quern_model_open("\xFF.quern", NULL, &model), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_open("/", NULL, &model), QUERN_ERROR_IO);
  EXPECT(quern_model_open("/dev/null", NULL, &model), QUERN_ERROR_IO);
  EXPECT(quern_model_open_memory(NULL, 100, NULL, &model), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_open_memory("", 0, NULL, &model), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_open_memory("x", (size_t)-1, NULL, &model), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_open_fd(-1, 0, 0, NULL, &model), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_open_fd(1000, 0, 0, NULL, &model), QUERN_ERROR_IO);
  CHECK(model == NULL);

  char text[4096];
  snprintf(text, sizeof text, "%s/text.quern", folder);
  write_file(text, "not a package", 13);
  EXPECT(quern_model_open(text, NULL, &model), QUERN_ERROR_BAD_DATA);
  write_file(text, "", 0);
  EXPECT(quern_model_open(text, NULL, &model), QUERN_ERROR_BAD_DATA);
  int fd = open(path, O_RDONLY);
  EXPECT(quern_model_open_fd(fd, UINT64_MAX, 0, NULL, &model), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_open_fd(fd, 1ull << 40, 0, NULL, &model), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_open_fd(fd, 0, 1ull << 40, NULL, &model), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_open_fd(fd, 64, 0, NULL, &model), QUERN_ERROR_BAD_DATA);
  close(fd);
}

static void test_damage(const char *path) {
  size_t size;
  uint8_t *bytes = read_file(path, &size);
  CHECK(open_bytes(bytes, size) == QUERN_OK);
  for (size_t length = 1; length < size; length += length < 256 ? 1 : 977) {
    EXPECT(open_bytes(bytes, length), QUERN_ERROR_BAD_DATA);
  }
  for (size_t offset = 0; offset < size; offset += 211) {
    bytes[offset] ^= 4;
    quern_model *model = NULL;
    quern_model_options options = QUERN_MODEL_OPTIONS_INIT;
    options.flags = QUERN_MODEL_CHECK_ALL;
    quern_status status = quern_model_open_memory(bytes, size, &options, &model);
    CHECK(status == QUERN_ERROR_BAD_DATA || status == QUERN_ERROR_UNSUPPORTED);
    CHECK(model == NULL);
    bytes[offset] ^= 4;
  }
  /* A later major version. */
  bytes[8] = 2;
  EXPECT(open_bytes(bytes, size), QUERN_ERROR_UNSUPPORTED);
  free(bytes);
}

static void test_options(const char *path) {
  quern_model *model = NULL;
  quern_model_options options = QUERN_MODEL_OPTIONS_INIT;
  size_t sizes[] = {0, 4, sizeof options - 1, 1 << 20, (size_t)-1};
  for (size_t index = 0; index < sizeof sizes / sizeof *sizes; index++) {
    options.struct_size = sizes[index];
    EXPECT(quern_model_open(path, &options, &model), QUERN_ERROR_INVALID_ARGUMENT);
  }
  /* A struct of a later version, whose new fields are 0 or not. */
  struct {
    quern_model_options known;
    uint64_t later;
  } longer = {QUERN_MODEL_OPTIONS_INIT, 0};
  longer.known.struct_size = sizeof longer;
  EXPECT(quern_model_open(path, &longer.known, &model), QUERN_OK);
  quern_model_free(model);
  longer.later = 1;
  EXPECT(quern_model_open(path, &longer.known, &model), QUERN_ERROR_UNSUPPORTED);

  options = (quern_model_options)QUERN_MODEL_OPTIONS_INIT;
  options.threads = 1000000;
  EXPECT(quern_model_open(path, &options, &model), QUERN_ERROR_INVALID_ARGUMENT);
  options = (quern_model_options)QUERN_MODEL_OPTIONS_INIT;
  options.tier = 99;
  EXPECT(quern_model_open(path, &options, &model), QUERN_ERROR_INVALID_ARGUMENT);
  options.tier = quern_tier_available(QUERN_TIER_NEON) ? QUERN_TIER_AVX2 : QUERN_TIER_NEON;
  EXPECT(quern_model_open(path, &options, &model), QUERN_ERROR_NOT_AVAILABLE);
  options = (quern_model_options)QUERN_MODEL_OPTIONS_INIT;
  options.flags = 1u << 31;
  EXPECT(quern_model_open(path, &options, &model), QUERN_ERROR_UNSUPPORTED);
}

static void test_sessions(const char *path) {
  quern_model *model = NULL;
  quern_session *session = NULL;
  EXPECT(quern_model_open(path, NULL, &model), QUERN_OK);
  EXPECT(quern_session_create(NULL, NULL, &session), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_session_create(model, NULL, NULL), QUERN_ERROR_INVALID_ARGUMENT);
  quern_session_options options = QUERN_SESSION_OPTIONS_INIT;
  options.struct_size = 3;
  EXPECT(quern_session_create(model, &options, &session), QUERN_ERROR_INVALID_ARGUMENT);
  options = (quern_session_options)QUERN_SESSION_OPTIONS_INIT;
  options.input = 7;
  EXPECT(quern_session_create(model, &options, &session), QUERN_ERROR_INVALID_ARGUMENT);
  options = (quern_session_options)QUERN_SESSION_OPTIONS_INIT;
  options.size = 8193;
  EXPECT(quern_session_create(model, &options, &session), QUERN_ERROR_INVALID_ARGUMENT);
  options.size = 1;
  quern_status status = quern_session_create(model, &options, &session);
  CHECK(status == QUERN_ERROR_IMAGE_SIZE || status == QUERN_OK);
  quern_session_free(session);
  options = (quern_session_options)QUERN_SESSION_OPTIONS_INIT;
  options.pooling_exponent = -1;
  EXPECT(quern_session_create(model, &options, &session), QUERN_ERROR_INVALID_ARGUMENT);
  options.pooling_exponent = 0.0 / 0.0;
  EXPECT(quern_session_create(model, &options, &session), QUERN_ERROR_INVALID_ARGUMENT);
  CHECK(session == NULL);

  EXPECT(quern_session_create(model, NULL, &session), QUERN_OK);
  size_t dimension = quern_model_dimension(model);
  float *embedding = malloc(2 * dimension * sizeof *embedding);
  quern_image image = made_image(90, 70, 1);
  EXPECT(quern_embed(NULL, &image, 1, embedding, dimension, NULL, 0), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_embed(session, NULL, 1, embedding, dimension, NULL, 0), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_embed(session, &image, 0, embedding, dimension, NULL, 0), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_embed(session, &image, 1, NULL, 0, NULL, 0), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_embed(session, &image, 1, embedding, dimension - 1, NULL, 0), QUERN_ERROR_BUFFER_TOO_SMALL);
  EXPECT(quern_embed(session, &image, 1, embedding, 0, NULL, 0), QUERN_ERROR_BUFFER_TOO_SMALL);
  if (quern_model_class_count(model) == 0) {
    EXPECT(quern_embed(session, &image, 1, embedding, dimension, embedding, dimension), QUERN_ERROR_NOT_AVAILABLE);
  }
  quern_image images[2] = {image, image};
  EXPECT(quern_embed(session, images, 2, embedding, 2 * dimension - 1, NULL, 0), QUERN_ERROR_BUFFER_TOO_SMALL);
  quern_image bad = image;
  bad.pixels = NULL;
  EXPECT(quern_embed(session, &bad, 1, embedding, dimension, NULL, 0), QUERN_ERROR_INVALID_ARGUMENT);
  size_t sides[] = {0, (size_t)-1, (size_t)1 << 40, (size_t)1 << 63};
  for (size_t index = 0; index < sizeof sides / sizeof *sides; index++) {
    bad = image, bad.height = sides[index];
    EXPECT(quern_embed(session, &bad, 1, embedding, dimension, NULL, 0), QUERN_ERROR_INVALID_ARGUMENT);
    bad = image, bad.width = sides[index];
    EXPECT(quern_embed(session, &bad, 1, embedding, dimension, NULL, 0), QUERN_ERROR_INVALID_ARGUMENT);
  }
  size_t strides[] = {1, 3 * 70 - 1, (size_t)-1, (size_t)1 << 62};
  for (size_t index = 0; index < sizeof strides / sizeof *strides; index++) {
    bad = image, bad.row_stride = strides[index];
    EXPECT(quern_embed(session, &bad, 1, embedding, dimension, NULL, 0), QUERN_ERROR_INVALID_ARGUMENT);
  }
  EXPECT(quern_embed(session, &image, 1, embedding, dimension, NULL, 0), QUERN_OK);
  quern_session_free(session);

  /* A network cannot take every size of pixels that are ready. */
  options = (quern_session_options)QUERN_SESSION_OPTIONS_INIT;
  options.input = QUERN_INPUT_READY;
  EXPECT(quern_session_create(model, &options, &session), QUERN_OK);
  quern_image large = {.pixels = image.pixels, .height = 1 << 20, .width = 1 << 20};
  EXPECT(quern_embed(session, &large, 1, embedding, dimension, NULL, 0), QUERN_ERROR_IMAGE_SIZE);
  EXPECT(quern_embed(session, &image, 1, embedding, dimension, NULL, 0), QUERN_OK);
  quern_session_free(session);

  quern_memory memory = QUERN_MEMORY_INIT;
  EXPECT(quern_peak_memory(NULL, NULL, 0, 0, &memory), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_peak_memory(model, NULL, 0, 0, NULL), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_peak_memory(model, NULL, 10, 0, &memory), QUERN_ERROR_INVALID_ARGUMENT);
  memory.struct_size = 0;
  EXPECT(quern_peak_memory(model, NULL, 0, 0, &memory), QUERN_ERROR_INVALID_ARGUMENT);
  quern_fidelity fidelity = QUERN_FIDELITY_INIT;
  EXPECT(quern_model_fidelity(NULL, 0, &fidelity), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_fidelity(model, 0, NULL), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_fidelity(model, 1000, &fidelity), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_fidelity(model, (size_t)-1, &fidelity), QUERN_ERROR_INVALID_ARGUMENT);
  const char *json;
  EXPECT(quern_model_metadata(NULL, &json, NULL), QUERN_ERROR_INVALID_ARGUMENT);
  EXPECT(quern_model_metadata(model, NULL, NULL), QUERN_ERROR_INVALID_ARGUMENT);
  free(embedding);
  free_image(image);
  quern_model_free(model);
}

static void test_null(void) {
  CHECK(quern_model_dimension(NULL) == 0 && quern_model_class_count(NULL) == 0 && quern_model_size_count(NULL) == 0);
  CHECK(quern_model_size(NULL, 0) == 0 && quern_model_pooling_exponent(NULL, 0) == 0);
  CHECK(quern_model_label(NULL, 0) == NULL && quern_model_crop(NULL) == NULL && quern_model_crop_ratio(NULL) == 0);
  CHECK(quern_model_resize_filter(NULL) == NULL && quern_model_architecture(NULL) == NULL);
  CHECK(quern_model_content_hash(NULL) == NULL && quern_model_format_version(NULL) == 0);
  quern_model_free(NULL);
  quern_session_free(NULL);
  CHECK(strcmp(quern_status_name(QUERN_ERROR_BUSY), "QUERN_ERROR_BUSY") == 0);
  CHECK(strcmp(quern_status_name((quern_status)12345), "unknown status") == 0);
  CHECK(strcmp(quern_tier_name(QUERN_TIER_SCALAR), "scalar") == 0);
  CHECK(strcmp(quern_tier_name((quern_tier)12345), "unknown tier") == 0);
  CHECK(quern_tier_available(QUERN_TIER_SCALAR) == 1 && quern_tier_available((quern_tier)12345) == 0);
  CHECK(quern_runtime_version() == QUERN_VERSION);
  CHECK(quern_format_version() >= 10000);
}

void test_errors(const char *path, const char *folder) {
  CHECK(quern_last_error()[0] == 0);
  test_null();
  test_opening(path, folder);
  test_options(path);
  test_damage(path);
  test_sessions(path);
}
