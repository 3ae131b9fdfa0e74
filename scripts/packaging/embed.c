// Writes the embedding of an image (P6 of Netpbm, without comments) as floats: embed PACKAGE IMAGE > FLOATS
#include <quern.h>
#include <stdio.h>
#include <stdlib.h>

static int failed(const char *what) {
  fprintf(stderr, "embed: %s: %s\n", what, quern_last_error());
  return 1;
}

int main(int argc, char **argv) {
  FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
  size_t width, height;
  if (!file || fscanf(file, "P6 %zu %zu 255", &width, &height) != 2 || fgetc(file) != '\n') return failed("image");
  uint8_t *pixels = malloc(3 * width * height);
  if (!pixels || fread(pixels, 3 * width, height, file) != height) return failed("pixels");

  quern_model *model = NULL;
  quern_session *session = NULL;
  if (quern_model_open(argv[1], NULL, &model) != QUERN_OK) return failed(argv[1]);
  if (quern_session_create(model, NULL, &session) != QUERN_OK) return failed("session");
  const size_t dimension = quern_model_dimension(model);
  float *embedding = malloc(dimension * sizeof *embedding);
  const quern_image image = {.pixels = pixels, .height = height, .width = width};
  if (!embedding || quern_embed(session, &image, 1, embedding, dimension, NULL, 0) != QUERN_OK) return failed(argv[2]);
  if (fwrite(embedding, sizeof *embedding, dimension, stdout) != dimension) return failed("output");
  quern_session_free(session);
  quern_model_free(model);
  free(embedding);
  free(pixels);
  return fclose(file) || fclose(stdout);
}
