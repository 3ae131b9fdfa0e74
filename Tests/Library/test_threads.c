/* Threads that share a model, and one session that threads fight for. */
#include "check.h"
#include "tests.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, ROUNDS = 6 };

typedef struct shared {
  const quern_model *model;
  quern_session *session;
  const quern_image *image;
  const float *expected;
  atomic_int wrong;
  atomic_int busy;
} shared;

static void *own_session(void *argument) {
  shared *shared = argument;
  size_t dimension = quern_model_dimension(shared->model);
  float *embedding = malloc(dimension * sizeof *embedding);
  for (int round = 0; round < ROUNDS; round++) {
    quern_session_options options = QUERN_SESSION_OPTIONS_INIT;
    options.threads = 1 + (uint32_t)round % 2;
    quern_session *session = NULL;
    quern_fidelity fidelity = QUERN_FIDELITY_INIT;
    const char *json = NULL;
    if (quern_session_create(shared->model, &options, &session) != QUERN_OK ||
        quern_model_fidelity(shared->model, 0, &fidelity) != QUERN_OK ||
        quern_model_metadata(shared->model, &json, NULL) != QUERN_OK ||
        quern_embed(session, shared->image, 1, embedding, dimension, NULL, 0) != QUERN_OK ||
        memcmp(embedding, shared->expected, dimension * sizeof *embedding) != 0)
      atomic_fetch_add(&shared->wrong, 1);
    /* Each thread has its own message. */
    if (quern_embed(session, NULL, 1, embedding, dimension, NULL, 0) != QUERN_ERROR_INVALID_ARGUMENT ||
        strstr(quern_last_error(), "images") == NULL)
      atomic_fetch_add(&shared->wrong, 1);
    quern_session_free(session);
  }
  free(embedding);
  return NULL;
}

static void *one_session(void *argument) {
  shared *shared = argument;
  size_t dimension = quern_model_dimension(shared->model);
  float *embedding = malloc(dimension * sizeof *embedding);
  for (int round = 0; round < 10 * ROUNDS; round++) {
    quern_status status = quern_embed(shared->session, shared->image, 1, embedding, dimension, NULL, 0);
    if (status == QUERN_ERROR_BUSY) {
      atomic_fetch_add(&shared->busy, 1);
    } else if (status != QUERN_OK || memcmp(embedding, shared->expected, dimension * sizeof *embedding) != 0) {
      atomic_fetch_add(&shared->wrong, 1);
    }
  }
  free(embedding);
  return NULL;
}

static void run(void *(*body)(void *), shared *shared) {
  pthread_t threads[THREADS];
  for (int index = 0; index < THREADS; index++) pthread_create(&threads[index], NULL, body, shared);
  for (int index = 0; index < THREADS; index++) pthread_join(threads[index], NULL);
}

void test_threads(const char *path) {
  quern_model *model = NULL;
  quern_session *session = NULL;
  EXPECT(quern_model_open(path, NULL, &model), QUERN_OK);
  EXPECT(quern_session_create(model, NULL, &session), QUERN_OK);
  if (session == NULL) return;
  size_t dimension = quern_model_dimension(model);
  float *expected = malloc(dimension * sizeof *expected);
  quern_image image = made_image(110, 140, 3);
  EXPECT(quern_embed(session, &image, 1, expected, dimension, NULL, 0), QUERN_OK);
  shared shared = {.model = model, .session = session, .image = &image, .expected = expected};
  run(own_session, &shared);
  run(one_session, &shared);
  CHECK(atomic_load(&shared.wrong) == 0);
  free_image(image);
  free(expected);
  quern_session_free(session);
  quern_model_free(model);
}
