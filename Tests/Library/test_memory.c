/* No allocation after the first image of a size, and no more memory than quern_peak_memory says. */
#include "allocations.h"
#include "check.h"
#include "tests.h"

enum { BATCH = 4, SIZES = 8 };

void test_memory(const char *path) {
  quern_model *model = NULL;
  EXPECT(quern_model_open(path, NULL, &model), QUERN_OK);
  if (model == NULL) return;
  size_t dimension = quern_model_dimension(model), classes = quern_model_class_count(model);
  float *embeddings = malloc(BATCH * dimension * sizeof *embeddings);
  float *logits = classes > 0 ? malloc(BATCH * classes * sizeof *logits) : NULL;
  quern_image images[SIZES];
  for (size_t index = 0; index < SIZES; index++) images[index] = made_image(100 + index, 150 - index, (unsigned)index);

  for (uint32_t threads = 1; threads <= 3; threads += 2) {
    quern_session_options options = QUERN_SESSION_OPTIONS_INIT;
    options.threads = threads;
    quern_memory memory = QUERN_MEMORY_INIT;
    EXPECT(quern_peak_memory(model, &options, images[0].height, images[0].width, &memory), QUERN_OK);
    CHECK(memory.model_bytes > 0 && memory.session_bytes > 0);
    CHECK(memory.peak_bytes >= memory.model_bytes + memory.session_bytes);

    quern_session *session = NULL;
    EXPECT(quern_session_create(model, &options, &session), QUERN_OK);
    size_t before = allocated_bytes();
    quern_image batch[BATCH] = {images[0], images[0], images[0], images[0]};
    EXPECT(quern_embed(session, batch, BATCH, embeddings, BATCH * dimension, logits, BATCH * classes), QUERN_OK);
    size_t used = allocated_bytes() - before;
    if (counts_allocations && used > memory.session_bytes + memory.session_bytes / 4 + (1u << 20)) {
      fprintf(stderr, "%s: a session of %u threads allocated %zu bytes, and was said to need %llu\n", path, threads, used,
              (unsigned long long)memory.session_bytes);
      failure_count++;
    }

    /* The first calls with each size, alone and in batches. */
    for (size_t index = 0; index < SIZES; index++) {
      EXPECT(quern_embed(session, &images[index], 1, embeddings, dimension, logits, classes), QUERN_OK);
    }
    EXPECT(quern_embed(session, images, BATCH, embeddings, BATCH * dimension, logits, BATCH * classes), QUERN_OK);
    EXPECT(quern_embed(session, images + BATCH, BATCH, embeddings, BATCH * dimension, logits, BATCH * classes),
           QUERN_OK);
    long count = allocation_count();
    for (size_t index = 0; index < SIZES; index++) {
      EXPECT(quern_embed(session, &images[index], 1, embeddings, dimension, logits, classes), QUERN_OK);
    }
    EXPECT(quern_embed(session, images, BATCH, embeddings, BATCH * dimension, NULL, 0), QUERN_OK);
    EXPECT(quern_embed(session, images + BATCH, BATCH, embeddings, BATCH * dimension, logits, BATCH * classes),
           QUERN_OK);
    count = allocation_count() - count;
    if (count != 0) {
      fprintf(stderr, "%s: a session of %u threads allocated %ld times after the first calls\n", path, threads, count);
      failure_count++;
    }
    quern_session_free(session);
  }
  for (size_t index = 0; index < SIZES; index++) free_image(images[index]);
  free(embeddings);
  free(logits);
  quern_model_free(model);
}
