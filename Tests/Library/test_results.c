/* The same bits for every way to open a package, tier, number of threads, batch and layout of rows. */
#include "check.h"
#include "tests.h"

#include <fcntl.h>
#include <unistd.h>

enum { IMAGES = 5 };

typedef struct results {
  float *embeddings;
  float *logits;
} results;

static size_t dimension, classes;
static quern_image images[IMAGES];

static results empty_results(void) {
  results results = {calloc(IMAGES * dimension, sizeof(float)), calloc(IMAGES * (classes + 1), sizeof(float))};
  return results;
}

static void free_results(results results) {
  free(results.embeddings);
  free(results.logits);
}

static int equal(results a, results b) {
  return memcmp(a.embeddings, b.embeddings, IMAGES * dimension * sizeof(float)) == 0 &&
         memcmp(a.logits, b.logits, IMAGES * classes * sizeof(float)) == 0;
}

static results embed_batch(quern_session *session, const quern_image *batch) {
  results results = empty_results();
  EXPECT(quern_embed(session, batch, IMAGES, results.embeddings, IMAGES * dimension,
                     classes > 0 ? results.logits : NULL, IMAGES * classes),
         QUERN_OK);
  return results;
}

static results embed_model(const quern_model *model, quern_session_options options, const quern_image *batch) {
  quern_session *session = NULL;
  EXPECT(quern_session_create(model, &options, &session), QUERN_OK);
  results results = session == NULL ? empty_results() : embed_batch(session, batch);
  quern_session_free(session);
  return results;
}

static quern_session_options session_options(uint32_t threads) {
  quern_session_options options = QUERN_SESSION_OPTIONS_INIT;
  options.threads = threads;
  return options;
}

static void check_equal(results expected, results actual, const char *what) {
  if (!equal(expected, actual)) {
    fprintf(stderr, "%s: the results are other bits\n", what);
    failure_count++;
  }
  free_results(actual);
}

static void test_sessions(const quern_model *model, results expected) {
  for (uint32_t threads = 1; threads <= 3; threads++) {
    quern_session *session = NULL;
    quern_session_options options = session_options(threads);
    EXPECT(quern_session_create(model, &options, &session), QUERN_OK);
    check_equal(expected, embed_batch(session, images), "batch");
    results single = empty_results();
    for (size_t index = IMAGES; index-- > 0;) {
      EXPECT(quern_embed(session, &images[index], 1, single.embeddings + index * dimension, dimension, NULL, 0),
             QUERN_OK);
      if (classes > 0) {
        EXPECT(quern_embed(session, &images[index], 1, NULL, 0, single.logits + index * classes, classes), QUERN_OK);
      }
    }
    check_equal(expected, single, "one by one");
    check_equal(expected, embed_batch(session, images), "batch again");
    quern_session_free(session);
  }
}

/* Rows with gaps between them. */
static void test_strides(const quern_model *model, results expected) {
  quern_image wide[IMAGES];
  for (size_t index = 0; index < IMAGES; index++) {
    quern_image image = images[index];
    size_t stride = 3 * image.width + 13 * index + 1;
    uint8_t *pixels = malloc(stride * image.height);
    memset(pixels, 0xAB, stride * image.height);
    for (size_t row = 0; row < image.height; row++) {
      memcpy(pixels + row * stride, image.pixels + row * 3 * image.width, 3 * image.width);
    }
    wide[index] = (quern_image){pixels, image.height, image.width, stride};
  }
  check_equal(expected, embed_model(model, session_options(1), wide), "row strides");
  for (size_t index = 0; index < IMAGES; index++) free_image(wide[index]);
}

/* Pixels that are ready: an image of the network's size that needs no resizing gives the same either way. */
static void test_ready(const quern_model *model) {
  quern_session_options options = session_options(2);
  options.input = QUERN_INPUT_READY;
  uint32_t size = quern_model_size(model, 0);
  quern_image ready[IMAGES];
  for (size_t index = 0; index < IMAGES; index++) ready[index] = made_image(size, size, 100 + (unsigned)index);
  results first = embed_model(model, options, ready);
  options.threads = 1;
  check_equal(first, embed_model(model, options, ready), "ready pixels");
  if (strcmp(quern_model_crop(model), "rect") == 0) {
    check_equal(first, embed_model(model, session_options(1), ready), "ready pixels, and images of the same size");
  }
  free_results(first);
  for (size_t index = 0; index < IMAGES; index++) free_image(ready[index]);
}

static void test_tiers(const char *path, results expected) {
  for (int tier = QUERN_TIER_SCALAR; strcmp(quern_tier_name((quern_tier)tier), "unknown tier") != 0; tier++) {
    if (!quern_tier_available((quern_tier)tier)) continue;
    quern_model_options options = QUERN_MODEL_OPTIONS_INIT;
    options.tier = (uint32_t)tier;
    options.threads = 1;
    quern_model *model = NULL;
    EXPECT(quern_model_open(path, &options, &model), QUERN_OK);
    check_equal(expected, embed_model(model, session_options(2), images), quern_tier_name((quern_tier)tier));
    quern_model_free(model);
  }
}

static void test_sources(const char *path, const char *folder, results expected) {
  size_t size;
  uint8_t *bytes = read_file(path, &size);
  for (size_t offset = 0; offset < 70; offset += 23) {
    /* Part of a file, with other bytes around it. */
    char archive[4096];
    snprintf(archive, sizeof archive, "%s/archive", folder);
    size_t start = 4096 * (offset / 23) + offset;
    uint8_t *whole = calloc(1, start + size + 100);
    memcpy(whole + start, bytes, size);
    write_file(archive, whole, start + size + 100);
    int fd = open(archive, O_RDONLY);
    lseek(fd, 17, SEEK_SET);
    quern_model *model = NULL;
    EXPECT(quern_model_open_fd(fd, start, size, NULL, &model), QUERN_OK);
    CHECK(lseek(fd, 0, SEEK_CUR) == 17);
    close(fd);
    unlink(archive);
    check_equal(expected, embed_model(model, session_options(1), images), "file descriptor");
    quern_model_free(model);

    /* Memory at any address. */
    model = NULL;
    EXPECT(quern_model_open_memory(whole + start, size, NULL, &model), QUERN_OK);
    check_equal(expected, embed_model(model, session_options(1), images), "memory");
    quern_model_free(model);
    free(whole);
  }
  free(bytes);
}

/* Sessions outlive their model. */
static void test_lifetime(const char *path, results expected) {
  quern_model *model = NULL;
  quern_session *session = NULL;
  EXPECT(quern_model_open(path, NULL, &model), QUERN_OK);
  EXPECT(quern_session_create(model, NULL, &session), QUERN_OK);
  quern_model_free(model);
  check_equal(expected, embed_batch(session, images), "after the model was freed");
  quern_session_free(session);
}

static void test_description(const char *path, const quern_model *whole) {
  quern_model *model = NULL;
  quern_model_options options = QUERN_MODEL_OPTIONS_INIT;
  options.flags = QUERN_MODEL_DESCRIBE_ONLY | QUERN_MODEL_CHECK_ALL;
  EXPECT(quern_model_open(path, &options, &model), QUERN_OK);
  quern_session *session = NULL;
  EXPECT(quern_session_create(model, NULL, &session), QUERN_ERROR_NOT_AVAILABLE);
  CHECK(strcmp(quern_model_content_hash(model), quern_model_content_hash(whole)) == 0);
  CHECK(strlen(quern_model_content_hash(model)) == 64);
  CHECK(quern_model_dimension(model) == dimension && quern_model_class_count(model) == classes);
  CHECK(quern_model_architecture(model)[0] != 0);
  CHECK(quern_model_format_version(model) == 10000);
  CHECK(quern_model_crop_ratio(model) > 0 && quern_model_resize_filter(model)[0] != 0);
  for (size_t index = 0; index < classes; index++) {
    CHECK((quern_model_label(model, index) == NULL) == (quern_model_label(model, 0) == NULL));
  }
  CHECK(quern_model_label(model, classes) == NULL && quern_model_label(model, (size_t)-1) == NULL);
  CHECK(quern_model_size(model, quern_model_size_count(model)) == 0);
  for (size_t index = 0; index < quern_model_size_count(model); index++) {
    CHECK(quern_model_size(model, index) > 0);
    quern_fidelity fidelity = QUERN_FIDELITY_INIT;
    EXPECT(quern_model_fidelity(model, index, &fidelity), QUERN_OK);
    CHECK(fidelity.size == quern_model_size(model, index) && fidelity.struct_size == sizeof fidelity);
    if (fidelity.measured) {
      CHECK(fidelity.images > 0 && fidelity.drift_mean >= 0 && fidelity.drift_mean <= fidelity.drift_max);
      CHECK(fidelity.verdict != QUERN_VERDICT_NONE);
      printf("  %u pixels: mean drift %g, maximum %g, %llu images\n", fidelity.size, fidelity.drift_mean,
             fidelity.drift_max, (unsigned long long)fidelity.images);
    } else {
      CHECK(fidelity.drift_mean != fidelity.drift_mean && fidelity.images == 0);
    }
  }
  const char *json = NULL, *again = NULL;
  size_t size;
  EXPECT(quern_model_metadata(model, &json, &size), QUERN_OK);
  CHECK(strlen(json) == size && (size == 0 || json[0] == '{'));
  EXPECT(quern_model_metadata(model, &again, NULL), QUERN_OK);
  CHECK(json == again);
  quern_model_free(model);
}

/* Other sizes and exponents than the first give other results, and the same each time. */
static void test_choices(const quern_model *model, results expected) {
  quern_session_options options = session_options(1);
  options.size = quern_model_size(model, quern_model_size_count(model) - 1) + 32;
  results first = embed_model(model, options, images);
  CHECK(!equal(first, expected));
  check_equal(first, embed_model(model, options, images), "another size");
  free_results(first);
  if (quern_model_pooling_exponent(model, 0) > 0) {
    options = session_options(1);
    options.pooling_exponent = quern_model_pooling_exponent(model, 0);
    check_equal(expected, embed_model(model, options, images), "the same exponent");
    options.pooling_exponent = 1.0 / 0.0;
    first = embed_model(model, options, images);
    CHECK(!equal(first, expected));
    free_results(first);
  } else {
    quern_session *session = NULL;
    options.pooling_exponent = 2;
    EXPECT(quern_session_create(model, &options, &session), QUERN_ERROR_NOT_AVAILABLE);
  }
}

void test_results(const char *path, const char *folder) {
  quern_model *model = NULL;
  EXPECT(quern_model_open(path, NULL, &model), QUERN_OK);
  if (model == NULL) return;
  dimension = quern_model_dimension(model);
  classes = quern_model_class_count(model);
  size_t sides[IMAGES][2] = {{120, 90}, {90, 130}, {200, 200}, {120, 90}, {77, 301}};
  for (size_t index = 0; index < IMAGES; index++) {
    images[index] = made_image(sides[index][0], sides[index][1], (unsigned)index);
  }
  results expected = embed_model(model, session_options(1), images);
  /* Normalised, and not all the same. */
  for (size_t index = 0; index < IMAGES; index++) {
    double sum = 0;
    for (size_t element = 0; element < dimension; element++) {
      double value = (double)expected.embeddings[index * dimension + element];
      sum += value * value;
    }
    CHECK(sum > 0.999 && sum < 1.001);
  }
  CHECK(memcmp(expected.embeddings, expected.embeddings + dimension, dimension * sizeof(float)) != 0);
  test_sessions(model, expected);
  test_strides(model, expected);
  test_ready(model);
  test_tiers(path, expected);
  test_sources(path, folder, expected);
  test_lifetime(path, expected);
  test_description(path, model);
  test_choices(model, expected);
  free_results(expected);
  for (size_t index = 0; index < IMAGES; index++) free_image(images[index]);
  quern_model_free(model);
}
