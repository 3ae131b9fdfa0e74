/*
 * Writes the embeddings of images to standard output, as float32 rows.
 *
 *     embed MODEL.quern IMAGE.ppm ... > embeddings.f32
 *
 * Images are PPM files, which need no library. Any decoder that gives 8-bit RGB does as well.
 */
#include <quern.h>
#include <stdio.h>
#include <stdlib.h>

/* Reads a binary PPM file (P6) with 8 bits per sample. Returns 0 if it is something else. */
static int read_ppm(const char *path, quern_image *image) {
  FILE *file = fopen(path, "rb");
  unsigned width, height, maximum;
  if (file == NULL) return 0;
  if (fscanf(file, "P6 %u %u %u", &width, &height, &maximum) != 3 || maximum != 255 || fgetc(file) == EOF ||
      width == 0 || height == 0 || width > 65536 || height > 65536) {
    fclose(file);
    return 0;
  }
  size_t size = (size_t)3 * width * height;
  uint8_t *pixels = malloc(size);
  int is_whole = pixels != NULL && fread(pixels, 1, size, file) == size;
  fclose(file);
  if (!is_whole) {
    free(pixels);
    return 0;
  }
  *image = (quern_image){.pixels = pixels, .height = height, .width = width};
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s MODEL.quern IMAGE.ppm ... > embeddings.f32\n", argv[0]);
    return 64;
  }
  quern_model *model = NULL;
  quern_session *session = NULL;
  if (quern_model_open(argv[1], NULL, &model) != QUERN_OK || quern_session_create(model, NULL, &session) != QUERN_OK) {
    fprintf(stderr, "%s\n", quern_last_error());
    return 1;
  }

  quern_fidelity fidelity = QUERN_FIDELITY_INIT;
  if (quern_model_fidelity(model, 0, &fidelity) == QUERN_OK && fidelity.measured) {
    fprintf(stderr, "%s at %u pixels: mean drift %g over %llu images\n", quern_model_architecture(model), fidelity.size,
            fidelity.drift_mean, (unsigned long long)fidelity.images);
  }

  size_t dimension = quern_model_dimension(model);
  float *embedding = malloc(dimension * sizeof *embedding);
  int status = embedding == NULL;
  for (int index = 2; index < argc && status == 0; index++) {
    quern_image image;
    if (!read_ppm(argv[index], &image)) {
      fprintf(stderr, "%s: not an 8-bit PPM image\n", argv[index]);
      status = 1;
      break;
    }
    if (quern_embed(session, &image, 1, embedding, dimension, NULL, 0) != QUERN_OK) {
      fprintf(stderr, "%s: %s\n", argv[index], quern_last_error());
      status = 1;
    } else if (fwrite(embedding, sizeof *embedding, dimension, stdout) != dimension) {
      perror("standard output");
      status = 1;
    }
    free((void *)image.pixels);
  }
  free(embedding);
  quern_session_free(session);
  quern_model_free(model);
  return status;
}
