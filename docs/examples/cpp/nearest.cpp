// Prints the nearest neighbour of each image among the others. The images are embedded by several threads that share one
// model.
//
//     nearest MODEL.quern IMAGE.ppm ...
#include <quern.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

struct ModelDeleter {
  void operator()(quern_model *model) const { quern_model_free(model); }
};
struct SessionDeleter {
  void operator()(quern_session *session) const { quern_session_free(session); }
};
using Model = std::unique_ptr<quern_model, ModelDeleter>;
using Session = std::unique_ptr<quern_session, SessionDeleter>;

void check(quern_status status) {
  if (status != QUERN_OK) throw std::runtime_error(quern_last_error());
}

Model open_model(const std::string &path) {
  quern_model *model = nullptr;
  check(quern_model_open(path.c_str(), nullptr, &model));
  return Model(model);
}

// A session that runs on the thread that uses it, and no other.
Session create_session(const quern_model *model) {
  quern_session_options options = QUERN_SESSION_OPTIONS_INIT;
  options.threads = 1;
  quern_session *session = nullptr;
  check(quern_session_create(model, &options, &session));
  return Session(session);
}

struct Image {
  std::size_t height = 0, width = 0;
  std::vector<std::uint8_t> pixels;

  // Reads a binary PPM file (P6) with 8 bits per sample.
  explicit Image(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    std::string magic;
    unsigned maximum = 0;
    file >> magic >> width >> height >> maximum;
    file.get();
    if (magic != "P6" || maximum != 255 || width == 0 || height == 0 || width > 65536 || height > 65536)
      throw std::runtime_error(path + ": not an 8-bit PPM image");
    pixels.resize(3 * width * height);
    if (!file.read(reinterpret_cast<char *>(pixels.data()), static_cast<std::streamsize>(pixels.size())))
      throw std::runtime_error(path + ": the file is cut short");
  }
};

}  // namespace

int main(int argc, char **argv) try {
  if (argc < 4) {
    std::fprintf(stderr, "usage: %s MODEL.quern IMAGE.ppm IMAGE.ppm ...\n", argv[0]);
    return 64;
  }
  const Model model = open_model(argv[1]);
  const std::vector<std::string> paths(argv + 2, argv + argc);
  const std::size_t dimension = quern_model_dimension(model.get());
  std::vector<float> embeddings(paths.size() * dimension);

  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  const auto work = [&] {
    try {
      const Session session = create_session(model.get());
      for (std::size_t index = next++; index < paths.size(); index = next++) {
        const Image pixels(paths[index]);
        const quern_image image = {pixels.pixels.data(), pixels.height, pixels.width, 0};
        check(quern_embed(session.get(), &image, 1, &embeddings[index * dimension], dimension, nullptr, 0));
      }
    } catch (const std::exception &error) {
      std::fprintf(stderr, "%s\n", error.what());
      failed = true;
    }
  };
  std::vector<std::thread> threads;
  for (int index = 0; index < 4; index++) threads.emplace_back(work);
  for (auto &thread : threads) thread.join();
  if (failed) return 1;

  // Embeddings are normalised, so that their inner product is the cosine of the angle between them.
  for (std::size_t query = 0; query < paths.size(); query++) {
    std::size_t best = query;
    float highest = -2;
    for (std::size_t other = 0; other < paths.size(); other++) {
      if (other == query) continue;
      float cosine = 0;
      for (std::size_t element = 0; element < dimension; element++)
        cosine += embeddings[query * dimension + element] * embeddings[other * dimension + element];
      if (cosine > highest) highest = cosine, best = other;
    }
    std::printf("%s\t%s\t%.4f\n", paths[query].c_str(), paths[best].c_str(), static_cast<double>(highest));
  }
  return 0;
} catch (const std::exception &error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
